"""What `sonde cost MODEL` can name, and what is said where it cannot."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sonde import models
from sonde.cost.account import account, count, folded
from sonde.cost.source import PICTURES, find, parse_input
from sonde.data.assemble import assemble
from sonde.data.open import known_sets
from sonde.data.prepare.fit import fit_preparation
from sonde.data.prepare.target import fit_target
from sonde.errors import SondeError
from sonde.experiment import network_config
from sonde.recipe import Recipe
from sonde.recipes import RECIPES, load

MODULE = '''
import torch
from torch import nn


def net(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Flatten(), nn.LazyLinear(2)) if width > 50 else nn.Conv2d(3, width, 3)


class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 2)

    def forward(self, x, words):
        return self.layer(x) + words.float().mean()


class Asks(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) * 2 if x.sum().item() > 0 else self.layer(self.layer(x))


class Fails(nn.Module):
    def forward(self, x):
        raise KeyError("no such thing")


ready = nn.Linear(5, 6)
number = 3


def text():
    return "text"


def broken():
    raise ValueError("no width")
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    (tmp_path / "cost_sample.py").write_text(MODULE)
    return tmp_path


def test_sizes_of_sondes_models() -> None:
    assert find("resnet18").sizes == {"channels": 3, "size": 224, "classes": 1000}
    found = find("resnet18", inputs=["1x96x96"], settings={"model.classes": 7})
    assert (found.sizes["channels"], found.sizes["size"], found.sizes["classes"]) == (1, 96, 7)
    assert str(found.inputs[0]) == "1×96×96"
    assert find("mlp", inputs=["3x32x32"], settings={"width": 64}).inputs[0].shape == (3072,)
    assert count(find("lenet")) == (61_706, 416_520)


def test_a_recipe_brings_model_optimiser_and_batch() -> None:
    found = find("mnist-lenet")
    assert (found.name, found.optimizer, found.batch) == ("lenet", "adamw", 64)
    assert account(find("mnist-mlp", settings={"model.width": 32}), batch=2).parameters < account(find("mnist-mlp"), batch=2).parameters


# Set → (channels, side, classes), from the line about it that users read: "28 × 28 grey, 10 classes". Photographs of varied sizes are learnt from at 96.
SAID = {
    name: (3 if "photographs" in line else 1, int(found[1] or 96), int(found[2]))
    for name, line in known_sets().items()
    if (found := re.search(r"(?:(\d+) × \d+[^,]*|of varied sizes), (\d+) classes", line)) is not None
}


def named(name: str) -> str:
    """The model of the recipe, or nothing."""
    return load(name).model.name or ""


PICTURED = [name for name in RECIPES if named(name) and (models.accepts(named(name)) == "images" or load(name).data.path in SAID)]
CLASSIFYING = [name for name in PICTURED if not models.sees_scenes(named(name))]


def test_the_listing_finds_the_recipes() -> None:
    assert set(SAID) == {"digits", "mnist", "fashion-mnist", "cifar10", "flowers"} == {name for name in PICTURES if name in SAID}
    assert {"mnist-mlp", "mnist-vgg11", "cifar10-googlenet", "flowers-wide-resnet50-2", "visual-words-flowers", "digits"} < set(CLASSIFYING)


def trained(chosen: Recipe, sizes: dict[str, Any], outputs: int) -> int:
    """Parameters of the network that the recipe trains on data of such sizes."""
    with torch.device("meta"):
        network = models.build(chosen.model.name or "", network_config(chosen, sizes, outputs))
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", CLASSIFYING)
def test_a_recipe_of_pictures_is_counted_as_it_trains(name: str) -> None:
    chosen = load(name).replace(task={"name": "classification"})
    channels, side, classes = SAID[chosen.data.path or ""]
    channels, side = chosen.data.channels or channels, chosen.data.size or side
    found = find(name)
    assert math.prod(found.inputs[0].shape) == channels * side**2
    assert count(found)[0] == trained(chosen, {"channels": channels, "size": side}, classes)
    assert found.notes == ()


def test_recipes_at_sizes_known_from_elsewhere() -> None:
    assert count(find("mnist-mlp")) == (203_530, 784 * 256 + 256 * 10)
    assert count(find("mnist-lenet")) == count(find("mnist-lenet-original")) == (61_706, 416_520)
    assert count(find("cifar10-resnet20"))[0] == 269_722
    assert count(find("resnet18-cifar10"))[0] == 11_173_962  # ResNet-18 of 3×3 in front, with 10 classes


@pytest.mark.parametrize("path", [name for name in PICTURES if name != "fashion-mnist"])
def test_what_is_known_of_the_sets_is_so(path: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Against what a training finds in the data, for the set by itself and each recipe for it."""
    if path != "digits":
        request.getfixturevalue("sonde_data")
    usual = {"camvid": "u-net", "coco-tiny": "yolo-small", "raccoon": "yolo-small", "bccd": "yolo-small"}.get(path, "resnet18")
    plain = Recipe().replace(data={"path": path}, model={"name": usual})
    dataset = assemble(plain)
    train, task, targets = dataset.parts["train"], dataset.inferred.task, dataset.inferred.targets
    fitted: dict[tuple[int | None, int | None], tuple[dict[str, Any], int]] = {}
    for chosen in [plain, *(load(name) for name in PICTURED if load(name).data.path == path)]:
        chosen = chosen.replace(task={"name": task}, data={"target": targets})
        key = chosen.data.size, chosen.data.channels
        if key not in fitted:
            preparation = fit_preparation(dataset.content, train, chosen.data, task=task, targets=targets, options=chosen.task.options)
            scenes = preparation if task in models.SCENES else None
            target = fit_target(task, chosen.task.options, train, targets, data=chosen.data, scenes=scenes)
            fitted[key] = preparation.sizes, target.outputs
        sizes, outputs = fitted[key]
        (tmp_path / "chosen.toml").write_text(chosen.toml(), encoding="utf-8")
        found = find(str(tmp_path / "chosen.toml"))
        assert math.prod(found.inputs[0].shape) == sizes["channels"] * sizes["size"] ** 2
        with torch.device("meta"):
            assert sum(weight.numel() for weight in found.build().parameters()) == trained(chosen, sizes, outputs)


