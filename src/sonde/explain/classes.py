"""Which classes are taken for which, and whether probabilities can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch

from sonde.metrics.calibration import reliability
from sonde.metrics.confusion import confusion as count_pairs

# A larger matrix cannot be read: the classes with the most mistakes are kept, the rest become one.
CLASSES_SHOWN = 60
BINS = 15


def confusion(rows: pl.DataFrame, classes: list[str]) -> dict[str, Any]:
    """{"classes", "counts"}: a row each true class, a column each answer, from the columns `target` and `prediction`."""
    targets, answers = (_numbers(rows[column], classes) for column in ("target", "prediction"))
    counts = count_pairs(answers, targets, classes=len(classes)).numpy()
    if len(classes) > CLASSES_SHOWN:
        counts, classes = _most_mistaken(counts, classes)
    return {"classes": classes, "counts": counts.tolist()}


def calibration(rows: pl.DataFrame) -> dict[str, Any]:
    """{"bins", "error"}: mean confidence, accuracy and examples of each step of confidence that occurs."""
    confidence = torch.from_numpy(answer_probability(rows))
    right = torch.from_numpy((rows["target"] == rows["prediction"]).to_numpy()).double()
    sums = reliability(confidence, right, bins=BINS)
    bins = [
        {"confidence": float(total / count), "accuracy": float(hits / count), "count": int(count)}
        for count, total, hits in sums.T.tolist()
        if count
    ]
    return {"bins": bins, "error": float((sums[2] - sums[1]).abs().sum() / sums[0].sum())}


def answer_probability(rows: pl.DataFrame) -> np.ndarray:
    """The probability of the class that was predicted, float64 (row,)."""
    if "probability" in rows.columns:
        return rows["probability"].cast(pl.Float64).to_numpy().copy()
    columns = [name for name in rows.columns if name.startswith("probability:")]
    return rows.select(pl.max_horizontal(columns).cast(pl.Float64)).to_series().to_numpy().copy()


def _numbers(values: pl.Series, classes: list[str]) -> torch.Tensor:
    place = {name: number for number, name in enumerate(classes)}
    return torch.tensor([place[str(value)] for value in values.to_list()], dtype=torch.int64)


def _most_mistaken(counts: np.ndarray, classes: list[str]) -> tuple[np.ndarray, list[str]]:
    """The matrix of the classes with the most mistakes (theirs or taken for them); all others together come last."""
    mistakes = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    kept = np.sort(np.argsort(-mistakes, kind="stable")[: CLASSES_SHOWN - 1])
    group = np.full(len(classes), len(kept))
    group[kept] = np.arange(len(kept))
    small = np.zeros((len(kept) + 1, len(kept) + 1), dtype=counts.dtype)
    np.add.at(small, (group[:, None], group[None, :]), counts)
    return small, [classes[number] for number in kept] + [f"the other {len(classes) - len(kept)}"]
