"""K-fold: every example is predicted once by a model that has not seen it (Stone 1974).

`folds/1 … K` are full run folders. Preprocessing, selection and early stopping happen inside a fold; what a fold
holds out never picks its epoch.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from sonde import fit, record
from sonde.errors import RecipeError
from sonde.explain.explain import explain
from sonde.recipe import Recipe
from sonde.report.page import write_report
from sonde.run import FORMAT, Run, read_json
from sonde.training.checkpoints import write_json
from sonde.training.evaluate import measure_predictions
from sonde.training.events import Listener


def train(recipe: Recipe, *, data: Any = None, out: Path | None = None, listen: Sequence[Listener] = ()) -> Run:
    """Train a recipe: once, or K times where it asks for folds. See `fit.train`."""
    if not recipe.data.folds or recipe.data.fold is not None:
        return fit.train(recipe, data=data, out=out, listen=listen)
    if recipe.data.folds == 1:
        raise RecipeError(
            "one fold holds everything out and leaves nothing to train on",
            where="data.folds",
            remedy="use 5 or 10 folds, or 0 for a single split",
        )
    return _train_folds(recipe, data, out, listen)


def _train_folds(recipe: Recipe, data: Any, out: Path | None, listen: Sequence[Listener]) -> Run:
    """K runs, their out-of-fold predictions, mean and standard deviation."""
    count = recipe.data.folds
    folder = record.new_folder(record.name_of(recipe, data), out)
    predictions: list[pl.DataFrame] = []
    measured: list[dict[str, float]] = []
    runs: list[Run] = []
    for fold in range(1, count + 1):
        for listener in listen:
            listener({"event": "note", "message": f"fold {fold} of {count}"})
        run = fit.train(recipe.replace(data={"fold": fold}), data=data, out=folder / "folds" / str(fold), listen=listen)
        runs.append(run)
        measured.append(run.metrics_file["test"])
        predictions.append(
            pl.read_parquet(run.path / "predictions.parquet").filter(pl.col("part") == "test").with_columns(pl.lit(fold).alias("fold"))
        )
    first = runs[0]
    rows = pl.concat(predictions, how="diagonal_relaxed").sort("example")
    rows.with_columns(pl.lit("out-of-fold").alias("part")).write_parquet(folder / "predictions.parquet")
    (folder / "recipe.toml").write_text(first.recipe.replace(data={"fold": None}).toml(), encoding="utf-8")
    write_json(folder / "model.json", read_json(first.path / "model.json"))
    for name in ("data.json", "environment.json"):
        write_json(folder / name, read_json(first.path / name))
    whole = _out_of_fold(runs)
    write_json(folder / "metrics.json", _summary(runs, measured, whole))
    run = Run(folder)
    explain(run)
    write_report([folder])
    return run


def _out_of_fold(runs: list[Run]) -> dict[str, float]:
    """Measures over all examples, each predicted by the fold that had not seen it."""
    predictions, targets, inputs, order = [], [], [], []
    for run in runs:
        columns, index, examples = run.part("test")
        prediction, kept = run.predict_tensor(examples, index)
        rows = torch.from_numpy(kept)
        assert columns.targets is not None
        predictions.append(prediction)
        targets.append(columns.targets[rows])
        inputs.append(columns.inputs[0][rows])
        order.append(rows)
    sequence = torch.cat(order).argsort()
    return measure_predictions(runs[0].task, torch.cat(predictions)[sequence], torch.cat(targets)[sequence], (torch.cat(inputs)[sequence],))


def _summary(runs: list[Run], measured: list[dict[str, float]], whole: dict[str, float]) -> dict[str, Any]:
    first = runs[0].metrics_file
    names = list(measured[0])
    return {
        "format": FORMAT,
        "monitor": first["monitor"],
        "better": first["better"],
        "folds": measured,
        "out_of_fold": whole,
        "mean": {name: statistics.fmean(fold[name] for fold in measured) for name in names},
        "sd": {name: statistics.stdev(fold[name] for fold in measured) for name in names},
        "train": {name: statistics.fmean(run.metrics_file["train"][name] for run in runs) for name in first["train"]},
        "examples": {"train": first["examples"]["train"], "test": sum(run.metrics_file["examples"]["test"] for run in runs)},
        "seconds": {"total": sum(run.metrics_file["seconds"]["total"] for run in runs)},
        "examples_per_second": first["examples_per_second"],
        "epochs": first["epochs"],
        "steps": first["steps"],
        "stopped": "epochs",
        "test_looks": len(runs),
    }
