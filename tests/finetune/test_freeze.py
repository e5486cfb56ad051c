"""Frozen stages and a body of its own rate: what moves and what does not, on whatever path a step is made."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from finetune.making import folders, notes, recipe, trained, weights
from sonde import fit, models
from sonde.data.batch import Batch
from sonde.errors import RecipeError
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.prepared import Prepared
from sonde.nn.stages import stage_by_name, stages_of
from sonde.optim import optimizers
from sonde.optim.clip import clip
from sonde.recipe import Optim, Recipe
from sonde.tasks.classification import Classification
from sonde.training.optimizer import build_optimizer
from sonde.training.step import Step
from sonde.training.whole_step import WholeStep

TINY = {"channels": 3, "size": 8, "classes": 3, "blocks": 1, "width": 4}


def network(name: str = "resnet20", **values: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, TINY | values)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders(tmp_path_factory.mktemp("data") / "data", ("a", "b", "c"), each=14)


def test_a_frozen_stage_computes_in_training_what_it_computes_in_prediction() -> None:
    model = Prepared(Given(), network())
    model.freeze(("stem", "stage1"))
    seen: dict[str, torch.Tensor] = {}
    for stage in ("layer1", "layer2"):
        model.network.get_submodule(stage).register_forward_hook(lambda _, __, y, stage=stage: seen.__setitem__(stage, y.detach()))
    x = torch.randn(5, 3, 8, 8)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    model.train()
    model(x).sum().backward()
    trained, moved = seen["layer1"], seen["layer2"]
    model.eval()
    model(x)
    assert torch.equal(trained, seen["layer1"])
    assert not torch.equal(moved, seen["layer2"])
    for name, value in model.network.state_dict().items():
        frozen = name.startswith(("conv1", "bn1", "layer1"))
        assert torch.equal(value, before[name]) or not frozen, name
    for name, parameter in model.network.named_parameters():
        assert (parameter.grad is None) == name.startswith(("conv1", "bn1", "layer1")), name
    assert torch.equal(model.network.bn1.num_batches_tracked, before["bn1.num_batches_tracked"])


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        (("stage9",), r"--freeze: the model has no stage 'stage9' to freeze\n.*did you mean 'stage.'\?; the stages are stem, stage1, stage2, stage3, head"),
        (("everything",), r"no stage 'everything' to freeze\n.*the stages are stem, stage1, stage2, stage3, head; body is all but head"),
        (("body", "head"), r"with stem, stage1, stage2, stage3, head frozen nothing is left to train\n.*leave head out: --freeze body"),
    ],
)
def test_stages_that_do_not_exist_and_all_of_them(data: Path, tmp_path: Path, freeze: tuple[str, ...], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        trained(recipe(data, model={"freeze": freeze}), tmp_path / "run")


def test_a_model_that_is_all_head_has_nothing_to_freeze_or_slow_down(data: Path, tmp_path: Path) -> None:
    plain = Recipe().replace(data={"path": str(data)}, model={"name": "softmax-regression"}, training={"epochs": 1, "compile": False})
    with pytest.raises(RecipeError, match=r"with head frozen nothing is left to train\n.*this model is all head"):
        trained(plain.replace(model={"freeze": ("head",)}), tmp_path / "a")
    with pytest.raises(RecipeError, match=r"--body-lr: this model has no body, it is all head"):
        trained(plain.replace(optim={"body_lr": 0.1}), tmp_path / "b")
    with pytest.raises(RecipeError, match=r"--body-lr: the body is frozen and does not learn"):
        trained(recipe(data, model={"freeze": ("body",)}, optim={"body_lr": 0.1}), tmp_path / "c")


def test_body_lr_is_a_multiple_of_the_rate_in_every_group() -> None:
    model = network()
    optimizer = build_optimizer(Optim(name="momentum", body_lr=0.1, bias_lr=2.0, weight_decay=1e-3), model, lr=0.5)
    found = [(group["names"], group["lr"], group["scale"], group["weight_decay"]) for group in optimizer.param_groups]
    assert [names for names, *_ in found[:2]] == [["linear.weight"], ["linear.bias"]]
    assert [rate for _, rate, *_ in found] == pytest.approx([0.5, 1.0, 0.05, 0.1])
    assert [scale for *_, scale, _ in found] == pytest.approx([1.0, 2.0, 0.1, 0.2])
    assert [decay for *_, decay in found] == [1e-3, 0.0, 1e-3, 0.0]
    assert sum(len(names) for names, *_ in found) == len(list(model.parameters()))
    plain = build_optimizer(Optim(name="momentum"), model, lr=0.5)
    same = optimizers.build("momentum", model, lr=0.5)
    assert [group["names"] for group in plain.param_groups] == [group["names"] for group in same.param_groups]


def test_layer_decay_is_a_multiple_from_stage_to_stage() -> None:
    model = network()
    stages = list(stages_of(model))
    optimizer = build_optimizer(Optim(name="adamw", layer_decay=0.5, body_lr=0.8), model, lr=1.0)
    of = {name: group["lr"] for group in optimizer.param_groups for name in group["names"]}
    for name, stage in stage_by_name(model).items():
        if name in of:
            below = len(stages) - 1 - stages.index(stage)
            assert of[name] == pytest.approx(0.8 * 0.5**below if below else 1.0)
    assert len(set(of.values())) == len(stages)
    with pytest.raises(RecipeError, match=r"--layer-decay: this model has no body, it is all head"):
        build_optimizer(Optim(name="adamw", layer_decay=0.5), nn.Linear(2, 2), lr=1.0)


def test_one_step_moves_the_body_by_its_share(data: Path, tmp_path: Path) -> None:
    """With plain gradient descent a step is rate times gradient, whatever the schedule says that the rate is."""
    start = recipe(data, optim={"name": "sgd", "schedule": "one-cycle", "weight_decay": 0.0}, epochs=1, batch_size=1000)
    still = weights(trained(start.replace(training={"epochs": 0}), tmp_path / "still"))
    full = weights(trained(start, tmp_path / "full"))
    slow = weights(trained(start.replace(optim={"body_lr": 0.25}), tmp_path / "slow"))
    for name in ("conv1.weight", "layer2.0.conv1.weight"):
        torch.testing.assert_close(slow[name] - still[name], 0.25 * (full[name] - still[name]), rtol=1e-4, atol=1e-7)
    assert torch.equal(slow["linear.weight"], full["linear.weight"])


def test_frozen_stages_and_slow_bodies_resume_bitwise(data: Path, tmp_path: Path) -> None:
    values = {"weight_decay": 0.1, "body_lr": 0.3, "schedule": "constant", "name": "adamw", "lr": 0.01}
    start = recipe(data, model={"freeze": ("stem", "stage1")}, optim=values, ema=0.9).replace(data={"augment": ("flip",)})
    first = weights(trained(start.replace(training={"epochs": 0}), tmp_path / "first"))
    straight = weights(trained(start.replace(training={"epochs": 3}), tmp_path / "straight"))
    cut = trained(start.replace(training={"epochs": 1}), tmp_path / "cut")
    resumed = weights(fit.resume(cut.path, cut.recipe.replace(training={"epochs": 3})))
    for name, value in straight.items():
        assert torch.equal(resumed[name], value), name
        assert torch.equal(first[name], value) == name.startswith(("conv1", "bn1", "layer1")), name


class Dense(nn.Module):
    """Three stages, the first with a batch norm."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("stem",), "stage1": ("body",), "head": ("head",)}

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(3, 4), BatchNorm(4))
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).relu())