@pytest.mark.parametrize(
    ("text", "shape", "sizes", "assumed"),
    [
        ('[data]\npath = "cifar10"\nsize = 64\nchannels = 1\n[model]\nname = "resnet18"', (1, 64, 64), {"classes": 10}, None),
        ('[data]\npath = "mnist"\nsize = 14\n[model]\nname = "mlp"', (196,), {"outputs": 10}, None),
        ('[data]\npath = "bccd"\nsize = 300\n[model]\nname = "ssd-small"', (3, 320, 320), {"classes": 3}, "pictures are counted as squares"),
        ('[data]\npath = "my/pictures"\nsize = 64\n[model]\nname = "resnet18"', (3, 64, 64), {"classes": 1000}, "assumed: channels 3, classes 1000;"),
        ('[model]\nname = "resnet18"', (3, 224, 224), {"classes": 1000}, "assumed: channels 3, size 224, classes 1000;"),
        ('[data]\npath = "digits"\n[task]\nname = "regression"\n[model]\nname = "mlp"', (64,), {"outputs": 10}, "assumed: outputs 10;"),
    ],
)
def test_what_a_recipe_says_of_its_data(text: str, shape: tuple[int, ...], sizes: dict[str, int], assumed: str | None, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text + "\n", encoding="utf-8")
    found = find(str(file))
    assert found.inputs[0].shape == shape
    assert {key: found.sizes[key] for key in sizes} == sizes
    assert (assumed is None) == (not found.notes)
    assert assumed is None or assumed in found.notes[0]
    assert account(found, batch=1).notes == found.notes


def test_what_only_the_data_could_say_is_assumed_aloud() -> None:
    assert "assumed: numbers 784, outputs 10;" in find("adult-mlp").notes[0]
    assert find("adult-mlp", inputs=["14"], settings={"outputs": 2}).notes == ()
    assert "assumed: outputs 10;" in find("adult-mlp", inputs=["14"]).notes[0]
    text = find("time-machine-gru")
    assert text.config["per"] == "token" and text.sizes["outputs"] == text.sizes["vocabulary"]
    assert "assumed: vocabulary 10000, outputs 10000, 64 tokens;" in text.notes[0]
    assert find("tiny-bert").sizes == {"vocabulary": 4000, "outputs": 4000}  # as the recipe says
    assert find("resnet18").notes == ()


def test_hidden_layers_before_the_outputs_are_counted() -> None:
    plain, headed = count(find("resnet20")), count(find("resnet20", settings={"model.new_head": [32]}))
    assert headed[0] - plain[0] == (64 * 32 + 32) + (32 * 10 + 10) - (64 * 10 + 10)
    assert headed[1] - plain[1] == 64 * 32 + 32 * 10 - 64 * 10


def test_a_recipe_with_weights_says_that_they_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[data]\npath = "cifar10"\n[model]\nname = "resnet18"\nweights = "somebody/resnet"\n', encoding="utf-8")
    assert find(str(file)).notes == ("the recipe's weights are not read; a form of the model that they ask for is not seen",)


