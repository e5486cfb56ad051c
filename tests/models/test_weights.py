"""Weight files: what loads, what is said of what does not fit, and that no code runs."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from sonde import models
from sonde.errors import RecipeError
from sonde.models import weights

SIZES = {"channels": 1, "size": 12, "classes": 3}


def _lenet(classes: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return models.build("lenet", SIZES | {"classes": classes})


def _same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}])
def test_pytorch_files(wrap: Any, legacy: bool, tmp_path: Path) -> None:
    source, target = _lenet(seed=1), _lenet(seed=2)
    torch.save(wrap(source.state_dict()), tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    loaded = weights.load(tmp_path / "w.pth", target)
    assert _same(source, target)
    assert (loaded.taken, loaded.fresh) == (10, ())
    assert loaded.message == f"10 tensors taken from {tmp_path / 'w.pth'}"


def test_safetensors_whatever_the_name_and_in_a_folder(tmp_path: Path) -> None:
    source = _lenet(seed=1)
    for name in ("w.bin", "model.safetensors"):
        target = _lenet(seed=2)
        safetensors.torch.save_file(source.state_dict(), tmp_path / name)
        weights.load(tmp_path if name == "model.safetensors" else tmp_path / name, target)
        assert _same(source, target)


def test_half_precision_files_fill_a_float32_model(tmp_path: Path) -> None:
    source, target = _lenet(seed=1), _lenet(seed=2)
    safetensors.torch.save_file(source.half().state_dict(), tmp_path / "w.safetensors")
    weights.load(tmp_path / "w.safetensors", target)
    assert target.conv1.weight.dtype == torch.float32
    assert torch.equal(target.conv1.weight, source.conv1.weight.float())


def test_other_classes_keep_a_fresh_head_and_say_so(tmp_path: Path) -> None:
    source, target = _lenet(classes=10, seed=1), _lenet(classes=3, seed=2)
    head = target.fc3.weight.detach().clone()
    torch.save(source.state_dict(), tmp_path / "w.pt")
    loaded = weights.load(tmp_path / "w.pt", target)
    assert loaded.fresh == ("fc3.weight", "fc3.bias")
    assert "fc3.weight, fc3.bias start anew" in loaded.message
    assert torch.equal(target.fc3.weight, head)
    assert torch.equal(target.fc2.weight, source.fc2.weight)


def test_batch_counters_may_be_missing(tmp_path: Path) -> None:
    model = models.build("resnet20", {"channels": 1, "size": 8, "classes": 2, "blocks": 1})
    old = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    torch.save(old, tmp_path / "w.pt")
    assert weights.load(tmp_path / "w.pt", model).taken == len(old)


def test_everything_that_does_not_fit_is_listed_with_the_nearest_name(tmp_path: Path) -> None:
    state = _lenet().state_dict()
    state["conv1.wieght"] = state.pop("conv1.weight")
    state["fc1.weight"] = torch.zeros(120, 7)
    torch.save(state, tmp_path / "w.pt")
    target = _lenet(seed=3)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(RecipeError) as caught:
        weights.load(tmp_path / "w.pt", target)
    said = str(caught.value)
    assert "w.pt: these weights do not fit the model" in said
    assert "conv1.weight is missing (nearest: conv1.wieght)" in said
    assert "conv1.wieght is not in the model (nearest: conv1.weight)" in said
    assert "fc1.weight is 120×7 in the file and 120×16 in the model" in said
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())


def test_long_lists_are_cut(tmp_path: Path) -> None:
    torch.save(models.build("resnet20", {"channels": 1, "size": 8, "classes": 2}).state_dict(), tmp_path / "w.pt")
    with pytest.raises(RecipeError, match=r"… and \d\d+ more are not in the model"):
        weights.load(tmp_path / "w.pt", _lenet())


def test_no_kind_of_misfit_hides_another_and_counters_take_no_place(tmp_path: Path) -> None:
    sizes = {"channels": 1, "size": 8, "classes": 2, "blocks": 1}
    state = models.build("resnet20", sizes | {"width": 4}).state_dict()
    renamed = {name.replace("layer1", "block1").replace("layer2", "block2"): value for name, value in state.items()}
    torch.save(renamed, tmp_path / "w.pt")
    with pytest.raises(RecipeError) as caught:
        weights.load(tmp_path / "w.pt", models.build("resnet20", sizes | {"width": 6}))
    said = str(caught.value)
    for line, more in [
        ("layer1.0.conv1.weight is missing (nearest: block1.0.conv1.weight)", "more are missing"),
        ("block1.0.conv1.weight is not in the model (nearest: layer1.0.conv1.weight)", "more are not in the model"),
        ("conv1.weight is 4×1×3×3 in the file and 6×1×3×3 in the model", "more have other shapes"),
    ]:
        assert line in said
        assert re.search(rf"… and \d+ {more}", said)
    assert "num_batches_tracked" not in said
    assert len(said.splitlines()) == 1 + 3 * 6 + 1


def test_counters_that_the_model_has_not_are_passed_over() -> None:
    state = _lenet(seed=1).state_dict()
    assert weights.fill(_lenet(seed=2), state | {"norm.num_batches_tracked": torch.tensor(3)}, where="w").taken == len(state)


def test_rows_are_kept_of_whole_layers_alone() -> None:
    network = nn.Sequential()
    network.add_module("head", nn.Linear(4, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    others = {"head.weight": torch.ones(3, 5), "head.bias": torch.ones(3)}
    loaded = weights.fill(network, others, where="w", new_head=True, rows={0: 2})  # a bias alone means nothing
    assert loaded.kept == 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert weights.fill(network, others | {"head.weight": torch.ones(3, 4)}, where="w", new_head=True, rows={0: 2}).kept == 1
    assert network.head.weight[0].eq(1).all()
    assert network.head.bias.tolist() == [1.0, before["head.bias"][1].item()]


def test_advice_is_asked_for_only_where_something_does_not_fit() -> None:
    def advice() -> str:
        raise AssertionError("nobody wants to know")

    weights.fill(_lenet(seed=2), _lenet(seed=1).state_dict(), where="w", advice=advice)
    with pytest.raises(RecipeError, match="→ try another"):
        weights.fill(_lenet(seed=2), {}, where="w", advice=lambda: "try another")


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("legacy", [False, True])
def test_files_that_would_run_code_are_refused_and_do_not(legacy: bool, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    torch.save({"conv1.weight": torch.zeros(1), "more": _Malicious(mark)}, tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(RecipeError, match=r"w\.pt: this file holds more than weights: loading all of it would run code .* is refused\n.*safetensors"):
        weights.load(tmp_path / "w.pt", _lenet())
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(_Malicious(mark), protocol=2))
    with pytest.raises(RecipeError, match=r"would run code|damaged"):
        weights.load(tmp_path / "plain.pkl", _lenet())
    assert not mark.exists()
    pickle.loads((tmp_path / "plain.pkl").read_bytes())
    assert mark.exists()  # so it would have


def test_whole_models_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(RecipeError, match=r"would run code.*\n.*save model\.state_dict\(\) alone"):
        weights.load(tmp_path / "w.pt", _lenet())


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"optimizer": {"lr": 0.1}}])
def test_files_without_weights(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(RecipeError, match="no dictionary of weights"):
        weights.load(tmp_path / "w.pt", _lenet())


def test_missing_foreign_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.pt: these weights cannot be read: No such file"):
        weights.load(tmp_path / "none.pt", _lenet())
    (tmp_path / "w.pt").write_text("hello, this is text")
    with pytest.raises(RecipeError, match="neither a safetensors nor a PyTorch file"):
        weights.load(tmp_path / "w.pt", _lenet())
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecipeError, match=re.escape("this folder has no weights in it")):
        weights.load(tmp_path / "folder", _lenet())


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_every_truncation_is_noticed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w"
    if kind == "safetensors":
        safetensors.torch.save_file(_lenet().state_dict(), path)
    else:
        torch.save(_lenet().state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(RecipeError, match=r"cut short or damaged; it has [\d,]+ bytes\n|neither a safetensors nor") as caught:
            weights.load(path, _lenet())
        assert not re.search("miniz|zip archive|header|Pickle|Ran out", str(caught.value))
