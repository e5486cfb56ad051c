"""Files with the keys and shapes that torchvision publishes: each loads into the model of its name, and into no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from finetune.making import folders, notes, trained
from models.published import names, published
from sonde import models
from sonde.errors import RecipeError
from sonde.finetune.recognise import fitting_form, recognise
from sonde.models import weights
from sonde.recipe import Recipe

# Models without memory for their weights take names and shapes, and no numbers.
pytestmark = pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")

PHOTOGRAPHS = {"channels": 3, "size": 224, "classes": 1000}
WITH_AUXILIARY = {"googlenet": ("aux1", "aux2"), "inception-v3": ("AuxLogits",)}


def tensors(name: str) -> dict[str, Tensor]:
    """The published checkpoint's names and shapes; one number stands for all of a tensor, so that a file of it is small."""
    return {
        key: torch.zeros(shape, dtype=torch.int64) if key.endswith("num_batches_tracked") else torch.full((1,), 0.5).expand(shape)
        for key, shape in published(name).items()
    }


def outline(name: str, **values: object) -> nn.Module:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return models.build(name, PHOTOGRAPHS | values)


@pytest.mark.parametrize("name", [name for name in names() if name in models.MODELS])
def test_published_files_load_with_another_number_of_classes_too(name: str, tmp_path: Path) -> None:
    torch.save(tensors(name), tmp_path / "w.pth")
    loaded = weights.load(tmp_path / "w.pth", outline(name))
    unused = WITH_AUXILIARY.get(name, ())
    assert loaded.unused == unused
    assert loaded.fresh == ()
    assert loaded.taken == sum(not key.startswith(unused or ("-",)) for key in published(name))
    few = weights.load(tmp_path / "w.pth", outline(name, classes=5))
    last = [key.removesuffix(".weight") for key, shape in published(name).items() if shape[:1] == (1000,) and len(shape) > 1]
    assert few.fresh == tuple(f"{last[-1]}.{part}" for part in ("weight", "bias"))


@pytest.mark.parametrize("name", [name for name in WITH_AUXILIARY if name in models.MODELS])
def test_auxiliary_heads_are_taken_where_the_model_has_them_and_start_anew_where_the_file_has_none(name: str) -> None:
    network = outline(name, auxiliary=True)
    full = tensors(name)
    assert weights.fill(network, full, where="w").taken == len(full)
    bare = {key: value for key, value in full.items() if not key.startswith(WITH_AUXILIARY[name])}
    fresh = weights.fill(network, bare, where="w").fresh
    assert set(fresh) == {key for key in network.state_dict() if key.startswith(WITH_AUXILIARY[name])}
    few = weights.fill(outline(name, auxiliary=True, classes=4), full, where="w").fresh
    assert len(few) == 2 * (1 + len(WITH_AUXILIARY[name]))
    assert "aux1 of the file is not used" in weights.Loaded("w", 3, unused=("aux1",)).message


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "wide-resnet50-2"])
def test_architectures_are_recognised_by_names_and_shapes(name: str) -> None:
    if name not in models.MODELS:
        pytest.skip(f"there is no {name}")
    found = recognise({f"module.{key}": value for key, value in tensors(name).items()})
    assert found is not None
    assert (found.model, found.share) == (name, 1.0)


def test_missing_extra_and_misshaped_keys_of_a_published_file_are_listed(tmp_path: Path) -> None:
    changed = tensors("resnet18")
    changed["layer1.0.conv1.wieght"] = changed.pop("layer1.0.conv1.weight")
    changed["layer2.0.conv1.weight"] = torch.zeros(128, 64, 5, 5)
    torch.save(changed, tmp_path / "w.pth")
    with pytest.raises(RecipeError) as caught:
        weights.load(tmp_path / "w.pth", outline("resnet18"))
    said = str(caught.value)
    assert "layer1.0.conv1.weight is missing (nearest: layer1.0.conv1.wieght)" in said
    assert "layer1.0.conv1.wieght is not in the model (nearest: layer1.0.conv1.weight)" in said
    assert "layer2.0.conv1.weight is 128×64×5×5 in the file and 128×64×3×3 in the model" in said


def test_the_form_for_photographs_is_told_by_the_weights_whatever_the_size_of_the_pictures() -> None:
    assert fitting_form("resnet18", {"channels": 3, "size": 32, "classes": 2}, tensors("resnet18")) == {"stem": "photo"}
    assert fitting_form("resnet18", {"channels": 3, "size": 224, "classes": 2}, tensors("resnet18")) == {}
    assert fitting_form("resnet18", {"channels": 3, "size": 32, "classes": 2, "stem": "small"}, tensors("resnet18")) == {}
    assert fitting_form("vgg11", {"channels": 3, "size": 64, "classes": 2}, tensors("vgg11")) == {"grid": 7}


@pytest.mark.parametrize(
    ("name", "size", "form", "least"),
    [("alexnet", 32, {"stem": "photo"}, 63), ("alexnet", 8, {"stem": "photo"}, 63), ("googlenet", 8, {"stem": "photo"}, 15), ("inception-v3", 8, {}, None)],
)
def test_pictures_too_small_for_the_form_of_the_weights_are_told_the_least_size(
    name: str, size: int, form: dict[str, str], least: int | None
) -> None:
    """The stems of Inception v3 have the same shapes, so that it is the one for small pictures that small pictures want."""
    table = {"channels": 3, "size": size, "classes": 2}
    assert fitting_form(name, table, tensors(name)) == form
    least = least or models.smallest(name, table)
    with pytest.raises(RecipeError, match=rf"data\.size: {name} cannot read pictures of {size}×{size}.*\n.*use --size {least} or larger"):
        models.build(name, table | form)


def test_a_published_alexnet_with_small_pictures_says_which_size_it_reads(tmp_path: Path) -> None:
    torch.save(tensors("alexnet"), tmp_path / "alexnet.pth")
    start = Recipe().replace(
        data={"path": str(folders(tmp_path / "data", ("a", "b"), each=6)), "size": 32},
        model={"weights": str(tmp_path / "alexnet.pth")},
        training={"epochs": 0, "compile": False},
    )
    with pytest.raises(RecipeError, match=r"alexnet cannot read pictures of 32×32.*\n.*use --size 63 or larger"):
        trained(start, tmp_path / "run")


def test_a_published_file_trains_on_small_pictures_normalised_as_imagenet(tmp_path: Path) -> None:
    values = {key: torch.zeros(shape) if "num_batches" not in key else torch.tensor(0) for key, shape in published("resnet18").items()}
    torch.save(values, tmp_path / "resnet18.pth")
    start = Recipe().replace(
        data={"path": str(folders(tmp_path / "data", ("a", "b"), each=6))},
        model={"weights": str(tmp_path / "resnet18.pth")},
        training={"epochs": 0, "compile": False},
    )
    run = trained(start, tmp_path / "run")
    assert run.recipe.model.name == "resnet18"
    assert run.recipe.model.config["stem"] == "photo"
    assert run.preparation.mean == (0.485, 0.456, 0.406)
    assert run.preparation.std == (0.229, 0.224, 0.225)
    assert "pictures are normalised by ImageNet's mean and spread, as published weights of resnet18 for 1,000 classes expect" in notes(run)
    assert not run.model.network.conv1.weight.any()
    assert run.model.network.fc.weight.any()
