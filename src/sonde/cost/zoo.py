"""Trained models side by side on this machine: how good, how fast, how large."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sonde.cost.account import account
from sonde.cost.achieved import forward_seconds
from sonde.cost.machine import processor, threads
from sonde.cost.source import find
from sonde.errors import RunError
from sonde.run import Run

BATCH = 64  # examples at once: enough to fill the machine, few enough for any memory


def side_by_side(runs: Sequence[str | Path], *, batch: int = BATCH) -> dict[str, Any]:
    """Every run's measure on unseen data, its speed here and now, parameters, multiply-adds and memory.

    `metric`, `better`, `batch`, `processor` and `threads`; `rows`, each with name, run, model, value, part, examples_per_second (predicting),
    parameters, multiply_adds (one example, forward), inference and training memory (bytes, for `batch`), best: whether no other run is at least as
    good and faster. Raises RunError for a folder that is no finished run, and for runs that do not share their measure.
    """
    if not runs:
        raise RunError("no run was given", where="--chart", remedy="name the folders of runs: sonde models --chart runs/a runs/b")
    rows = [_row(Path(run), batch) for run in runs]
    metric, better = rows[0].pop("metric"), rows[0].pop("better")
    for row in rows[1:]:
        other = row.pop("metric")
        row.pop("better")
        if other != metric:
            what = f"this run is measured by {other}, the first one by {metric}"
            raise RunError(what, where=row["run"], remedy="chart runs of one task on the same data")
    sign = 1 if better == "higher" else -1
    for row in rows:
        ahead = [
            other
            for other in rows
            if sign * other["value"] >= sign * row["value"]
            and other["examples_per_second"] >= row["examples_per_second"]
            and (other["value"], other["examples_per_second"]) != (row["value"], row["examples_per_second"])
        ]
        row["best"] = not ahead
    return {"metric": metric, "better": better, "batch": batch, "processor": processor(), "threads": threads(), "rows": rows}


def _row(path: Path, batch: int) -> dict[str, Any]:
    run = Run.load(path)
    measures = run.metrics_file
    metric = measures["monitor"]
    part = next((part for part in ("test", "mean", "validation", "train") if metric in (measures.get(part) or {})), None)
    if part is None:
        raise RunError(f"this run has no {metric}", where=str(path), remedy="chart runs that have finished")
    source = find(str(path.resolve() / "folds" / "1") if run.folds else str(path))
    bill = account(source, batch=batch, optimizer=run.recipe.optim.name or "sgd")
    network = run.model.network
    assert isinstance(network, torch.nn.Module)
    return {
        "name": path.resolve().name,
        "run": str(path),
        "model": source.name,
        "value": float(measures[part][metric]),
        "part": part,
        "examples_per_second": batch / forward_seconds(network, [each.batch(batch, "cpu") for each in source.inputs]),
        "parameters": bill.parameters,
        "multiply_adds": bill.multiply_adds,
        "inference": bill.memory.inference,
        "training": bill.memory.training,
        "metric": metric,
        "better": measures["better"],
    }
