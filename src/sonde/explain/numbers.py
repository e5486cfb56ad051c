"""Predictions of numbers against the truth: residuals, and a forecast over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.explain.held_out import few
from sonde.explain.worst import plain

POINTS = 2000


def residuals(rows: pl.DataFrame, *, columns: tuple[str, ...], seed: int = 0) -> dict[str, Any]:
    """{"column", "target", "prediction"}: the first target's values, of at most 2,000 examples."""
    target, prediction = _first(rows, columns)
    index = few(np.arange(len(target)), POINTS, seed=seed)
    return {"column": columns[0], "target": _listed(target[index]), "prediction": _listed(prediction[index])}


def forecast(rows: pl.DataFrame, examples: Examples | None, *, time: str | None) -> dict[str, Any]:
    """{"when", "target", "prediction"} of each value, in order. Of several steps ahead it is the farthest one, which falls on the row itself.

    `when` are dates where the data have them, else row numbers.
    """
    target, prediction = _last(rows)
    index = rows["example"].to_numpy()
    when: list[Any] = index.tolist()
    column = _time_column(examples, time)
    if examples is not None and column is not None:
        when = [plain(value) for value in examples.frame[column].gather(index).to_list()]
    return {"when": when, "target": _listed(target), "prediction": _listed(prediction)}


def _time_column(examples: Examples | None, time: str | None) -> str | None:
    if examples is None:
        return None
    if time is not None and time in examples.frame.columns:
        return time
    return next((name for name, kind in examples.frame.schema.items() if kind.is_temporal()), None)


def _first(rows: pl.DataFrame, columns: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    target = rows["target"].list.first() if isinstance(rows["target"].dtype, pl.List) else rows["target"]
    prediction = rows["prediction"] if "prediction" in rows.columns else rows[f"prediction:{columns[0]}"]
    return target.cast(pl.Float64).to_numpy(), prediction.cast(pl.Float64).to_numpy()


def _last(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    target = rows["target"].list.last() if isinstance(rows["target"].dtype, pl.List) else rows["target"]
    steps = [name for name in rows.columns if name.startswith("prediction:")]
    prediction = rows["prediction"] if "prediction" in rows.columns else rows[steps[-1]]
    return target.cast(pl.Float64).to_numpy(), prediction.cast(pl.Float64).to_numpy()


def _listed(values: np.ndarray) -> list[float | None]:
    """Seven digits, as float32 has."""
    return [plain(float(f"{value:.7g}")) for value in values]
