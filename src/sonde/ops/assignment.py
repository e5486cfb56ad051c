"""Task-aligned assignment (Feng et al. 2021, "TOOD: task-aligned one-stage object detection", section 3.2): which places learn which truth.

For a detector without anchors. A place is a candidate of a truth when its centre lies in the truth's box, or the box's centre in its cell, so
that the smallest object has one at every level. Of a truth's candidates those are taken that the detector itself already
answers best, by t = s^α · u^β with s the score of the truth's class and u the IoU of the place's box with the truth's.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.ops.boxes import iou
from sonde.ops.matching import NO_TRUTH

ALPHA, BETA = 1.0, 6.0  # the paper's
TINY = 1e-9


@torch.no_grad()
def task_aligned(
    scores: Float[Tensor, "picture place klass"],
    boxes: Float[Tensor, "picture place 4"],
    points: Float[Tensor, "place 2"],
    strides: Float[Tensor, " place"],
    truths: Float[Tensor, "picture slot 4"],
    classes: Int[Tensor, "picture slot"],
    real: Bool[Tensor, "picture slot"],
    *,
    top: int = 10,
    alpha: float = ALPHA,
    beta: float = BETA,
) -> tuple[Int[Tensor, "picture place"], Float[Tensor, "picture place"]]:
    """The slot of each place's truth, or NO_TRUTH, and how well the place answers it: 0 … 1, the target of its score.

    `scores` are probabilities; `boxes` and `truths` corners in pixels, `points` the places' centres, `strides` their cells' sides; `real`
    says which slots hold a truth. Each truth takes its `top` best candidates; a place that several take goes to the one that its box
    overlaps most. The quality is t, stretched so that each truth's largest is its largest IoU.
    """
    overlap = iou(truths, boxes)
    of_class = scores.gather(2, classes[:, None].expand(-1, scores.shape[1], -1)).transpose(1, 2)
    aligned = of_class.pow(alpha) * overlap.pow(beta)
    possible = candidates(points, strides, truths) & real[..., None]
    best, place = aligned.masked_fill(~possible, -1.0).topk(min(top, aligned.shape[2]), dim=2)
    taken = torch.zeros_like(possible).scatter_(2, place, best >= 0)
    most, slot = overlap.masked_fill(~taken, -1.0).max(1)
    matched = torch.where(most >= 0, slot, NO_TRUTH)
    own = matched[:, None] == torch.arange(truths.shape[1], device=truths.device)[:, None]
    aligned, overlap = aligned * own, overlap * own
    stretched = aligned * (overlap.amax(2, keepdim=True) / aligned.amax(2, keepdim=True).clamp(min=TINY))
    return matched, stretched.amax(1)


def candidates(
    points: Float[Tensor, "place 2"], strides: Float[Tensor, " place"], truths: Float[Tensor, "picture slot 4"]
) -> Bool[Tensor, "picture slot place"]:
    """Whether a place's centre lies in a box, or the box's centre in the place's cell."""
    x, y = points.unbind(1)
    left, top, right, bottom = truths[..., None].unbind(2)
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    half = strides / 2
    near = ((x - (left + right) / 2).abs() <= half) & ((y - (top + bottom) / 2).abs() <= half)
    return inside | near
