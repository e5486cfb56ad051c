"""Matching: which of a picture's truths each anchor has to find.

By the best pairs (Liu et al. 2016, "SSD", section 2.2), so that no truth is lost:

    while truths are left:  match the pair of anchor and truth with the largest IoU;  both leave
    every anchor that is left:  its best truth, if their IoU is at least the threshold

By two thresholds (Ren et al. 2015, "Faster R-CNN", section 3.1.2): matched from the upper one on, background below the lower one, in between
neither.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.box import intersection_over_union

NO_TRUTH, IGNORED = -1, -2


def match_best(anchors: np.ndarray, truths: np.ndarray, *, threshold: float = 0.5) -> np.ndarray:
    """(anchor,): the number of each anchor's truth or NO_TRUTH, from corner boxes (anchor, 4) and (truth, 4).

    Of equal pairs the one with the first anchor goes first, then with the first truth. More truths than anchors: the last are lost.
    """
    overlap = intersection_over_union(anchors, truths)
    matched = np.full(len(anchors), NO_TRUTH)
    if not len(truths):
        return matched
    near = overlap.max(1) >= threshold
    matched[near] = overlap.argmax(1)[near]
    for _ in range(min(len(anchors), len(truths))):
        anchor, truth = np.unravel_index(overlap.argmax(), overlap.shape)
        matched[anchor] = truth
        overlap[anchor, :] = overlap[:, truth] = -1
    return matched


def match_thresholds(anchors: np.ndarray, truths: np.ndarray, *, low: float, high: float, rescue: bool = True) -> np.ndarray:
    """(anchor,): the number of each anchor's truth, NO_TRUTH or IGNORED.

    With `rescue` the anchors that some truth overlaps most, all that tie, keep their own best truth however small their IoU, but not at 0.
    """
    if not len(truths):
        return np.full(len(anchors), NO_TRUTH)
    overlap = intersection_over_union(anchors, truths)
    best, own = overlap.max(1), overlap.argmax(1)
    matched = np.where(best >= high, own, np.where(best < low, NO_TRUTH, IGNORED))
    if rescue:
        for truth in range(len(truths)):
            chosen = (overlap[:, truth] == overlap[:, truth].max()) & (overlap[:, truth] > 0)
            matched[chosen] = own[chosen]
    return matched
