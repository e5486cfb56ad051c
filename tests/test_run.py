"""What a run folder is good for once training is over."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch

import sonde
from sonde.errors import DataError, RunError
from sonde.run import Run


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("series")
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
    pl.DataFrame({"day": days, "sold": [100.0 + n for n in range(60)]}).write_csv(folder / "sales.csv")
    return sonde.train(str(folder / "sales.csv"), model="linear-regression", settings={"task.window": 3}, out=folder / "run")


def test_a_series_is_forecast_beyond_its_end(forecast: Run) -> None:
    table = forecast.predict(str(forecast.path.parent / "sales.csv"))
    assert table["name"][-1] == "2024-03-01"
    assert table["prediction"][-1] == pytest.approx(160.0, abs=0.1)
    assert len(table) == 60 - 3 + 1


def test_a_series_without_its_target_column(forecast: Run) -> None:
    with pytest.raises(DataError, match=r"there is no column 'sold' to forecast from.*\n.*give data with this column"):
        forecast.predict(pl.DataFrame({"day": [date(2024, 3, 1)], "other": [1.0]}))


def test_the_model_is_a_plain_module_that_takes_raw_inputs(forecast: Run) -> None:
    model = sonde.load(forecast.path).model
    assert isinstance(model, torch.nn.Module)
    again = sonde.load(forecast.path).predict(str(forecast.path.parent / "sales.csv"))
    assert again.equals(forecast.predict(str(forecast.path.parent / "sales.csv")))


def test_looks_at_the_test_part_are_counted(forecast: Run) -> None:
    before = json.loads((forecast.path / "looks.json").read_text())["test"]
    forecast.evaluate()
    assert json.loads((forecast.path / "looks.json").read_text())["test"] == before + 1


def test_changed_data_are_noticed(forecast: Run) -> None:
    path = forecast.path.parent / "sales.csv"
    text = path.read_text()
    try:
        path.write_text(text.replace("100.0", "101.0"))
        notes = sonde.load(forecast.path).evaluate()["notes"]
    finally:
        path.write_text(text)
    assert notes == ["the data have changed since the run was trained (their fingerprint differs)"]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no model\.json here"):
        sonde.load(tmp_path)
