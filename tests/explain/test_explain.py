"""What is written to a finished run's folder, tried on small runs of each kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from sonde import fit
from sonde.explain import surface
from sonde.explain.explain import explain
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.search import folds

FAST = {"compile": False, "device": "cpu"}


def train(source: Any, out: Path, **sections: dict[str, Any]) -> Run:
    sections["training"] = {**FAST, **sections.get("training", {})}
    return fit.train(Recipe().replace(**sections), data=source, out=out)


def read(run: Run) -> dict[str, Any]:
    return json.loads((run.path / "figures" / "explain.json").read_text())


def corners(count: int = 300) -> pl.DataFrame:
    """XOR-like classes of two numbers."""
    places = np.random.default_rng(0).normal(size=(count, 2))
    label = np.where(places[:, 0] * places[:, 1] > 0, "same", "other")
    return pl.DataFrame({"across": places[:, 0], "up": places[:, 1], "label": label})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {"model": {"name": "mlp"}, "training": {"epochs": 20, "batch_size": 32}, "optim": {"lr": 0.01}}
    return train(corners(), tmp_path_factory.mktemp("two") / "run", data={"target": ("label",)}, **config)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Run:
    draws = np.random.default_rng(0)
    size, noise, town = draws.uniform(20, 200, 300), draws.normal(size=300), draws.choice(["x", "y", "z"], 300)
    frame = pl.DataFrame({"size": size, "noise": noise, "town": town, "price": 10 * size + 300.5 * (town == "x")})
    return train(frame, tmp_path_factory.mktemp("houses") / "run", data={"target": ("price",)}, model={"name": "linear-regression"})


def test_a_classifier_of_two_numbers_is_explained(two: Run) -> None:
    found = read(two)
    assert found["part"] == "test"
    assert np.array(found["confusion"]["counts"]).sum() == two.metrics_file["examples"]["test"]
    right = np.trace(np.array(found["confusion"]["counts"])) / two.metrics_file["examples"]["test"]
    assert right == pytest.approx(two.metrics["accuracy"])
    assert found["calibration"]["error"] == pytest.approx(two.metrics["calibration-error"], abs=1e-6)
    assert {each["column"] for each in found["importance"]} == {"across", "up"}
    assert all(each["mean"] > 0.2 for each in found["importance"])
    assert found["importance_metric"] == "accuracy"
    assert len(found["worst"]) == round((1 - right) * two.metrics_file["examples"]["test"])


def test_the_boundary_is_what_the_model_says_there(two: Run) -> None:
    drawn = read(two)["boundary"]
    assert drawn["columns"] == ["across", "up"]
    grid = np.array(drawn["grid"])
    assert grid.shape == (len(drawn["ys"]), len(drawn["xs"]))
    for row, column in ((10, 10), (10, 90), (90, 10), (90, 90)):
        said = two.predict(pl.DataFrame({"across": [drawn["xs"][column]], "up": [drawn["ys"][row]]}))["prediction"][0]
        assert drawn["classes"][grid[row, column]] == said
    assert len(drawn["points"]) == two.metrics_file["examples"]["train"]
    assert all((drawn["classes"][label] == "same") == (x * y > 0) for x, y, label in drawn["points"])


def test_explaining_again_gives_the_same_files(two: Run) -> None:
    before = {path.name: path.read_bytes() for path in (two.path / "figures").iterdir()}
    explain(two)
    assert {path.name: path.read_bytes() for path in (two.path / "figures").iterdir()} == before


def test_without_examples_no_row_name_or_point_is_written(two: Run) -> None:
    explain(two, examples=False)
    found = read(two)
    explain(two)
    assert "worst" not in found
    assert "points" not in found["boundary"]
    assert {"confusion", "calibration", "importance", "boundary"} <= set(found)


def test_a_regression_is_explained(houses: Run) -> None:
    found = read(houses)
    assert [each["column"] for each in found["importance"]] == ["size", "town", "noise"]
    assert abs(found["importance"][2]["mean"]) < 0.05 * found["importance"][0]["mean"]
    assert found["importance_metric"] == "rmse"
    assert len(found["residuals"]["target"]) == houses.metrics_file["examples"]["test"]
    losses = [each["loss"] for each in found["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert set(found["worst"][0]["row"]) == {"size", "noise", "town"}
    assert "confusion" not in found
    assert "boundary" not in found


def test_data_that_have_gone_leave_rows_out(houses: Run) -> None:
    """A run on a frame in memory, opened again: its data are nowhere to be read from."""
    found, again = read(houses), Run.load(houses.path)
    explain(again)
    without = read(again)
    explain(houses)
    assert [each["row"] for each in without["worst"]] == [None] * len(found["worst"])
    assert without["residuals"] == found["residuals"]
    assert "importance" not in without


def test_small_pictures_can_be_looked_at(tmp_path: Path) -> None:
    digits = load_digits()
    pictures = (digits.images[:400] * 15).astype(np.uint8)
    run = train((pictures, digits.target[:400]), tmp_path / "run", model={"name": "softmax-regression"}, training={"epochs": 1})
    found = read(run)
    assert found["worst"]
    for each in found["worst"]:
        with Image.open(run.path / each["picture"]) as image:
            assert image.size == (96, 96)
        assert each["row"] is None
    assert "importance" not in found
    explain(run, examples=False)
    assert not list((run.path / "figures").glob("worst-*.png"))


def test_a_forecast_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "wave.csv"
    values = 100 + 10 * np.sin(np.arange(300) / 5)
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 1) + pl.duration(days=299), eager=True)
    pl.DataFrame({"day": days, "views": values}).write_csv(path)
    run = train(str(path), tmp_path / "run", data={"target": ("views",)}, task={"name": "forecasting"}, model={"name": "linear-regression"})
    drawn = read(run)["forecast"]
    assert drawn["when"][-1][:10] == "2024-10-26"
    assert drawn["target"] == pytest.approx(values[-len(drawn["target"]) :].tolist(), rel=1e-5)
    assert drawn["prediction"] == pytest.approx(drawn["target"], rel=0.01)
    explain(run, examples=False)
    assert "forecast" not in read(run)


def test_the_path_of_a_line_runs_down_its_loss_surface(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=200)
    frame = pl.DataFrame({"x": x, "y": 3 * x + 1.25})
    sections = {"optim": {"name": "sgd", "lr": 0.1}, "training": {"epochs": 3, "batch_size": 20, "trace": True}}
    run = train(frame, tmp_path / "run", data={"target": ("y",)}, model={"name": "linear-regression"}, **sections)
    drawn = read(run)["surface"]
    path, loss = np.array(drawn["path"]), np.array(drawn["loss"])
    names = [name for name, _ in run.model.network.named_parameters()]
    assert drawn["labels"] == names
    assert path == pytest.approx(surface.walk(run, names))
    assert loss.shape == (len(drawn["ys"]), len(drawn["xs"]))
    # The target is standardised, so the line's best weights are (1, 0): the lowest place of the surface.
    row, column = np.unravel_index(loss.argmin(), loss.shape)
    assert drawn["xs"][column] == pytest.approx(1, abs=0.06)
    assert drawn["ys"][row] == pytest.approx(0, abs=0.06)
    near = [loss[np.abs(drawn["ys"] - y).argmin(), np.abs(drawn["xs"] - x).argmin()] for x, y in (path[0], path[-1])]
    assert near[1] < 0.1 * near[0]


def test_larger_models_and_untraced_ones_have_no_surface(two: Run, houses: Run) -> None:
    assert "surface" not in read(two)
    assert "surface" not in read(houses)


def test_axes_of_a_path_in_many_dimensions() -> None:
    along, across = np.array([3.0, 4.0, 0.0]) / 5, np.array([0.0, 0.0, 1.0])
    steps = np.linspace(0, 1, 20)[:, None]
    path = 10 * steps * along + np.sin(6 * steps) * across
    origin, directions, labels = surface.axes(path, ["w", "b"])
    assert np.allclose(origin, path[-1])
    assert np.allclose(directions @ directions.T, np.eye(2))
    assert np.allclose(origin + (path - origin) @ directions.T @ directions, path)
    assert np.abs(directions[0] @ along) > 0.9
    assert labels[0].startswith("direction 1 (9")


def test_folds_are_explained_together(tmp_path: Path) -> None:
    path = tmp_path / "corners.csv"
    corners(120).write_csv(path)
    recipe = Recipe().replace(
        data={"path": str(path), "target": ("label",), "folds": 3}, model={"name": "mlp"}, training={**FAST, "epochs": 3}
    )
    run = folds.train(recipe, out=tmp_path / "run")
    found = read(run)
    assert found["part"] == "out-of-fold"
    assert np.array(found["confusion"]["counts"]).sum() == 120
    assert {each["column"] for each in found["importance"]} == {"across", "up"}
    frame = corners(120)
    for each in found["worst"]:
        assert each["row"] == pytest.approx({"across": frame["across"][each["example"]], "up": frame["up"][each["example"]]})


def test_a_run_without_predictions_is_explained_as_far_as_it_goes(two: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in two.path.rglob("*"):
        if path.is_file() and path.name != "predictions.parquet":
            target = copy / path.relative_to(two.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    run = Run.load(copy)
    explain(run)
    assert read(run)["part"] is None
    assert torch.is_tensor(next(run.model.parameters()))
