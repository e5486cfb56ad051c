"""The decision boundary of a classifier of two numbers, on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch

from sonde.data.contents import Examples
from sonde.data.prepare.encoders import Number, as_float64
from sonde.data.prepare.table import TablePreparation
from sonde.explain.held_out import few
from sonde.run import PartData, Run

CELLS = 100
POINTS = 400
MARGIN = 0.08  # of the range, on each side


def two_numbers(preparation: Any) -> tuple[str, str] | None:
    """The two columns of numbers that a table is told apart by, or None where it has others."""
    if not isinstance(preparation, TablePreparation):
        return None
    used = preparation.used
    if len(used) != 2 or not all(isinstance(encoder, Number) for _, encoder in used):
        return None
    return used[0][0], used[1][0]


def boundary(
    run: Run, data: PartData, columns: tuple[str, str], classes: list[str], *, points: bool = True, seed: int = 0
) -> dict[str, Any]:
    """{"columns", "classes", "xs", "ys", "grid", "points"}: the class number that is said at each (xs[column], ys[row]).

    The grid spans the examples of `data` (the training part), of which at most 400 stand in `points` as (x, y, true class).
    """
    values = [as_float64(data.examples.frame[name])[data.index] for name in columns]
    xs, ys = (_axis(numbers[np.isfinite(numbers)]) for numbers in values)
    grid_x, grid_y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    cells = Examples(pl.DataFrame({columns[0]: grid_x, columns[1]: grid_y}))
    encoded = tuple(torch.from_numpy(part).to(run.device) for part in run.preparation.encode(cells))
    with torch.no_grad():
        answers = run.task.predict(run.model.eval(), encoded).argmax(1)
    found: dict[str, Any] = {"columns": list(columns), "classes": classes, "xs": _short(xs), "ys": _short(ys)}
    found["grid"] = answers.view(len(ys), len(xs)).tolist()
    if points and data.columns.targets is not None:
        chosen = few(data.index, POINTS, seed=seed)
        numbers = [as_float64(data.examples.frame[name])[chosen] for name in columns]
        truth = data.columns.targets[torch.from_numpy(chosen)].tolist()
        whole = np.isfinite(numbers[0]) & np.isfinite(numbers[1])
        places = zip(_short(numbers[0]), _short(numbers[1]), truth, whole, strict=True)
        found["points"] = [[x, y, label] for x, y, label, there in places if there]
    return found


def _axis(values: np.ndarray) -> np.ndarray:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, CELLS)


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
