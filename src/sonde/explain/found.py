"""What a detector found of what there was, object by object: which detection belongs to which truth, and what kind of mistake the others are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
import torch

from sonde.data.contents import Examples
from sonde.detections import CORNERS, SURE
from sonde.ops.boxes import iou

ENOUGH: Final = 0.5  # IoU from which a detection is of a truth
BESIDE: Final = 0.1  # IoU below which it is of nothing
Mistake = Literal["right", "another class", "found twice", "badly placed", "nothing there"]
MISTAKES: Final[tuple[Mistake, ...]] = ("another class", "found twice", "badly placed", "nothing there")


@dataclass(frozen=True)
class Picture:
    """One picture's objects, boxes float64 (object, 4) in its pixels, class numbers int64.

    `boxes`, `labels`, `scores` are the detections that are sure enough, the surest first, `true_boxes`, `true_labels` the truths without crowds.
    `of` int64: the truth of each detection, −1 where it has none; `kinds` what each is.
    """

    number: int
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    true_boxes: np.ndarray
    true_labels: np.ndarray
    of: np.ndarray
    kinds: tuple[Mistake, ...]

    @property
    def missed(self) -> np.ndarray:
        """int64: the truths that no detection belongs to, not even one of another class."""
        return np.setdiff1d(np.arange(len(self.true_labels)), self.of)


def pictures(rows: pl.DataFrame, examples: Examples, classes: list[str], *, least: float = SURE) -> list[Picture]:
    """Every picture's detections of at least the score `least` with its truths; `rows` as `detections.rows` gives them. Those of crowds are left out."""
    numbers = {name: number for number, name in enumerate(classes)}
    sure = rows.filter(pl.col("score") >= least)
    given: dict[int, pl.DataFrame] = {int(key[0]): some for key, some in sure.partition_by("picture", as_dict=True).items()}
    found = []
    for number, (boxes, labels, crowd) in enumerate(examples.frame.select("boxes", "labels", "crowd").iter_rows()):
        known = [place for place, label in enumerate(labels) if label in numbers]
        corners = np.array([boxes[place] for place in known], dtype=np.float64).reshape(-1, 4)
        classed = np.array([numbers[labels[place]] for place in known], dtype=np.int64)
        crowds = np.array([bool(crowd[place]) for place in known], dtype=bool)
        some = given.get(number, sure.clear())
        theirs = some.select(CORNERS).to_numpy().astype(np.float64).reshape(-1, 4)
        own = np.array([numbers[label] for label in some["label"]], dtype=np.int64)
        found.append(_matched(number, theirs, own, some["score"].to_numpy(), corners, classed, crowds))
    return found


def _matched(
    number: int, boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, true_boxes: np.ndarray, true_labels: np.ndarray, crowds: np.ndarray
) -> Picture:
    """Detections take the truth of their class that they overlap most and that is free, the surest first; then those left over any other."""
    overlaps = iou(torch.from_numpy(boxes), torch.from_numpy(true_boxes)).numpy()
    of = np.full(len(boxes), -1)
    free = ~crowds
    for same in (True, False):
        for place in np.flatnonzero(of < 0):
            chosen = overlaps[place] * free * ((true_labels == labels[place]) if same else 1)
            if chosen.size and chosen.max() >= ENOUGH:
                of[place] = int(chosen.argmax())
                free[of[place]] = False
    crowded = np.zeros(len(boxes), dtype=bool)
    if crowds.any() and len(boxes):
        crowded = (of < 0) & (_covered(boxes, true_boxes[crowds]).max(1) >= ENOUGH)
    kept = ~crowded
    there = np.cumsum(~crowds) - 1  # numbers among those that are no crowd
    kinds = tuple(_kind(int(of[place]), overlaps[place], int(labels[place]), true_labels) for place in np.flatnonzero(kept))
    of = np.where(of >= 0, there[of] if len(there) else of, -1)
    return Picture(number, boxes[kept], labels[kept], scores[kept], true_boxes[~crowds], true_labels[~crowds], of[kept], kinds)


def _kind(of: int, overlaps: np.ndarray, label: int, true_labels: np.ndarray) -> Mistake:
    if of >= 0:
        return "right" if true_labels[of] == label else "another class"
    same = overlaps[true_labels == label]
    if same.size and same.max() >= ENOUGH:
        return "found twice"
    if same.size and same.max() >= BESIDE:
        return "badly placed"
    return "nothing there"


def _covered(boxes: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """The share of each box that lies in each crowd (box, crowd)."""
    low = np.maximum(boxes[:, None, :2], crowds[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], crowds[None, :, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    shared: np.ndarray = (high - low).clip(min=0).prod(2)
    return shared / np.maximum(area, 1e-9)[:, None]
