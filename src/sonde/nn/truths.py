"""The objects of pictures as a detector's loss reads them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.ops.boxes import CLASS, CROWD, area, iou
from sonde.ops.values import has_values

# A box of which at least this share lies in a crowd may well hold one of its many.
CROWDED = 0.5


@dataclass(frozen=True)
class Truths:
    """The slots of a batch: boxes in pixels of the prepared picture, classes, and which slots are single objects or crowds.

    Empty slots are neither. A crowd is to be found by nobody, and what stands in it is not counted as wrong.
    """

    boxes: Float[Tensor, "picture slot 4"]
    classes: Int[Tensor, "picture slot"]
    real: Bool[Tensor, "picture slot"]
    crowd: Bool[Tensor, "picture slot"]


def truths_of(targets: Float[Tensor, "picture slot 8"]) -> Truths:
    """The columns of a target tensor, as ops/boxes.py numbers them."""
    there, crowd = targets[..., CLASS] >= 0, targets[..., CROWD] > 0
    return Truths(targets[..., :4], targets[..., CLASS].clamp(min=0).long(), there & ~crowd, there & crowd)


@torch.no_grad()
def in_a_crowd(boxes: Float[Tensor, "#picture box 4"], truths: Truths) -> Bool[Tensor, "picture box"]:
    """Which boxes lie by half of their area or more in a crowd of their picture. Waits for the device."""
    if not has_values(truths.crowd) or not bool(truths.crowd.any()):
        return torch.zeros(len(truths.boxes), boxes.shape[1], dtype=torch.bool, device=boxes.device)
    overlap = iou(boxes.expand(len(truths.boxes), -1, -1), truths.boxes)
    own, theirs = area(boxes)[..., None], area(truths.boxes)[:, None]
    shared = overlap * (own + theirs) / (1 + overlap)
    return ((shared >= CROWDED * own) & truths.crowd[:, None]).any(2)
