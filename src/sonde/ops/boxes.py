"""Boxes as rows of numbers: three ways to write them, area, intersection over union, cutting and scaling; the columns of detection targets.

    corners  (x₁, y₁, x₂, y₂)        left, top, right, bottom; x₁ ≤ x₂, y₁ ≤ y₂; the whole picture is (0, 0, width, height)
    centre   (x_c, y_c, w, h)        middle and size
    size     (x₁, y₁, w, h)          upper left and size, as in COCO

Everything is in pixels or everything in shares of the picture; no function here asks which. All of them work on any leading axes,
on any device, and are differentiable.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# Columns of a detection target (picture, slot, 8); of a detection (picture, row, 6) the first four, then class and score.
LEFT, TOP, RIGHT, BOTTOM, CLASS, CROWD, AREA, SCALE = range(8)
SCORE = 5  # a detection's score stands where a target says whether it is a crowd
COLUMNS = 8
EMPTY = -1  # the class of a slot that holds no object


def corners_to_centre(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Corners → centre form."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def centre_to_corners(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Centre form → corners."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([middle - size / 2, middle + size / 2], -1)


def corners_to_size(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Corners → upper left and size."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1)


def size_to_corners(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Upper left and size → corners."""
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Areas of corner boxes; a box whose corners are swapped has area 0."""
    left, top, right, bottom = boxes.unbind(-1)
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def iou(a: Float[Tensor, "*batch n 4"], b: Float[Tensor, "*batch m 4"]) -> Float[Tensor, "*batch n m"]:
    """Intersection over union |A ∩ B| / |A ∪ B| (Jaccard index) of every box of `a` with every one of `b`; 0 where both areas are 0."""
    return paired_iou(a[..., :, None, :], b[..., None, :, :])


def generalised_iou(a: Float[Tensor, "*batch n 4"], b: Float[Tensor, "*batch m 4"]) -> Float[Tensor, "*batch n m"]:
    """Generalised IoU of every box of `a` with every one of `b`; see `paired_generalised_iou`."""
    return paired_generalised_iou(a[..., :, None, :], b[..., None, :, :])


def paired_iou(a: Float[Tensor, "*#n 4"], b: Float[Tensor, "*#n 4"]) -> Float[Tensor, "*n"]:
    """IoU of each box of `a` with the box of `b` at its place, as a loss wants it; other axes than the last broadcast."""
    shared, union = _overlap(a, b)
    return shared / _positive(union)


def paired_generalised_iou(a: Float[Tensor, "*#n 4"], b: Float[Tensor, "*#n 4"]) -> Float[Tensor, "*n"]:
    """IoU − (|C| − |A ∪ B|) / |C| with C the smallest box around both (Rezatofighi et al. 2019, "Generalized intersection over union").

    Between −1 and 1, and unlike IoU not flat where boxes are apart; 0 where C has no area.
    """
    shared, union = _overlap(a, b)
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    around = area(torch.cat([low, high], -1))
    return shared / _positive(union) - (around - union) / _positive(around)


def clip(boxes: Float[Tensor, "*n 4"], *, height: int | float, width: int | float) -> Float[Tensor, "*n 4"]:
    """Corner boxes cut to 0 … `width` and 0 … `height`; what lies outside shrinks onto the edge."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([left.clamp(0, width), top.clamp(0, height), right.clamp(0, width), bottom.clamp(0, height)], -1)


def to_original(
    boxes: Float[Tensor, "*batch n 4"], scale: Float[Tensor, "*batch"], *, height: Float[Tensor, "*batch"], width: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch n 4"]:
    """Corner boxes on the prepared canvas → pixels of the original pictures, cut to them.

    A picture stands at the canvas's upper left, `scale` prepared pixels an original one; `height` and `width` are the original's.
    """
    size = torch.stack([width, height, width, height], -1)[..., None, :]
    return torch.minimum((boxes / scale[..., None, None]).clamp(min=0), size)


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The areas of intersection and union. Coordinate by coordinate: axes of length 2 are several times slower on a CPU."""
    a_left, a_top, a_right, a_bottom = a.unbind(-1)
    b_left, b_top, b_right, b_bottom = b.unbind(-1)
    width = (torch.minimum(a_right, b_right) - torch.maximum(a_left, b_left)).clamp(min=0)
    height = (torch.minimum(a_bottom, b_bottom) - torch.maximum(a_top, b_top)).clamp(min=0)
    shared = width * height
    return shared, area(a) + area(b) - shared


def _positive(denominator: Tensor) -> Tensor:
    """1 in place of 0, so that 0/0 is 0 and has no gradient that is not a number."""
    return torch.where(denominator > 0, denominator, 1.0)
