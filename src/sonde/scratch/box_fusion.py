"""Weighted boxes fusion (Solovyev et al. 2021, "Weighted boxes fusion"): what several detectors found in one picture becomes one set of boxes.

    for every box of all detectors, by falling score:
        if a fused box of its class overlaps it by more than the threshold:  it joins the one that it overlaps most
        otherwise:                                                           it begins a fused box of its own
        a fused box is the mean of its members, weighted by their scores; its score is the mean of theirs
    at the end scores are multiplied by min(members, detectors) / detectors: what one detector alone has seen counts for less
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonde.scratch.box import intersection_over_union


def weighted_boxes_fusion(found: Sequence[np.ndarray], *, threshold: float = 0.55, weights: Sequence[float] | None = None) -> np.ndarray:
    """From each detector's rows (n, 6) of left, top, right, bottom, class, score → fused rows (m, 6), best first.

    `weights`: how much each detector's scores count (default 1); rows with a score of 0 are empty. Of equal scores the earlier row goes first.
    """
    weights = [1.0] * len(found) if weights is None else weights
    rows = np.concatenate([np.column_stack([rows[:, :5], rows[:, 5] * weight]) for rows, weight in zip(found, weights, strict=True)])
    clusters: list[list[np.ndarray]] = []
    fused = np.zeros((0, 6), rows.dtype)
    for row in rows[np.argsort(-rows[:, 5], kind="stable")]:
        if row[5] <= 0:
            continue
        overlap = intersection_over_union(row[None, :4], fused[:, :4])[0] * (fused[:, 4] == row[4])
        if len(fused) and overlap.max() > threshold:
            place = int(overlap.argmax())
        else:
            place = len(fused)
            clusters.append([])
            fused = np.concatenate([fused, row[None]])
        clusters[place].append(row)
        members = np.array(clusters[place])
        fused[place, :4] = (members[:, :4] * members[:, 5:]).sum(0) / members[:, 5].sum()
        fused[place, 5] = members[:, 5].mean()
    fused[:, 5] *= [min(len(members), len(found)) / sum(weights) for members in clusters]
    return fused[np.argsort(-fused[:, 5], kind="stable")]
