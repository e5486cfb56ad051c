"""Permutation importance: how much worse the measure becomes when one column is shuffled (Breiman, "Random Forests", 2001, section 10).

A column is shuffled as a whole: all numbers and codes that it was turned into move together. Two columns that say the
same hide each other's importance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonde.data.batch import Batch
from sonde.data.prepare.table import TablePreparation
from sonde.explain.held_out import few
from sonde.metrics.rows import RowMetric
from sonde.metrics.texts import TextMetric
from sonde.run import PartData, Run

REPEATS = 5
ROWS = 2000
# Predictions made in all, columns × repeats × rows: with very many columns fewer rows are used.
BUDGET = 2_000_000


def importance(run: Run, data: PartData, *, repeats: int = REPEATS, seed: int = 0) -> list[dict[str, Any]]:
    """{"column", "mean", "sd"} of each column that is learned from, the most important first.

    The drop of the run's headline measure (positive: the column helps), over `repeats` shuffles of the same rows.
    """
    places = positions(run.preparation)
    rows = max(200, min(ROWS, BUDGET // (repeats * max(1, len(places)))))
    index = few(data.index, rows, seed=seed)
    if len(index) < 2:
        return []
    batch = next(PartData(data.columns, index, data.examples).batches(len(index), run.device).epoch(0))[0]
    measure, sign = _measure(run)
    model, task = run.model.eval(), run.task
    generator = np.random.default_rng(seed)
    order = torch.cat([torch.from_numpy(generator.permutation(len(index))) for _ in range(repeats)]).to(run.device)
    # All shuffles of a column are predicted at once; then the column is put back.
    stacked = tuple(tensor.repeat(repeats, 1) for tensor in batch.inputs)
    drops: dict[str, list[float]] = {}
    with torch.no_grad():
        whole = measure(task.predict(model, batch.inputs), batch)
        for name, where in places.items():
            for tensor, full, place in zip(batch.inputs, stacked, where, strict=False):
                full[:, place] = tensor[:, place][order]
            pieces = task.predict(model, stacked).split(len(index))
            drops[name] = [sign * (whole - measure(piece, batch)) for piece in pieces]
            for tensor, full, place in zip(batch.inputs, stacked, where, strict=False):
                full[:, place] = tensor[:, place].repeat(repeats, 1)
    found = [{"column": name, "mean": float(np.mean(drop)), "sd": float(np.std(drop))} for name, drop in drops.items()]
    return sorted(found, key=lambda each: -each["mean"])


def positions(preparation: TablePreparation) -> dict[str, tuple[slice, slice]]:
    """Which numbers and which category codes each original column was turned into."""
    places: dict[str, tuple[slice, slice]] = {}
    number = code = 0
    for name, encoder in preparation.used:
        numbers, codes = len(encoder.scales), len(encoder.sizes)
        places[name] = (slice(number, number + numbers), slice(code, code + codes))
        number, code = number + numbers, code + codes
    return places


def of_folds(folds: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The importances of several folds as one: mean and standard deviation over the folds."""
    drops: dict[str, list[float]] = {}
    for fold in folds:
        for each in fold:
            drops.setdefault(each["column"], []).append(each["mean"])
    found = [{"column": name, "mean": float(np.mean(drop)), "sd": float(np.std(drop))} for name, drop in drops.items()]
    return sorted(found, key=lambda each: -each["mean"])


def headline(run: Run) -> str:
    """The measure that the run is chosen by."""
    measures = run.task.metrics(final=False)
    named = str(run.metrics_file.get("monitor", ""))
    return named if named in measures else next(iter(measures))


def _measure(run: Run) -> tuple[Callable[[Tensor, Batch], float], int]:
    """The headline measure as a function, and 1 where a higher value is better, else −1."""
    metric = run.task.metrics(final=False)[headline(run)]
    assert not isinstance(metric, (RowMetric, TextMetric))
    return (lambda prediction, batch: metric.value(metric.state(prediction, batch))), 1 if metric.better == "higher" else -1
