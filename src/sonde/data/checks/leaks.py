"""Columns that give the target away: known only once the target is, or a copy of it.

Each feature by itself predicts half of the rows from the rows of the other half that have the same value, or the
nearest. Almost no honest column does that nearly without error.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sonde.data.checks.columns import Column
from sonde.data.checks.subject import Subject, sample_of
from sonde.data.prepare.target import labels
from sonde.errors import Problem

ROWS = 10_000  # looked at: half to learn from, half to predict
FEWEST = 50  # rows under which a chance match is likely
BALANCED_ACCURACY = 0.99  # of one column alone, from which it gives a class away
RANK_CORRELATION = 0.999  # of one column with a quantity
EXPLAINED = 0.999  # R² of one column alone
FEW_VALUES = 20  # distinct ones, up to which ranks are too coarse to compare
MOST_CLASSES = 200


def check(subject: Subject) -> list[Problem]:
    """A warning for each column that gives the target away; a single feature may be a function of the target rightly."""
    features = [column for column in subject.features if column.type in ("number", "category", "date", "identifier")]
    if subject.content.kind != "table" or len(subject.features) < 2:
        return []
    problems = []
    for target in subject.targets:
        if target in subject.train.examples.frame.columns:
            problems += _of_target(subject, target, features)
    return problems


def _of_target(subject: Subject, target: str, features: list[Column]) -> list[Problem]:
    train = subject.train
    chosen = sample_of(train, ROWS)
    frame = train.frame([target, *(column.name for column in features)], chosen)
    known = frame[target].fill_nan(None).is_not_null() if frame.schema[target].is_float() else frame[target].is_not_null()
    frame = frame.filter(known)
    if frame.height < FEWEST:
        return []
    learn = np.random.default_rng(0).permutation(frame.height) % 2 == 0
    classify = subject.task in ("classification", "multi-label-classification")
    if classify:
        classes, codes = np.unique(labels(frame[target]).to_numpy(), return_inverse=True)
        if not 2 <= len(classes) <= MOST_CLASSES:
            return []
    else:
        values = frame[target].cast(pl.Float64, strict=False).to_numpy()
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            return []
    problems = []
    for column in features:
        if column.name not in frame.columns:
            continue
        place = places(frame[column.name])
        present = frame[column.name].is_not_null().to_numpy()
        said = _class_given(place, codes, len(classes), learn) if classify else _quantity_given(place, values, present, learn)
        if said:
            remedy = f"if it is not known before {target!r} is, leave it out: --drop {column.name}"
            problems.append(Problem("warning", subject.where(column=column.name), f"gives the target {target!r} away: {said}", remedy))
    return problems


def places(values: pl.Series) -> np.ndarray:
    """A column on a line, float64 (row,): numbers and dates as they are, else the place in order; missing ones far below."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    on_line = values.to_physical() if values.dtype.is_temporal() else values
    if not on_line.dtype.is_numeric():
        on_line = values.rank("dense")
    numbers = np.clip(on_line.cast(pl.Float64).fill_null(np.nan).to_numpy(), -1e300, 1e300)
    known = numbers[np.isfinite(numbers)]
    return np.where(np.isfinite(numbers), numbers, 2 * known.min() - known.max() - 1 if known.size else 0.0)


def nearest(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The range of the sorted `known` values to predict each `asked` one from: all equal ones, else the nearest."""
    low, high = np.searchsorted(known, asked, "left"), np.searchsorted(known, asked, "right")
    below, above = np.maximum(low - 1, 0), np.minimum(low, len(known) - 1)
    closest = np.where(np.abs(asked - known[below]) <= np.abs(known[above] - asked), below, above)
    alone = low == high
    return np.where(alone, closest, low), np.where(alone, closest + 1, high)


def _class_given(place: np.ndarray, codes: np.ndarray, classes: int, learn: np.ndarray) -> str:
    """What to say if the column tells the class of nearly every held-out row; else nothing."""
    known = np.bincount(codes[learn], minlength=classes) > 0
    totals = np.where(known, np.bincount(codes[~learn], minlength=classes), 0)
    order = np.argsort(place[learn], kind="stable")
    counts = np.zeros((len(order) + 1, classes), dtype=np.int32)
    np.cumsum(np.eye(classes, dtype=np.int32)[codes[learn][order]], axis=0, out=counts[1:])
    low, high = nearest(place[learn][order], place[~learn])
    right = (counts[high] - counts[low]).argmax(axis=1) == codes[~learn]
    hits = np.bincount(codes[~learn], weights=right, minlength=classes)
    asked = totals > 0
    accuracy = float((hits[asked] / totals[asked]).mean()) if asked.sum() >= 2 else 0.0
    return (
        f"it alone tells the class of {accuracy:.1%} of rows it was not fitted on (classes weighing the same)"
        if accuracy >= BALANCED_ACCURACY
        else ""
    )


def _quantity_given(place: np.ndarray, values: np.ndarray, present: np.ndarray, learn: np.ndarray) -> str:
    """What to say if the column orders or gives nearly every target; else nothing."""
    if present.sum() >= FEWEST and len(np.unique(place[present])) > FEW_VALUES:
        ours, theirs = _average_ranks(place[present]), _average_ranks(values[present])
        if np.ptp(ours) and np.ptp(theirs):
            correlation = float(np.corrcoef(ours, theirs)[0, 1])
            if abs(correlation) >= RANK_CORRELATION:
                return f"its order is that of the target (rank correlation {correlation:.4f})"
    order = np.argsort(place[learn], kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(values[learn][order])])
    low, high = nearest(place[learn][order], place[~learn])
    predicted = (sums[high] - sums[low]) / (high - low)
    truth = values[~learn]
    spread = float(((truth - truth.mean()) ** 2).sum())
    explained = 1 - float(((truth - predicted) ** 2).sum()) / spread if spread else 0.0
    return f"it alone explains {explained:.2%} of the target's variance in rows it was not fitted on" if explained >= EXPLAINED else ""


def _average_ranks(values: np.ndarray) -> np.ndarray:
    return pl.Series(values).rank("average").to_numpy()