class Given(nn.Module):
    """Inputs as they are."""

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return inputs


def test_the_graph_of_a_whole_step_freezes_and_slows_down_as_the_eager_step_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda graph: graph)  # compiling takes ten seconds, and is tested elsewhere
    torch.manual_seed(0)
    model = Prepared(Given(), Dense()).double()
    model.freeze(("stem",))
    twin, task = copy.deepcopy(model), Classification(("a", "b"))
    optim = Optim(name="adamw", body_lr=0.25, weight_decay=0.1)
    eager, mirrored = build_optimizer(optim, model.network, lr=0.1), build_optimizer(optim, twin.network, lr=0.1)
    whole = WholeStep(Step(twin, task), mirrored, clip=0.5, precision="float64", device=torch.device("cpu"))
    for _ in range(3):
        batch = Batch((torch.randn(8, 3, dtype=torch.float64),), torch.randint(2, (8,)), torch.arange(8), {"examples": 8.0})
        task.loss(model, batch, batch.counts).value.backward()
        clip([p for p in model.parameters() if p.requires_grad], limit=0.5)
        eager.step()
        eager.zero_grad()
        whole(batch, batch.counts)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name], value, rtol=1e-9, atol=1e-11)


@pytest.mark.processes
def test_processes_and_pieces_change_nothing(data: Path, tmp_path: Path) -> None:
    start = recipe(data, model={"freeze": ("stem", "stage1", "stage2")}, optim={"body_lr": 0.5}, precision="float64")
    start = start.replace(data={"augment": ("flip",)})
    one = weights(trained(start, tmp_path / "one"))
    two = load_two(fit.train(start.replace(training={"processes": 2}), out=tmp_path / "two").path)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-8, atol=1e-10)


