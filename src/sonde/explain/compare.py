"""Choosing between runs: models × (training, validation, unseen), which to pick, which under- and over-fit.

Only files of run folders are read, and nothing here needs torch. The pick is made by the validation part alone: a test
part that helps to choose is no longer unseen.

The rule. Errors are compared: the measure itself where lower is better, else 1 − the measure. With e_t and e_v the
training and validation error of a run, ê_t and ê_v those of the run that is picked, and the tolerance τ = 5 % of ê_v, or
one standard error √(ê_v(1 − ê_v)/n) of a share measured on n examples where that is more:

- it **over-fits** where e_v > ê_v + τ though e_t ≤ ê_t + τ: it is as good on what it learned from and worse on the rest;
- it **under-fits** where e_v > ê_v + τ and e_t > ê_t + τ: it is worse on both;
- otherwise it is **as good** as the pick.

A run that is as good as the pick still learns by heart what does not carry over where its gap (e_v − e_t)/e_v exceeds
one half; that is said, as more data or regularisation would then help.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonde.errors import RunError
from sonde.run_folder import FORMAT, read_json

TOLERANCE = 0.05
GAP = 0.5
# Measures that are shares of examples, so that chance alone moves them by their standard error.
SHARES = ("accuracy", "balanced-accuracy", "exact-match", "top-5")


@dataclass(frozen=True)
class Errors:
    """A run's training and validation measure turned into errors; None where it was not measured."""

    train: float | None
    validation: float | None

    @property
    def gap(self) -> float | None:
        """(e_v − e_t)/e_v: 0 where both are equal, near 1 where the training part is known by heart."""
        if self.train is None or self.validation is None or self.validation <= 0:
            return None
        return (self.validation - self.train) / self.validation


def compare(runs: Sequence[Path]) -> dict[str, Any]:
    """The table of the runs' headline measure, which run to pick and what is wrong with the others.

    `rows`: name, run, model, parameters, train, validation, sd (of folds), unseen, gap, verdict, why, looks, seconds.
    `pick`: name, run and why, or None without a validation part. `notes` say what makes the comparison unsafe. Raises
    RunError for a folder that is no finished run, or runs that do not share their headline measure.
    """
    read = [_row(Path(run)) for run in runs]
    if not read:
        raise RunError("no run was given", remedy="name the folders of at least two runs")
    metric, better = read[0]["metric"], read[0]["better"]
    rows = [_measured(row, metric) for row in read]
    errors = [Errors(error(row["train"], better), error(row["validation"], better)) for row in rows]
    best = _best(errors)
    counts = [row["files"]["metrics"].get("examples", {}).get("validation") for row in read]
    verdicts = judge(errors, best, metric=metric, examples=None if best is None else counts[best])
    for row, (verdict, why), found in zip(rows, verdicts, errors, strict=True):
        row |= {"verdict": verdict, "why": why, "gap": found.gap}
    pick = None
    if best is not None:
        chosen = rows[best]
        why = f"it has the {'highest' if better == 'higher' else 'lowest'} {metric} on the validation part: {chosen['validation']:.4g}"
        pick = {"name": chosen["name"], "run": chosen["run"], "why": why}
    return {"format": FORMAT, "metric": metric, "better": better, "rows": rows, "pick": pick, "notes": _notes(read, rows, best)}


