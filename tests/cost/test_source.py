"""What `sonde cost MODEL` can name, and what is said where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sonde.cost.account import account, count, folded
from sonde.cost.source import find, parse_input
from sonde.errors import SondeError

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
    assert [row.path for row in rows] == ["(itself)", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"] or "pool" in {
        row.path for row in rows
    }
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
