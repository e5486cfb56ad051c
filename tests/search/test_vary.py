"""One value over a range: a full run each, and what the range shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import sonde
from sonde.explain.compare import vary_summary
from sonde.recipe import Recipe
from sonde.search.vary import vary
from sonde.training.events import Event

RECIPE = Recipe().replace(
    data={"target": ("y",), "test": 0.0, "validation": 0.25},
    model={"config": {"width": 8}},
    training={"epochs": 2, "batch_size": 16, "compile": False},
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(96, 2))
    path = tmp_path_factory.mktemp("data") / "points.csv"
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(1)}).write_csv(path)
    return path


def recipe(source: Path) -> Recipe:
    return RECIPE.replace(data={"path": str(source)})


def test_each_value_is_a_full_run_and_the_best_is_named_by_validation(source: Path, tmp_path: Path) -> None:
    told: list[Event] = []
    found = vary(recipe(source), "model.width", [1, 32], out=tmp_path / "widths", listen=[told.append])
    assert next(event["message"] for event in told if event["event"] == "note") == "model.width = 1"
    runs = [sonde.load(tmp_path / "widths" / value) for value in ("1", "32")]
    assert [run.recipe.model.config["width"] for run in runs] == [1, 32]
    for point, run in zip(found["points"], runs, strict=True):
        assert point["validation"] == run.metrics_file["validation"]["rmse"]
        assert point["train"] == run.metrics_file["train"]["rmse"]
        assert point["parameters"] == run.description["parameters"]
    assert found["metric"] == "rmse"
    assert found["best"] == min(found["points"], key=lambda point: point["validation"])["value"]
    assert json.loads((tmp_path / "widths" / "summary.json").read_text()) == {
        name: value for name, value in found.items() if name not in ("page", "folder")
    }
    assert found["folder"] == str(tmp_path / "widths")
    assert "model.width" in Path(found["page"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["lr", "optim.lr"])
def test_a_flag_and_a_key_are_the_same(key: str, source: Path, tmp_path: Path) -> None:
    vary(recipe(source), key, [0.01], out=tmp_path / "rates")
    assert sonde.load(tmp_path / "rates" / "0.01").recipe.optim.lr == 0.01


def test_folds_stand_for_validation(source: Path, tmp_path: Path) -> None:
    folded = recipe(source).replace(data={"folds": 2, "validation": 0.0}, training={"epochs": 1})
    found = vary(folded, "model.width", [2, 4], out=tmp_path / "widths")
    means = [sonde.load(tmp_path / "widths" / str(width)).metrics["rmse"] for width in (2, 4)]
    assert [point["validation"] for point in found["points"]] == means


def test_values_that_are_paths_stay_inside_the_folder(source: Path, tmp_path: Path) -> None:
    elsewhere = source.parent / "more.csv"
    elsewhere.write_text(source.read_text())
    found = vary(recipe(source).replace(training={"epochs": 1}), "data.path", [str(elsewhere)], out=tmp_path / "sets")
    assert Path(found["points"][0]["run"]).parent == tmp_path / "sets"
    assert sorted(path.name for path in source.parent.iterdir()) == ["more.csv", "points.csv"]


def test_the_size_of_the_validation_part_decides_what_chance_may_do(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("sonde.search.vary.vary_summary", lambda points: seen.extend(points) or vary_summary(points))
    vary(recipe(source).replace(training={"epochs": 1}), "seed", [0], out=tmp_path / "seeds")
    assert seen[0]["examples"] == 24
