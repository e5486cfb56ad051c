"""IoU for matching and suppression: without gradients, in parts that stay in the cache, and in memory that is used again.

Boxes are planes here, (5, …): left, top, right, bottom and area, each coordinate's numbers side by side. `boxes.iou` is the same for
everything else; measured on a CPU with 32 × 8 × 5,444 pairs, it takes five times as long, most of it for new memory.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# Pairs at a time: three temporary arrays of 1 MB on a CPU; a GPU wants more to do at once.
PAIRS = {"cpu": 1 << 18, "cuda": 1 << 24}


def pairs_at_once(device: torch.device) -> int:
    """How many overlaps to compute in one go."""
    return PAIRS.get(device.type, PAIRS["cpu"])


def planes(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "plane=5 *n"]:
    """Corner boxes as planes, in float32 or float64. One that is not finite, or whose area is not, becomes one that overlaps nothing.

    An area of 0 becomes the smallest number: it leaves every other area as it is when added, and 0/0 does not arise.
    """
    values = torch.empty(5, *boxes.shape[:-1], dtype=torch.float64 if boxes.dtype == torch.float64 else torch.float32, device=boxes.device)
    values[:4] = boxes.movedim(-1, 0)
    left, top, right, bottom, area = values
    torch.mul((right - left).clamp_(min=0), (bottom - top).clamp_(min=0), out=area)
    values = torch.where(area.isfinite(), values, 0.0)
    values[4].clamp_(min=torch.finfo(values.dtype).tiny)
    return values


def overlaps(a: Float[Tensor, "plane=5 *#batch n"], b: Float[Tensor, "plane=5 *#batch m"], room: Float[Tensor, "part=3 pairs"]) -> Float[Tensor, "*batch n m"]:
    """IoU of every box of `a` with every one of `b`, equal to `boxes.iou` bit by bit. It stands in `room`, which the next call writes over."""
    (left, top, right, bottom, area), (left_b, top_b, right_b, bottom_b, area_b) = a[..., :, None], b[..., None, :]
    shape = torch.broadcast_shapes(left.shape, left_b.shape)
    shared, height, other = (part[: shape.numel()].view(shape) for part in room)
    torch.minimum(right, right_b, out=shared).sub_(torch.maximum(left, left_b, out=other)).clamp_(min=0)
    torch.minimum(bottom, bottom_b, out=height).sub_(torch.maximum(top, top_b, out=other)).clamp_(min=0)
    union = torch.add(area, area_b, out=other).sub_(shared.mul_(height))
    return shared.div_(union)
