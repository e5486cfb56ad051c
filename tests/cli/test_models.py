"""`sonde models` and `sonde tasks`: what is listed is what can be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sonde.cli.main import main
from sonde.models import MODELS
from sonde.tasks import TASKS


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "models")["models"]
    assert [each["name"] for each in found] == list(MODELS)
    assert all(Path(each["source"]).is_file() for each in found)
    assert {each["name"] for each in found if each["accepts"] == "numbers"} >= {"mlp", "perceptron"}


@pytest.mark.parametrize(("name", "parameters"), [("lenet", 61_706), ("mlp", 203_530), ("resnet18", 11_689_512), ("resnet152", 60_192_808)])
def test_parameters_at_the_papers_size(name: str, parameters: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "models", name)["parameters"] == parameters


def test_one_at_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "models", "resnet18", "--set", "classes=10")
    assert found["parameters"] == 11_689_512 - 990 * 513
    assert found["accepts"] == "images"
    assert found["counted_at"] == {"channels": 3, "size": 224, "classes": 10}


def test_one_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "mlp", "--set", "model.width=[8, 8]"]) == 0
    out = capsys.readouterr().out
    assert "reads       numbers" in out
    assert "model.width           (8, 8)" in out


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["resnet19"], "there is no model 'resnet19'", "did you mean 'resnet1"),
        (["lenet", "--set", "siz=3"], "model lenet has no value 'siz'", "did you mean 'size'?"),
    ],
)
def test_mistakes(words: list[str], what: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *words]) == 2
    err = capsys.readouterr().err
    assert what in err
    assert remedy in err


def test_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "tasks")["tasks"]
    assert [each["name"] for each in found] == list(TASKS)
    assert "transform" in next(each for each in found if each["name"] == "regression")["options"]
    assert main(["tasks"]) == 0
    assert "  task.window: " in capsys.readouterr().out
