"""Weighted boxes fusion (Solovyev et al. 2021, "Weighted boxes fusion"): what several detectors found becomes one set of boxes.

By falling score every box joins the fused box of its class that it overlaps most, if by more than a threshold, or begins one. A fused
box is the mean of its members weighted by their scores, and its score their mean, multiplied at the end by
min(members, detectors) / detectors. Each step depends on the one before, so there is a loop over ranks; it goes through all pictures at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.ops.boxes import BOTTOM, CLASS, LEFT, SCORE, iou

COORDINATES = slice(LEFT, BOTTOM + 1)
TOGETHER = 0.55  # IoU above which boxes of several detectors are of one object, as in the paper


@torch.no_grad()
def fuse(
    found: Sequence[Float[Tensor, "picture _ 6"]], *, threshold: float = TOGETHER, weights: Sequence[float] | None = None, most: int | None = None
) -> Float[Tensor, "picture most 6"]:
    """From each detector's rows (left, top, right, bottom, class, score) of the same pictures the fused rows, best first, then rows of zeros.

    Rows with a score of 0 are empty. `weights`: how much each detector's scores count (default 1 for all). At most `most` rows are
    given, by default as many as a picture can have. ValueError without detectors, or with another number of weights.
    """
    if not found or (weights is not None and len(weights) != len(found)):
        raise ValueError(f"fuse: {len(found)} detectors and {'no' if weights is None else len(weights)} weights")
    weighted = []
    for rows, weight in zip(found, weights or [1.0] * len(found), strict=True):
        rows = rows.clone()
        rows[..., SCORE] *= weight
        weighted.append(rows)
    rows = torch.cat(weighted, 1)
    order = rows[..., SCORE].argsort(dim=1, descending=True, stable=True)
    rows = rows.gather(1, order[..., None].expand(-1, -1, rows.shape[2]))
    fused, members = _joined(rows, threshold)
    fused[..., SCORE] *= members.clamp(max=len(found)) / (float(len(found)) if weights is None else sum(weights))
    best = fused[..., SCORE].argsort(dim=1, descending=True, stable=True)[:, :most]
    fused = fused.gather(1, best[..., None].expand(-1, -1, fused.shape[2]))
    missing = (most or 0) - fused.shape[1]
    return torch.nn.functional.pad(fused, (0, 0, 0, missing)) if missing > 0 else fused


def _joined(rows: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The fused rows in the order in which they began, with mean scores, and the number of members of each: (picture, row, 6), (picture, row)."""
    real = rows[..., SCORE] > 0
    sums, fused = torch.zeros_like(rows), torch.zeros_like(rows)  # sums: coordinates times score, and the scores
    fused[..., CLASS] = -1
    members = rows.new_zeros(rows.shape[:2])
    begun = rows.new_zeros(len(rows), 1, dtype=torch.int64)
    for rank in range(int(real.sum(1).max()) if real.numel() else 0):
        row, here = rows[:, rank : rank + 1], real[:, rank : rank + 1]
        overlap = iou(row[..., COORDINATES], fused[..., COORDINATES])[:, 0] * (fused[..., CLASS] == row[..., CLASS])
        largest, nearest = overlap.max(1, keepdim=True)
        joins = largest > threshold
        place = torch.where(joins, nearest, begun)
        begun = begun + (here & ~joins)
        wide = place[..., None].expand(-1, -1, rows.shape[2])
        added = torch.cat([row[..., COORDINATES] * row[..., SCORE:], row[..., CLASS:]], -1) * here[..., None]
        sums.scatter_add_(1, wide, added)
        members.scatter_add_(1, place, here.to(members))
        total, count = sums.gather(1, wide), members.gather(1, place)
        score = torch.where(total[..., SCORE] > 0, total[..., SCORE], 1.0)
        mean = torch.cat([total[..., COORDINATES] / score[..., None], row[..., CLASS : CLASS + 1], total[..., SCORE:] / count.clamp(min=1)[..., None]], -1)
        fused = torch.where(here[..., None], fused.scatter(1, wide, mean), fused)
    return torch.where((members > 0)[..., None], fused, 0.0), members
