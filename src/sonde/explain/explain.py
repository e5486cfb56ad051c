"""What a finished run gets wrong and what it relies on, written to its folder: figures/explain.json and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonde.data.prepare.images import ImagePreparation
from sonde.data.prepare.table import TablePreparation
from sonde.data.prepare.text import TextPreparation
from sonde.errors import SondeError, UsageError
from sonde.explain import ahead, boundary, classes, detection, importance, looking, numbers, segmentation, sequences, surface, worst
from sonde.explain.held_out import HeldOut, held_out, part_of
from sonde.nn.prepared import own_losses
from sonde.run import Run
from sonde.training.checkpoints import write_json

FORMAT = 1
# What the pictures are called that a call writes anew.
PICTURES = ("worst", "filters", "input", "saliency", "activation", "pair", "segments", *detection.PICTURES)


def explain(run: Run, *, examples: bool = True, look: Sequence[str] = ()) -> None:
    """Write figures/explain.json and pictures beside it, from the test part (else what folds held out, else validation).

    Without `examples` nothing of single examples is written: no rows, names, pictures, points or series. `look`: the pictures that a
    classifier of pictures is looked into with, as files or as names of examples held out, in place of the surest and the worst.
    The same run gives the same files. Raises UsageError, before anything is changed, for a `look` that names no picture.
    """
    held = held_out(run)
    asked = looking.asked_for(run, held, look) if look and _can_look(run) else None
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    looking.remove_old(folder, PICTURES)
    found: dict[str, Any] = {"format": FORMAT, "part": None}
    if held is not None and len(held.rows):
        found["part"] = held.part
        if {"target", "loss"} <= set(held.rows.columns):  # what was written by itself has no loss
            found |= _mistakes(run, held, folder, examples=examples)
        if run.target.values["kind"] == "boxes":
            found |= detection.detection(run, held, folder, examples=examples)
        found |= _importance(run, held)
    if not run.folds:
        found |= _inside(run, examples=examples)
        if isinstance(run.preparation, ImagePreparation):
            found |= _looking(run, held, folder, examples=examples, asked=asked)
        if run.description["task"]["name"] == "segmentation":
            found |= segmentation.examined(run, folder, examples=examples)
        if isinstance(run.preparation, TextPreparation) and examples:
            found |= sequences.sequences(run)
    write_json(folder / "explain.json", found)


def _mistakes(run: Run, held: HeldOut, folder: Path, *, examples: bool) -> dict[str, Any]:
    """Confusion, calibration, worst examples, residuals, forecast: what the kind of target allows."""
    found: dict[str, Any] = {}
    target, seed = run.description["task"]["target"], run.recipe.training.seed
    columns, kind = tuple(target["columns"]), target["kind"]
    forecasting = "horizon" in target
    if kind == "classes":
        found["confusion"] = classes.confusion(held.rows, list(target["classes"]))
        if own_losses(run.model) is None:  # a perceptron's number is no logit
            found["calibration"] = classes.calibration(held.rows)
    if kind == "numbers" and not forecasting:
        found["residuals"] = numbers.residuals(held.rows, columns=columns, seed=seed)
    if forecasting and not run.folds:
        found |= _ahead(run, held)
    if forecasting and examples:
        found["forecast"] = numbers.forecast(held.rows, held.examples, time=run.recipe.data.time)
    if examples:
        found["worst"] = worst.worst(held.rows, held.examples, folder, kind=kind, columns=columns)
    return found


def _ahead(run: Run, held: HeldOut) -> dict[str, Any]:
    """Errors by steps ahead, where the part is long enough for two of them."""
    steps = (*ahead.STEPS, run.preparation.horizon) if not run.preparation.after else tuple(range(1, run.preparation.horizon + 1))
    try:
        measured = ahead.ahead(run, steps, part=held.part)
    except SondeError:  # too short, or the data have gone
        return {}
    told = {"baseline": measured.baseline, "moments": measured.moments, "rows": measured.rows()}
    return {"ahead": told} if len(measured.steps) > 1 else {}


def _importance(run: Run, held: HeldOut) -> dict[str, Any]:
    """Permutation importance of a table's columns; of folds the mean over theirs."""
    if run.folds:
        theirs = [fold.path / "figures" / "explain.json" for fold in run.folds]
        parts = [json.loads(path.read_text(encoding="utf-8")).get("importance", []) for path in theirs if path.exists()]
        drops = importance.of_folds(parts)
        return {"importance": drops, "importance_metric": importance.headline(run)} if drops else {}
    if held.data is None or not isinstance(run.preparation, TablePreparation):
        return {}
    drops = importance.importance(run, held.data, seed=run.recipe.training.seed)
    return {"importance": drops, "importance_metric": importance.headline(run)}


def _inside(run: Run, *, examples: bool) -> dict[str, Any]:
    """Decision boundary and loss surface, where the model is small enough to draw them."""
    found: dict[str, Any] = {}
    target, seed = run.description["task"]["target"], run.recipe.training.seed
    columns = boundary.two_numbers(run.preparation) if target["kind"] == "classes" else None
    small = run.description["parameters"] <= surface.MOST
    train = part_of(run, "train") if columns is not None or small else None
    if train is None or not len(train.index):
        return found
    if columns is not None:
        found["boundary"] = boundary.boundary(run, train, columns, list(target["classes"]), points=examples, seed=seed)
    if small:
        drawn = surface.surface(run, train, seed=seed)
        found |= {} if drawn is None else {"surface": drawn}
    return found


def _classifies_pictures(run: Run) -> bool:
    return isinstance(run.preparation, ImagePreparation) and run.description["task"]["target"]["kind"] == "classes" and own_losses(run.model) is None


def _can_look(run: Run) -> bool:
    """True. Raises UsageError where there is no one classifier of pictures to look into."""
    if run.folds:
        remedy = f"look into one of them: `sonde report {run.folds[0].path} --look …`"
        raise UsageError("this run holds a model for each fold", where="--look", remedy=remedy)
    if not _classifies_pictures(run):
        raise UsageError(f"{run.path} is no classifier of pictures", where="--look", remedy="leave out --look")
    return True


def _looking(run: Run, held: HeldOut | None, folder: Path, *, examples: bool, asked: looking.Look | None) -> dict[str, Any]:
    """First filters of an image model; of a classifier what it looks at, and the classes it mixes up, as pictures."""
    drawn = looking.first_filters(run, folder)
    found: dict[str, Any] = {} if drawn is None else {"filters": drawn}
    if not examples or not _classifies_pictures(run):
        return found
    if held is not None and held.data is not None and "target" in held.rows.columns:
        found["pairs"] = looking.pairs(held.rows, held.examples, folder)
        asked = asked or looking.typical(held.data, held.rows)
    return found if asked is None else found | {"saliency": looking.examined(run, asked, folder)}
