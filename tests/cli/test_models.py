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
    by_name = {each["name"]: each for each in found}
    assert (by_name["resnet18"]["parameters"], by_name["resnet18"]["multiply_adds"]) == (11_689_512, 1_814_073_344)
    assert (by_name["alexnet-course"]["parameters"], by_name["alexnet-course"]["multiply_adds"]) == (46_787_978, 1_005_890_688)
    assert all(each["multiply_adds"] > 0 for each in found if each["accepts"] != "tokens")


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
    assert "reads          numbers" in out
    assert "model.width           (8, 8)" in out


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["resnet19"], "there is no model 'resnet19'", "did you mean 'resnet1"),
        (["lenet", "--set", "siz=3"], "model lenet has no value 'siz'", "did you mean 'size'?"),
        (["--chart"], "sonde models: --chart has no run", "sonde models --chart runs/a runs/b"),
        (["--chart", "--out", "x.html"], "sonde models: --chart has no run", "sonde models --chart runs/a runs/b"),
        (["lenet", "--chart", "runs/a"], "sonde models: --chart is of runs, and 'lenet' of a model", "leave one out: 'lenet' or --chart"),
        (["--set", "a=1", "--chart", "runs/a"], "sonde models: --chart is of runs, and --set of a model", "leave one out: --set or --chart"),
    ],
)
def test_mistakes(words: list[str], what: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert what in err
    assert remedy in err


def test_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "tasks")["tasks"]
    assert [each["name"] for each in found] == list(TASKS)
    assert "transform" in next(each for each in found if each["name"] == "regression")["options"]
    assert main(["tasks"]) == 0
    assert "  task.window: " in capsys.readouterr().out


def test_chart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import sonde

    runs = [
        str(sonde.train("digits", model=model, epochs=1, examples=200, out=tmp_path / model).path) for model in ("softmax-regression", "resnet20")
    ]
    page = tmp_path / "models.html"
    found = document(capsys, "models", "--chart", *runs, "--out", str(page))
    assert [row["model"] for row in found["rows"]] == ["softmax-regression", "resnet20"]
    assert found["metric"] == "accuracy"
    assert any(row["best"] for row in found["rows"])
    assert all(row["examples_per_second"] > 0 and row["training"] > row["inference"] for row in found["rows"])
    assert page.read_text(encoding="utf-8").count("<svg class=\"chart\"") == 3
    assert main(["models", "--chart", runs[0], str(tmp_path / "none")]) == 2
    assert "there is no such run" in capsys.readouterr().err
