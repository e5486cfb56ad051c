"""The block that closes a training: measures beside what a guess reaches."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sonde.cli import summary
from sonde.cli.folder import read
from sonde.errors import RunError


def run(folder: Path, task: str, metrics: dict[str, Any], classes: list[dict[str, Any]] | None = None) -> Path:
    (folder / "recipe.toml").write_text('[data]\npath = "a.csv"\n')
    (folder / "model.json").write_text(
        json.dumps({"format": 1, "task": {"name": task, "target": {"columns": ["y"]}}, "model": {"name": "mlp"}, "parameters": 9})
    )
    (folder / "metrics.json").write_text(json.dumps({"format": 1, "monitor": next(iter(metrics["test"])), "better": "higher"} | metrics))
    (folder / "data.json").write_text(json.dumps({"classes": classes or []}))
    return folder


def test_baseline_is_the_commonest_training_class_on_the_judged_part(tmp_path: Path) -> None:
    classes = [{"name": "cat", "counts": {"train": 10, "test": 8}}, {"name": "dog", "counts": {"train": 30, "test": 2}}]
    folder = run(tmp_path, "classification", {"test": {"accuracy": 0.9, "loss": 0.2}}, classes)
    assert summary.baseline(read(folder)) == {"what": "always dog", "metric": "accuracy", "value": 0.2}


def test_baseline_of_a_regression_is_the_mean(tmp_path: Path) -> None:
    truth, guess = [1.0, 2.0, 3.0, 6.0], [1.5, 2.0, 2.0, 6.5]
    mean = sum(truth) / 4
    total = sum((t - mean) ** 2 for t in truth)
    wrong = sum((t - g) ** 2 for t, g in zip(truth, guess, strict=True))
    folder = run(tmp_path, "regression", {"test": {"rmse": math.sqrt(wrong / 4), "r2": 1 - wrong / total}})
    found = summary.baseline(read(folder))
    assert found is not None
    assert found["what"] == "always the mean"
    assert found["value"] == pytest.approx(math.sqrt(total / 4))


def test_forecasts_have_their_persistence_and_no_other_baseline(tmp_path: Path) -> None:
    folder = run(tmp_path, "forecasting", {"test": {"mae": 3.0, "rmse": 4.0, "persistence-mae": 5.0}})
    assert summary.baseline(read(folder)) is None


def test_text_has_every_part_the_baseline_and_the_way_on(tmp_path: Path) -> None:
    classes = [{"name": "cat", "counts": {"train": 1, "test": 1}}, {"name": "dog", "counts": {"train": 3, "test": 1}}]
    parts = {"train": {"accuracy": 1.0}, "validation": {"accuracy": 0.75}, "test": {"accuracy": 0.5, "auc": 0.7}}
    rest = {"best": {"epoch": 3, "step": 9, "value": 0.75}, "epochs": 4, "seconds": {"total": 12}}
    folder = run(tmp_path, "classification", parts | rest, classes)
    lines = summary.text(summary.document(folder)).splitlines()
    assert lines[0].split() == ["part", "accuracy", "auc"]
    assert [line.split()[0] for line in lines[1:5]] == ["train", "validation", "test", "always"]
    assert lines[4].split() == ["always", "dog", "0.5000", "–"]
    assert lines[6] == "chosen after epoch 3 of 4 by accuracy (0.7500), in 12 s"
    assert f"run      {folder}" in lines


def test_a_closed_form_has_no_epochs(tmp_path: Path) -> None:
    rest = {"best": {"epoch": 0, "step": 0, "value": 1.0}, "epochs": 0, "seconds": {"total": 0.5}}
    folder = run(tmp_path, "regression", {"test": {"rmse": 1.0, "r2": 0.5}} | rest)
    assert "solved, in 0.5 s" in summary.text(summary.document(folder))


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this is not a run folder"):
        read(tmp_path)
    with pytest.raises(RunError, match="there is no such run"):
        read(tmp_path / "none")
