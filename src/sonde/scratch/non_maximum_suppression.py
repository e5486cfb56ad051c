"""Greedy non-maximum suppression (Felzenszwalb et al. 2010, section 5.2): of boxes that overlap, keep the best.

    while boxes are left:  keep the one with the highest score;  drop all whose IoU with it exceeds the threshold
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.box import intersection_over_union


def non_maximum_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float, *, classes: np.ndarray | None = None) -> np.ndarray:
    """Indices of the kept boxes, best first, from corner boxes (n, 4) and scores (n,).

    Of equal scores the earlier box is kept. With `classes` (n,) a box suppresses only boxes of its own class.
    """
    if not len(boxes) == len(scores) == len(scores if classes is None else classes):
        raise ValueError(f"non_maximum_suppression: boxes {boxes.shape} and scores {scores.shape} (and classes) must have one row a box")
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        suppressed = intersection_over_union(boxes[best : best + 1], boxes[left])[0] > threshold
        if classes is not None:
            suppressed &= classes[left] == classes[best]
        left = left[~suppressed]
    return np.array(kept, dtype=np.int64)
