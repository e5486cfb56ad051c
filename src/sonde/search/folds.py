"""K-fold: every example is predicted once by a model that has not seen it (Stone 1974).

`folds/1 … K` are full run folders. Preprocessing, selection and early stopping happen inside a fold; what a fold
holds out never picks its epoch.
"""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sonde import fit, record
from sonde.errors import Interrupted, RecipeError
from sonde.experiment import with_absolute_paths
from sonde.explain.explain import explain
from sonde.recipe import Recipe, read, with_flags
from sonde.report.page import write_report
from sonde.run import Run
from sonde.run_folder import FORMAT, read_json
from sonde.tasks import keeps_predictions
from sonde.training.checkpoints import write_json
from sonde.training.events import Event, Listener


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
    folder = record.new_folder(record.name_of(recipe, data), out)
    return _folds(recipe, folder, data, listen, flags={})


def resume(path: Path, flags: dict[str, Any], *, data: Any = None, listen: Sequence[Listener] = ()) -> Run:
    """Go on with a run, or with every fold of a K-fold: those that stopped from where they are, the others from the start.

    `flags` are the values that a resume may change, see `fit.resume`.
    """
    if not (path / "folds").is_dir():
        recipe = with_flags(Run.load(path).recipe, flags) if flags else None
        return fit.resume(path, recipe, data=data, listen=listen)
    recipe = read(path / "recipe.toml")
    return _folds(with_flags(recipe, flags), path, data, listen, flags=flags)


def _folds(recipe: Recipe, folder: Path, data: Any, listen: Sequence[Listener], *, flags: dict[str, Any]) -> Run:
    """K runs, their out-of-fold predictions, mean and standard deviation."""
    count, runs = recipe.data.folds, []

    def describe(event: Event) -> None:
        """What is known once the first fold starts, so that a K-fold that is stopped is a run to go on with."""
        if event["event"] == "start" and not (folder / "model.json").exists():
            _describe(folder, folder / "folds" / "1", with_absolute_paths(recipe))

    for fold in range(1, count + 1):
        for listener in listen:
            listener({"event": "note", "message": f"fold {fold} of {count}"})
        place = folder / "folds" / str(fold)
        try:
            runs.append(_fold(recipe.replace(data={"fold": fold}), place, data, (describe, *listen), flags=flags))
        except Interrupted as stopped:
            what = f"fold {fold} of {count}: {stopped.what}"
            raise Interrupted(what, where=str(folder), remedy=f"go on with `sonde train --resume {folder}`") from None
    _describe(folder, runs[0].path, runs[0].recipe.replace(data={"fold": None}))
    if keeps_predictions(runs[0].task):
        rows = [
            pl.read_parquet(run.path / "predictions.parquet").filter(pl.col("part") == "test").with_columns(pl.lit(number).alias("fold"))
            for number, run in enumerate(runs, start=1)
        ]
        whole = pl.concat(rows, how="diagonal_relaxed").sort("example").with_columns(pl.lit("out-of-fold").alias("part"))
        whole.write_parquet(folder / "predictions.parquet")
    run = Run(folder)
    run.folds = runs  # their data are at hand
    write_json(folder / "metrics.json", _summary(runs, run.out_of_fold()[0]))
    explain(run)
    write_report([folder])
    return run


def _fold(recipe: Recipe, place: Path, data: Any, listen: Sequence[Listener], *, flags: dict[str, Any]) -> Run:
    """One fold: trained, or gone on with where it has begun and is not finished, or is to be changed."""
    if not (place / "model.json").exists():
        if place.is_dir():
            shutil.rmtree(place)  # killed before anything was decided
        return fit.train(recipe, data=data, out=place, listen=listen)
    run = Run.load(place)
    if (place / "metrics.json").exists() and not flags and data is None:  # data in memory cannot be opened again
        return run
    return fit.resume(place, with_flags(run.recipe, flags) if flags else None, data=data, listen=listen)


def _describe(folder: Path, first: Path, recipe: Recipe) -> None:
    """The files that a K-fold shares with its folds."""
    (folder / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
    for name in ("data.json", "environment.json", "model.json"):
        write_json(folder / name, read_json(first / name))


def _summary(runs: list[Run], whole: dict[str, float]) -> dict[str, Any]:
    files = [run.metrics_file for run in runs]
    first, measured = files[0], [file["test"] for file in files]
    # A measure that has no meaning in some fold, such as an AUC where one class is missing, has no mean either.
    names = [name for name in measured[0] if all(name in fold for fold in measured)]
    return {
        "format": FORMAT,
        "monitor": first["monitor"],
        "better": first["better"],
        "folds": measured,
        "out_of_fold": {name: value for name, value in whole.items() if math.isfinite(value)},
        "mean": {name: statistics.fmean(fold[name] for fold in measured) for name in names},
        "sd": {name: statistics.stdev(fold[name] for fold in measured) for name in names},
        "train": {name: statistics.fmean(file["train"][name] for file in files if name in file["train"]) for name in first["train"]},
        "examples": {"train": first["examples"]["train"], "test": sum(file["examples"]["test"] for file in files)},
        "seconds": {"total": sum(file["seconds"]["total"] for file in files)},
        "examples_per_second": first["examples_per_second"],
        "epochs": first["epochs"],
        "steps": first["steps"],
        "stopped": "epochs",
        "test_looks": len(runs),
    }