def test_a_recipe_file_and_a_run(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[model]\nname = "resnet20"\n[model.config]\nwidth = 8\n')
    assert find(str(recipe)).sizes["size"] == 32
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.json").write_text(
        '{"format": 1, "model": {"name": "mlp", "config": {"numbers": 3, "categories": [4, 5], "outputs": 2, "width": 8}}}'
    )
    found = find(str(run))
    assert [each.shape for each in found.inputs] == [(3,), (2,)]
    assert account(found, batch=2).multiply_adds == (3 + 3 + 4) * 8 + 8 * 2


def test_modules_by_import_path(here: Path) -> None:
    assert account(find("cost_sample:net", inputs=["3x8x8"], settings={"width": 6})).multiply_adds == 6 * 36 * 27
    assert account(find("cost_sample:ready", inputs=["5"])).parameters == 36
    assert account(find("cost_sample:Narrow", inputs=["8", "3:int64"]), batch=2).multiply_adds == 16
    assert account(find("torch.nn:Identity", inputs=["5"])).parameters == 0


def test_a_module_that_asks_for_values_is_run_with_zeros(here: Path) -> None:
    found = account(find("cost_sample:Asks", inputs=["4"]), batch=2)
    assert found.multiply_adds == 32
    assert found.notes == ("the module asks for values, not only shapes, so it was run with zeros",)


def test_rows_can_be_added_up() -> None:
    found = account(find("resnet18"), batch=1)
    rows = folded(found.layers, 1)
    assert [row.path for row in rows] == ["(itself)", "conv1", "bn1", "pool", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert [row.path for row in folded(found.layers, 2)][3:6] == ["pool", "layer1.0", "layer1.1"]
    assert sum(row.parameters for row in rows) == found.parameters
    assert sum(row.multiply_adds for row in rows) == found.multiply_adds


@pytest.mark.parametrize(
    ("name", "inputs", "settings", "said"),
    [
        ("resnet19", [], {}, ["no model, run or recipe 'resnet19'", "did you mean 'resnet1"]),
        ("resnet18", ["3x32"], {}, ["resnet18 reads square pictures, and --input is 3×32", "channels x height x width"]),
        ("resnet18", ["3x32x48"], {}, ["square pictures"]),
        ("resnet18", ["3by32"], {}, ["'3by32' is no shape of an input", "3x224x224"]),
        ("resnet18", ["3x0x0"], {}, ["holds nothing"]),
        ("resnet18", ["3x8x8:half"], {}, ["is no shape of an input", "int64"]),
        ("resnet18", ["3x8x8", "4"], {}, ["resnet18 reads one input, and 2 were given"]),
        ("resnet18", [], {"widht": 8}, ["model resnet18 has no value 'widht'", "did you mean 'width'?"]),
        ("lenet", ["1x11x11"], {}, ["12×12"]),
        ("no.such.thing:net", ["3x8x8"], {}, ["there is no module 'no'", "run the command in the folder"]),
        ("cost_sample:nett", ["3x8x8"], {}, ["cost_sample has no 'nett'", "did you mean 'net'?"]),
        ("cost_sample:net", [], {}, ["what cost_sample:net reads is not known", "--input 3x224x224"]),
        ("cost_sample:number", ["3"], {}, ["this gives a", "not a module"]),
        ("cost_sample:text", ["3"], {}, ["this gives a str, not a module"]),
        ("cost_sample:broken", ["3"], {}, ["the model cannot be built: ValueError: no width"]),
        ("cost_sample:net", ["3x8x8"], {"depth": 3}, ["the model cannot be built: TypeError", "'depth'"]),
        ("cost_sample:net", ["1x8x8"], {}, ["does not take an input of 1×8×8", "channels", "give another --input"]),
        ("cost_sample:net", ["3x2x2"], {}, ["does not take an input of 3×2×2", "larger, where it is too small"]),
        ("cost_sample:Narrow", ["8"], {}, ["does not take an input of 8", "missing 1 required positional argument: 'words'"]),
        ("cost_sample:Fails", ["8"], {}, ["KeyError: 'no such thing'"]),
    ],
)
def test_mistakes(name: str, inputs: list[str], settings: dict[str, object], said: list[str], here: Path) -> None:
    with pytest.raises(SondeError) as error:
        account(find(name, inputs=inputs, settings=settings), batch=2)
    assert not [each for each in said if each not in str(error.value)], str(error.value)


def test_formats_of_inputs() -> None:
    assert parse_input("128:int64").dtype == torch.int64
    assert str(parse_input("128:int64")) == "128:int64"
    assert parse_input("3×8×8").shape == (3, 8, 8)


@pytest.mark.parametrize(("batch", "optimizer", "said"), [(0, "sgd", "a batch of 0 holds nothing"), (2, "adm", "did you mean 'adam'?")])
def test_mistakes_of_the_bill(batch: int, optimizer: str, said: str) -> None:
    with pytest.raises(SondeError) as error:
        account(find("lenet"), batch=batch, optimizer=optimizer)
    assert said in str(error.value)
