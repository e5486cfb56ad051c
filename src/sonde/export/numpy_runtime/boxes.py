"""From boxes and scores at every place to a detector's answer: greedy suppression by class, and the boxes of several detectors as one set.

Boxes are rows (left, top, right, bottom), answers rows (left, top, right, bottom, class, score), the best first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CLASS, SCORE = 4, 5  # columns of an answer


def best_boxes(boxes: np.ndarray, scores: np.ndarray, *, iou: float, most: int, floor: float, candidates: int) -> np.ndarray:
    """Answers (object, 6), at most `most`, from boxes (place, 4) and scores (place, class) of one picture.

    Of all pairs of a place and a class with a score over `floor` the best `candidates` are suppressed class by class: what overlaps a
    better box by more than `iou` is dropped, of equal scores the later place.
    """
    flat = scores.ravel()
    index = np.flatnonzero(flat > floor)
    index = index[np.argsort(-flat[index], kind="stable")][:candidates]
    places, classes = index // max(scores.shape[1], 1), index % max(scores.shape[1], 1)
    rows = np.concatenate([boxes[places], classes[:, None], flat[index, None]], axis=1, dtype=boxes.dtype)
    return rows[suppressed(rows[:, :4], classes, iou=iou, most=most)]


def suppressed(boxes: np.ndarray, classes: np.ndarray, *, iou: float, most: int) -> np.ndarray:
    """The numbers of the boxes that stay, at most `most`, of boxes by falling score."""
    planes, alive = _planes(boxes), np.ones(len(boxes), dtype=bool)
    kept: list[int] = []
    while len(kept) < most and alive.any():
        best = int(alive.argmax())
        kept.append(best)
        alive[best] = False
        alive &= ~((classes == classes[best]) & (_overlaps(planes[:, best, None], planes) > iou))
    return np.array(kept, dtype=np.int64)


def fused(found: Sequence[np.ndarray], *, threshold: float, most: int) -> np.ndarray:
    """Weighted boxes fusion (Solovyev et al. 2021): answers of several detectors for one picture, in the same pixels, as one, at most `most`.

    By falling score each box joins the fused box of its class that it overlaps most, if by more than `threshold`, or begins one: the mean of
    its members weighted by score, whose score is their mean, times the share of the detectors that have found it.
    """
    rows = np.concatenate(found)
    rows = rows[rows[:, SCORE] > 0]
    rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    sums, made, members = np.zeros_like(rows), np.zeros_like(rows), np.zeros(len(rows), dtype=rows.dtype)
    begun = 0
    for row in rows:
        overlap = _overlaps(_planes(row[None, :4]), _planes(made[:begun, :4])) * (made[:begun, CLASS] == row[CLASS])
        at = int(overlap.argmax()) if begun and overlap.max() > threshold else begun
        begun = max(begun, at + 1)
        sums[at, :4] += row[:4] * row[SCORE]
        sums[at, SCORE] += row[SCORE]
        members[at] += 1
        made[at] = [*(sums[at, :4] / sums[at, SCORE]), row[CLASS], sums[at, SCORE] / members[at]]
    made = made[:begun]
    made[:, SCORE] *= np.minimum(members[:begun], len(found)) / made.dtype.type(len(found))
    return made[np.argsort(-made[:, SCORE], kind="stable")][:most]


def in_original(rows: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """Answers on a canvas of `scale` prepared pixels an original one, with boxes in pixels of the picture of `size` (height, width), cut to it.

    Those of which nothing is left in the picture are dropped.
    """
    height, width = size
    rows = rows.copy()
    rows[:, :4] = np.minimum(np.maximum(rows[:, :4] / rows.dtype.type(scale), 0), np.array([width, height, width, height], dtype=rows.dtype))
    return rows[(rows[:, SCORE] > 0) & (rows[:, 2:4] > rows[:, :2]).all(axis=1)]


def _planes(boxes: np.ndarray) -> np.ndarray:
    """(5, box): left, top, right, bottom and area. A box whose area is not finite becomes one that overlaps nothing; 0 becomes the smallest number."""
    left, top, right, bottom = boxes.T
    with np.errstate(all="ignore"):
        area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    values = np.where(np.isfinite(area), np.stack([left, top, right, bottom, area]), 0)
    values[4] = np.maximum(values[4], np.finfo(values.dtype).tiny)
    return values


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes as planes, which broadcast."""
    width = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]), 0)
    shared = width * np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]), 0)
    found: np.ndarray = shared / (a[4] + b[4] - shared)
    return found
