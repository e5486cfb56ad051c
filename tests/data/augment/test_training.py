"""Training with mixed labels: the loss, and that batches, pieces, processes and files change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sonde import fit
from sonde.data.augment import augmentation, mixing
from sonde.data.batch import Batch
from sonde.data.batches import Batches
from sonde.data.prepare.columns import Columns
from sonde.errors import RecipeError
from sonde.recipe import Recipe
from sonde.tasks import Task
from sonde.tasks.classification import Classification
from sonde.tasks.multi_label_classification import MultiLabelClassification
from sonde.tasks.regression import Regression
from sonde.training.checkpoints import Checkpoints

COUNT = 60
TASKS: list[tuple[Task, Tensor]] = [
    (Classification(("a", "b", "c")), torch.arange(COUNT) % 3),
    (Classification(("a", "b", "c"), smoothing=0.1, weights=(1.0, 2.0, 0.5)), torch.arange(COUNT) % 3),
    (Classification(("a", "b", "c"), criterion="squared"), torch.arange(COUNT) % 3),
    (MultiLabelClassification(("x", "y", "z")), (torch.arange(COUNT * 3).view(COUNT, 3) % 2).float()),
    (Regression(("x", "y", "z"), criterion="huber"), torch.linspace(-2, 2, COUNT * 3).view(COUNT, 3)),
]


def columns(*, mapped: bool = False) -> Columns:
    pictures = torch.randint(0, 256, (COUNT, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Columns((pictures,), torch.arange(COUNT) % 3, np.ones(COUNT, dtype=bool), mapped=mapped)


@pytest.mark.parametrize(("task", "targets"), TASKS)
def test_the_loss_is_the_weighted_sum_of_both_labels(task: Task, targets: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    pictures, shares = torch.rand(COUNT, 1, 4, 4), torch.linspace(0.5, 1, COUNT)
    partners = targets.flip(0)
    totals = {"examples": 1.0}

    def loss(rows: slice, wanted: Tensor, other: Tensor | None = None) -> Tensor:
        share = None if other is None else shares[rows]
        batch = Batch((pictures[rows],), wanted[rows], torch.arange(COUNT)[rows], {"examples": 1.0}, None, None if other is None else other[rows], share)
        return task.loss(model, batch, totals).value

    for row in (0, 17, 59):
        one = slice(row, row + 1)
        mixed = loss(one, targets, partners)
        torch.testing.assert_close(mixed, shares[row] * loss(one, targets) + (1 - shares[row]) * loss(one, partners))
    every = slice(None)
    weighted = Batch((pictures,), targets, torch.arange(COUNT), {"examples": 1.0}, torch.full((COUNT,), 2.0), partners, shares)
    torch.testing.assert_close(task.loss(model, weighted, totals).value, 2 * loss(every, targets, partners))


@pytest.mark.parametrize("own", [False, True])
def test_the_partner_is_the_one_that_was_drawn_with_its_label(own: bool) -> None:
    data, index = columns(mapped=own), np.arange(10, 50)
    mix, steps = mixing(("mixup:1",), seed=4), augmentation(("flip",), seed=4)
    assert mix is not None
    assert steps is not None
    batches = Batches(data, index, batch_size=16, seed=4, shuffle=True, device="cpu", augment=steps, mix=mix)
    seen = 0
    for (piece,) in batches.epoch(2):
        assert piece.partners is not None
        assert piece.shares is not None
        others = torch.from_numpy(index)[mix.partners(piece.index, 2, len(index))]
        assert torch.equal(piece.partners, others % 3)
        assert torch.equal(piece.targets, piece.index % 3)  # type: ignore[arg-type]
        mine, theirs = (steps(data.inputs[0][rows], rows, 2).float() for rows in (piece.index, others))
        share = piece.shares[:, None, None, None]
        torch.testing.assert_close(piece.inputs[0], share * mine + (1 - share) * theirs, atol=1e-3, rtol=0)
        seen += len(piece.index)
    assert seen == len(index)


def test_ranks_pieces_and_files_see_the_same() -> None:
    mix, steps = mixing(("mixup", "cutmix"), seed=1), augmentation(("shift",), seed=1)

    def seen(*, ranks: int = 1, accumulate: int = 1, mapped: bool = False) -> dict[int, tuple[Tensor, int, float]]:
        found = {}
        for rank in range(ranks):
            batches = Batches(
                columns(mapped=mapped), np.arange(COUNT), batch_size=16, seed=1, shuffle=True, device="cpu",
                rank=rank, world_size=ranks, accumulate=accumulate, augment=steps, mix=mix,
            )  # fmt: skip
            for pieces in batches.epoch(0):
                for piece in pieces:
                    assert piece.partners is not None
                    assert piece.shares is not None
                    for row, number in enumerate(piece.index.tolist()):
                        found[number] = (piece.inputs[0][row].float(), int(piece.partners[row]), float(piece.shares[row]))
        return found

    one = seen()
    assert len(one) == COUNT
    for other in (seen(ranks=3), seen(accumulate=4), seen(mapped=True), seen(ranks=2, accumulate=2, mapped=True)):
        for number, (picture, partner, share) in one.items():
            torch.testing.assert_close(other[number][0], picture, atol=1e-3, rtol=0)
            assert other[number][1:] == (partner, share)


def test_accumulating_changes_nothing(tmp_path: Path) -> None:
    recipe = Recipe().replace(
        data={"path": "digits", "augment": ("shift", "rotate:10", "mixup:0.4", "cutmix"), "examples": 320},
        model={"name": "mlp", "config": {"width": 32}},
        training={"epochs": 2, "batch_size": 64, "compile": False, "precision": "float64"},
    )
    runs = [fit.train(recipe.replace(training={"accumulate": pieces}), out=tmp_path / str(pieces), pages=False) for pieces in (1, 4)]
    names = [Checkpoints(run.path).pointers()["last"][0] for run in runs]
    one, other = (load_file(run.path / "checkpoints" / name / "weights.safetensors") for run, name in zip(runs, names, strict=True))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-9


def test_mixing_trains(tmp_path: Path) -> None:
    recipe = Recipe().replace(
        data={"path": "digits", "augment": ("mixup:0.4", "cutmix")},
        model={"name": "mlp"},
        training={"epochs": 12, "batch_size": 32, "compile": False},
    )
    assert fit.train(recipe, out=tmp_path / "run", pages=False).metrics["accuracy"] > 0.9


def test_what_cannot_be_mixed_is_said_before_the_first_step(tmp_path: Path) -> None:
    two = Recipe().replace(data={"path": "digits", "augment": ("mixup",)}, training={"epochs": 1})
    with pytest.raises(RecipeError, match="there is no augmentation 'mixpu'"):
        fit.train(two.replace(data={"augment": ("mixpu",)}), out=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(RecipeError, match="augmentation is for pictures; these data are a table"):
        fit.train(two.replace(data={"path": "iris", "augment": ("flip",)}), out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    pictures, labels = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    pictures[1::2, 2:6] = 200
    own = Recipe().replace(data={"augment": ("mixup",)}, model={"name": "perceptron"}, training={"epochs": 1})
    with pytest.raises(RecipeError, match="mixup mixes the labels of two pictures, which this task and model have no loss for"):
        fit.train(own, data=(pictures, labels), out=tmp_path / "c")


PLAIN = Recipe().replace(data={"path": "digits", "examples": 120}, training={"compile": False})


def said_of_augmentation(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "note" and "changes nothing" in event["message"]]


@pytest.mark.parametrize(
    ("model", "numbers"), [({"name": "visual-words", "config": {"words": 8, "patches": (4,)}}, False), ({"name": "linear-regression"}, True)]
)
def test_of_models_that_learn_without_epochs_it_is_said_that_it_changes_nothing(model: dict[str, Any], numbers: bool, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    data = (pictures, pictures.mean((1, 2)) if numbers else np.arange(60) % 2)
    recipe = Recipe().replace(model=model, data={"augment": ("shift", "flip:0.1")}, training={"compile": False})
    events: list[dict[str, Any]] = []
    fit.train(recipe, data=data, out=tmp_path / "run", listen=[events.append], pages=False)
    why = f"{model['name']} is fitted to the pictures as they are, without epochs (--epochs 20 has some)"
    assert said_of_augmentation(events) == [f"{why}, so that shift, flip:0.1 changes nothing"]
    events.clear()
    learnt = fit.train(recipe.replace(training={"epochs": 1}), data=data, out=tmp_path / "learnt", listen=[events.append], pages=False)
    assert learnt.recipe.model.config["solver"] == "gradient"
    assert said_of_augmentation(events) == []


@pytest.mark.parametrize(("names", "said"), [(("shift", "flip"), "shift, flip changes nothing"), (("none",), None), (None, None)])
def test_without_epochs_it_is_said_that_it_changes_nothing(names: tuple[str, ...] | None, said: str | None, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    recipe = PLAIN.replace(model={"name": "softmax-regression"}, training={"epochs": 0}, data={"augment": names})
    fit.train(recipe, out=tmp_path / "run", listen=[events.append], pages=False)
    assert said_of_augmentation(events) == ([] if said is None else [f"there are no epochs to augment pictures in, so that {said}"])