def vary_summary(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a range of values of one setting shows: the minimum of the validation error, under- and over-fitting.

    Each of `points` has value, metric, better, train and validation (measures by name), and may have run, parameters and
    examples (how many the validation part has). The result has `metric`, `better`, `points` (with train, validation,
    gap, verdict, why), `best` (the value to pick, by validation alone), `under_fitting` and `over_fitting` (lists of
    values) and `message`. A best value at the end of the range is said, as a better one may lie beyond it.
    """
    if not points:
        raise ValueError("a summary needs at least one point")
    metric, better = points[0]["metric"], points[0]["better"]
    measured = [{name: _finite(point.get(name), metric) for name in ("train", "validation")} for point in points]
    errors = [Errors(error(each["train"], better), error(each["validation"], better)) for each in measured]
    best = _best(errors)
    verdicts = judge(errors, best, metric=metric, examples=None if best is None else points[best].get("examples"))
    rows = [
        {
            "value": point["value"],
            **each,
            "gap": found.gap,
            "verdict": verdict,
            "why": why,
            "run": point.get("run"),
            "parameters": point.get("parameters"),
        }
        for point, each, found, (verdict, why) in zip(points, measured, errors, verdicts, strict=True)
    ]
    under, over = ([row["value"] for row in rows if row["verdict"] == kind] for kind in ("under-fits", "over-fits"))
    return {
        "metric": metric,
        "better": better,
        "points": rows,
        "best": None if best is None else rows[best]["value"],
        "under_fitting": under,
        "over_fitting": over,
        "message": _message(rows, best, metric, under, over),
    }


def judge(errors: Sequence[Errors], best: int | None, *, metric: str, examples: int | None) -> list[tuple[str, str]]:
    """A verdict and its reason for each run, by the rule at the head of this file.

    Verdicts: best, as good, over-fits, under-fits, not judged. `examples`: how many the validation part has.
    """
    if best is None:
        return [("not judged", "there is no validation part to judge by")] * len(errors)
    return [
        _verdict(found, errors[best], _tolerance(errors[best], metric, examples), best=number == best)
        for number, found in enumerate(errors)
    ]


def error(value: float | None, better: str) -> float | None:
    """A measure as an error: itself where lower is better, else 1 − it."""
    return value if value is None or better == "lower" else 1 - value


def _finite(measures: dict[str, Any] | None, metric: str) -> float | None:
    """The measure, or None where there is none or it is no number (a run that diverged)."""
    value = (measures or {}).get(metric)
    return value if value is not None and math.isfinite(value) else None


def _tolerance(best: Errors, metric: str, examples: int | None) -> float:
    assert best.validation is not None
    relative = TOLERANCE * abs(best.validation)
    if metric not in SHARES or not examples:
        return relative
    # A share of 0 mistakes has no standard error of its own: one mistake more or less is then what chance does.
    variance = max(best.validation * (1 - best.validation), 1 / examples)
    return max(relative, math.sqrt(variance / examples))


def _verdict(found: Errors, best_one: Errors, tolerance: float, *, best: bool) -> tuple[str, str]:
    if found.validation is None:
        return "not judged", "it has no validation measure"
    assert best_one.validation is not None
    by_heart = found.gap is not None and found.gap > GAP
    heart = f"; its training error is {found.gap:.0%} below: more data or regularisation may help" if by_heart else ""
    if best:
        return "best", f"the lowest validation error, {found.validation:.4g}{heart}"
    if found.validation <= best_one.validation + tolerance:
        return "as good", f"its validation error {found.validation:.4g} is within {tolerance:.2g} of the best{heart}"
    worse = f"validation error {found.validation:.4g} against {best_one.validation:.4g}"
    if found.train is None or best_one.train is None:
        return "not judged", f"{worse}; the training error is not known"
    errors = f"training error {found.train:.4g} against {best_one.train:.4g}"
    if found.train <= best_one.train + tolerance:
        return "over-fits", f"{worse}, though its {errors}"
    return "under-fits", f"{worse}, and {errors}"


def _best(errors: Sequence[Errors]) -> int | None:
    known = [(found.validation, number) for number, found in enumerate(errors) if found.validation is not None]
    return min(known)[1] if known else None


def _row(path: Path) -> dict[str, Any]:
    """What stands in the folder of one run."""
    if not path.is_dir():
        raise RunError("there is no such run", where=str(path), remedy="`sonde runs` lists the runs there are")
    files = {name: read_json(path / f"{name}.json") for name in ("metrics", "model")}
    looks = path / "looks.json"
    return {
        "path": path,
        "files": files,
        "looks": read_json(path / "looks.json").get("test", 0) if looks.exists() else files["metrics"].get("test_looks", 0),
        "metric": files["metrics"]["monitor"],
        "better": files["metrics"]["better"],
    }


def _measured(row: dict[str, Any], metric: str) -> dict[str, Any]:
    """One line of the table. Of a K-fold run, what the folds held out stands for validation."""
    metrics, model, path = row["files"]["metrics"], row["files"]["model"], row["path"]
    if row["metric"] != metric:
        what = f"this run is measured by {row['metric']}, the first one by {metric}"
        raise RunError(what, where=str(path), remedy="compare runs of one task on the same data")
    folds = "mean" in metrics
    held_out = metrics["mean"] if folds else metrics.get("validation")
    return {
        "name": path.resolve().name,
        "run": str(path),
        "model": model["model"]["name"],
        "parameters": model["parameters"],
        "train": _finite(metrics.get("train"), metric),
        "validation": _finite(held_out, metric),
        "sd": _finite(metrics.get("sd"), metric),
        "unseen": None if folds else _finite(metrics.get("test"), metric),
        "looks": row["looks"],
        "seconds": (metrics.get("seconds") or {}).get("total"),
        "examples_per_second": metrics.get("examples_per_second"),
    }


def _notes(read: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], best: int | None) -> list[str]:
    """What makes the comparison unsafe."""
    notes = []
    if len({row["files"]["model"].get("fingerprint") for row in read}) > 1:
        notes.append("the runs were not trained on the same data, so their numbers do not compare")
    if len({"mean" in row["files"]["metrics"] for row in read}) > 1:
        notes.append("some runs were measured by K-fold and some on one validation part; K-fold's number is the surer one")
    if best is None:
        notes.append("no run has a validation part, so none can be picked: the test part is not for choosing")
    for row in rows:
        if row["looks"] > 1 and row["unseen"] is not None:
            notes.append(
                f"the test part of {row['name']} was looked at {row['looks']} times: the more often, the less its number says of unseen data"
            )
    return notes


def _message(rows: Sequence[dict[str, Any]], best: int | None, metric: str, under: list[Any], over: list[Any]) -> str:
    if best is None:
        return "there is no validation part, so nothing can be picked"
    said = [f"the best {metric} on the validation part is {rows[best]['validation']:.4g}, at {rows[best]['value']}"]
    if under:
        said.append(f"under-fitting (worse on training and validation): {', '.join(str(value) for value in under)}")
    if over:
        said.append(f"over-fitting (as good on training, worse on validation): {', '.join(str(value) for value in over)}")
    if len(rows) > 2 and best in (0, len(rows) - 1):
        said.append("the best value is at the end of the range: try beyond it")
    return "; ".join(said)
