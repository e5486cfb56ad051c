"""Average precision as the Pascal VOC challenge measures it (Everingham et al. 2010), at IoU 0.5.

Each detection belongs to the truth of its class that it overlaps most; where that is less than the threshold, or a surer detection has
taken this truth already, it is a false alarm; where the truth is marked difficult, it counts neither way. (COCO instead looks on for the best truth
that is still free.) Boxes are continuous: a box from 0 to 10 is 10 wide, where the development kit counts 11 pixels.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.ops.boxes import CLASS, CROWD, iou

CHUNK: Final = 256  # pictures whose overlaps are held at once
Points = Literal["all", "11"]


def voc_average_precision(
    predictions: Float[Tensor, "picture most six"],
    targets: Float[Tensor, "picture slot eight"],
    *,
    classes: int,
    threshold: float = 0.5,
    points: Points = "all",
) -> Float[Tensor, "class"]:
    """AP of each class, float64; NaN of a class without a truth.

    Args:
        predictions: left, top, right, bottom, class, score; score 0 where there is none.
        targets: as `ops/boxes.py` numbers their columns; class −1 where there is none.
        points: `all`: the area under the curve (from 2010 on); `11`: the mean at recalls 0, 0.1 … 1 (2007).
    """
    order, right = outcomes(predictions, targets, threshold=threshold)
    labels = predictions[..., 4].flatten()[order].long()
    known = (targets[..., CLASS] >= 0) & (targets[..., CROWD] == 0)
    truths = torch.bincount(targets[..., CLASS][known].long(), minlength=classes)[:classes]
    # Class by class, and in each the surest first: sorting by class keeps the order by score.
    place = labels.argsort(stable=True)
    labels, right = labels[place], right[place]
    begins = torch.searchsorted(labels, torch.arange(classes, device=labels.device))
    before = torch.nn.functional.pad(right.cumsum(0), (1, 0))
    hits = before[1:] - before[begins][labels]
    rank = torch.arange(len(labels), device=labels.device) - begins[labels] + 1
    precision = hits.double() / rank
    if points == "11":
        # hits/truths ≥ k/10, in whole numbers
        reached = hits[None] * 10 >= torch.arange(11, device=labels.device)[:, None] * truths[labels][None]
        best = precision.new_zeros(11, classes)
        best.scatter_reduce_(1, labels.expand(11, -1), precision.where(reached, 0.0), "amax")
        found = best.mean(0)
    else:
        # The best precision from here on within the class: earlier classes are lifted above all later ones.
        lift = 2.0 * (classes - labels)
        envelope = (precision + lift).flip(0).cummax(0).values.flip(0) - lift if len(labels) else precision
        found = precision.new_zeros(classes).scatter_add_(0, labels, envelope.where(right, 0.0)) / truths
    return found.where(truths > 0, torch.nan)


def outcomes(predictions: Tensor, targets: Tensor, *, threshold: float = 0.5) -> tuple[Tensor, Tensor]:
    """The detections that count, as int64 places in the flattened (picture × most), the surest first, and whether each is right (bool)."""
    best, slot = (torch.cat(found) for found in zip(*map(_nearest, predictions.split(CHUNK), targets.split(CHUNK)), strict=True))
    slots = targets.shape[1]
    owner = (torch.arange(len(predictions), device=slot.device)[:, None] * slots + slot).flatten()
    scores = predictions[..., 5].flatten()
    hit = (best.flatten() >= threshold) & (scores > 0)
    difficult = hit & (targets[..., CROWD].flatten()[owner] > 0)
    order = scores.argsort(descending=True, stable=True)
    order = order[((scores > 0) & ~difficult)[order]]
    # Of all detections of one truth the first is right.
    hit, owner = hit[order], owner[order]
    first = torch.full((targets.shape[0] * slots,), len(order), device=order.device)
    places = torch.arange(len(order), device=order.device)
    first.scatter_reduce_(0, owner, places.where(hit, len(order)), "amin")
    return order, hit & (first[owner] == places)


def _nearest(predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Of each detection the largest IoU with a truth of its class (−1: there is none), and that truth's slot."""
    overlaps = iou(predictions[..., :4], targets[..., :4])
    same = predictions[..., None, 4] == targets[..., None, :, CLASS]
    best = overlaps.where(same, -1.0).max(2)
    return best.values, best.indices
