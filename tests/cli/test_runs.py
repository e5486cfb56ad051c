"""`sonde runs`: lists what is there whatever its state, deletes what is named and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sonde.cli.main import main

MEASURES = {"validation": {"accuracy": 0.97}, "test": {"accuracy": 0.98, "loss": 0.1}}
METRICS = {"format": 1, "monitor": "accuracy", "better": "higher", "stopped": "epochs"} | MEASURES


def make(folder: Path, name: str, *, age: int, metrics: dict[str, Any] | None = None, model: str = "mlp") -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "recipe.toml").write_text(f'[data]\npath = "digits"\n[task]\nname = "classification"\n[model]\nname = "{model}"\n')
    (path / "model.json").write_text(json.dumps({"format": 1, "model": {"name": model}, "task": {"name": "classification"}}))
    if metrics is not None:
        (path / "metrics.json").write_text(json.dumps(metrics))
    os.utime(path / "recipe.toml", (1_000_000 - age, 1_000_000 - age))
    return path


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    make(folder, "digits-2", age=0)
    make(folder, "digits-1", age=10, metrics=METRICS)
    (folder / "not-a-run").mkdir()
    return folder


def test_list(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "runs/digits-1", "runs/digits-2"]
    assert "finished" in lines[1]
    assert "test accuracy 0.9800" in lines[1]
    assert "unfinished" in lines[2]


def test_document(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == "runs"
    assert document["runs"][0] == {
        "run": "runs/digits-1", "state": "finished", "data": "digits", "task": "classification", "model": "mlp",
        "part": "test", "monitor": "accuracy", "metrics": {"accuracy": 0.98, "loss": 0.1},
    }  # fmt: skip
    assert document["runs"][1]["metrics"] == {}


def test_a_damaged_or_newer_run_does_not_hide_the_others(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "digits-2" / "model.json").write_text("{")
    make(runs, "digits-3", age=5, metrics=METRICS | {"format": 2})
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "runs/digits-2" in out
    assert "this run folder is of format 2; this Sonde reads up to 1" in out


def test_no_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--folder", str(tmp_path)]) == 0
    assert "`sonde train` makes one" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["digits-2", "runs/digits-2"])
def test_delete(name: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--delete", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": ["runs/digits-2"]}
    assert sorted(path.name for path in runs.iterdir()) == ["digits-1", "not-a-run"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("digits-9", "did you mean 'digits-"), ("not-a-run", "known: digits-1, digits-2"), ("../runs/digits-9", "did you mean"),
        (".", "known:"), ("..", "known:"), ("runs", "known:"), ("/", "known:"), ("not-a-run/digits-1", "did you mean 'digits-1'?"),
    ],
)  # fmt: skip
def test_one_wrong_name_deletes_nothing(name: str, remedy: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--delete", "digits-1", name]) == 2
    err = capsys.readouterr().err
    assert f"there is no run {name!r} in runs" in err
    assert remedy in err
    assert sorted(path.name for path in runs.iterdir()) == ["digits-1", "digits-2", "not-a-run"]


def test_a_link_is_removed_and_not_what_it_points_at(runs: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "elsewhere", "digits-7", age=0)
    (runs / "linked").symlink_to(other)
    assert main(["runs", "--delete", "linked"]) == 0
    assert other.is_dir()
    assert not (runs / "linked").exists()