def load_two(path: Path) -> dict[str, torch.Tensor]:
    last = sorted((path / "checkpoints").glob("step-*"))[-1]
    return load_file(last / "weights.safetensors")


def test_auto_rates_keep_the_share(data: Path, tmp_path: Path) -> None:
    run = trained(recipe(data, optim={"lr": "auto", "body_lr": 0.1}, epochs=1), tmp_path / "run")
    assert isinstance(run.recipe.optim.lr, float)
    assert run.recipe.optim.body_lr == 0.1


def test_features_computed_once_give_the_same_head(data: Path, tmp_path: Path) -> None:
    start = recipe(data, model={"freeze": ("body",), "config": {"blocks": 1, "width": 4, "new_head": 8}}, precision="float64")
    once = trained(start, tmp_path / "once")
    # a picture's normalisation with noise of nearly nothing in front: every step goes through the body
    each = trained(start.replace(data={"noise": 1e-30}), tmp_path / "each")
    for name, value in weights(each).items():
        torch.testing.assert_close(weights(once)[name], value, rtol=1e-9, atol=1e-12)
    assert "each example goes through the frozen body once" in notes(once)
    assert "each example goes through the frozen body once" not in notes(each)
    assert list(once.model.network.linear.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for part in ("validation", "test"):
        for key, value in each.metrics_file[part].items():
            assert once.metrics_file[part][key] == pytest.approx(value, abs=1e-9)
    half = trained(start.replace(optim={"schedule": "constant"}, training={"epochs": 1}), tmp_path / "half")
    whole = trained(start.replace(optim={"schedule": "constant"}), tmp_path / "whole")
    resumed = fit.resume(half.path, half.recipe.replace(training={"epochs": 2}))
    assert all(torch.equal(weights(resumed)[name], value) for name, value in weights(whole).items())


def test_heads_of_several_parts_and_dropout_before_the_head_are_trained_step_by_step(data: Path, tmp_path: Path) -> None:
    start = recipe(data, model={"name": "lenet", "config": {}, "freeze": ("body",)}).replace(data={"size": 12})
    run = trained(start, tmp_path / "run")
    assert "goes through the frozen body once" not in notes(run)
    assert "stem, stage1 are frozen at their random start, as there are no --weights" in notes(run)
    assert run.description["begun"]["frozen"] == ["stem", "stage1"]
    assert run.description["begun"]["trained_parameters"] == 120 * 17 + 84 * 121 + 3 * 85


def test_a_new_head_is_refused_where_it_cannot_be() -> None:
    with pytest.raises(RecipeError, match=r"model\.new_head: only models for pictures take hidden layers before their outputs"):
        models.build("softmax-regression", {"numbers": 3, "outputs": 2, "new_head": 8})
    with pytest.raises(RecipeError, match=r"model\.new_head: no hidden layers can be put before the outputs of this model"):
        models.build("nin", {"channels": 3, "size": 224, "classes": 2, "scale": 0.1, "new_head": 8})
    for wrong in (0, -1, "wide", [8, 0], True):
        with pytest.raises(RecipeError, match=r"model\.new_head = .*: these are no widths\n.*new_head=\[256,64\]"):
            models.build("resnet20", TINY | {"new_head": wrong})


def test_frozen_words_are_those_of_the_pictures(data: Path, tmp_path: Path) -> None:
    start = recipe(data, model={"name": "visual-words", "config": {"words": 5, "solver": "gradient"}, "freeze": ("body",)})
    run = trained(start.replace(data={"size": 16}), tmp_path / "run")
    assert "stem is frozen at what is made from the training pictures before the first step" in notes(run)
