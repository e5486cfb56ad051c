"""Offsets: a box as seen from its anchor, and back (Girshick et al. 2014, "Rich feature hierarchies", appendix C).

    (w_x (x − x_a)/w_a,  w_y (y − y_a)/h_a,  w_w log(w/w_a),  w_h log(h/h_a))        x, y, w, h: centre and size, _a: the anchor's

The weights bring the four numbers to about unit variance. They are the inverses of what SSD calls variances: 0.1, 0.1, 0.2, 0.2.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.ops.boxes import corners_to_centre

Weights = tuple[float, float, float, float]
WEIGHTS: Weights = (10.0, 10.0, 5.0, 5.0)
LARGEST_GROWTH = math.log(1000 / 16)  # a box is at most 62.5 times its anchor, so that exp cannot overflow
SMALLEST = 1e-6  # a box without width or height has an offset too: that of a millionth of its anchor


def encode(boxes: Float[Tensor, "*#n 4"], anchors: Float[Tensor, "*#n 4"], *, weights: Weights = WEIGHTS) -> Float[Tensor, "*n 4"]:
    """Offsets of corner boxes from corner anchors; leading axes broadcast.

    Anchors need an area. A side of a box under a millionth of its anchor's counts as that.
    """
    box, anchor = corners_to_centre(boxes), corners_to_centre(anchors)
    size = anchor[..., 2:]
    moved = (box[..., :2] - anchor[..., :2]) / size
    grown = (box[..., 2:] / size).clamp(min=SMALLEST).log()
    return torch.cat([moved, grown], -1) * moved.new_tensor(weights)


def decode(
    offsets: Float[Tensor, "*#n 4"], anchors: Float[Tensor, "*#n 4"], *, weights: Weights = WEIGHTS, largest_growth: float = LARGEST_GROWTH
) -> Float[Tensor, "*n 4"]:
    """The inverse: corner boxes from offsets and corner anchors; leading axes broadcast.

    `largest_growth` bounds log(w/w_a) and log(h/h_a) from above; `math.inf` leaves them free.
    """
    anchor = corners_to_centre(anchors)
    size = anchor[..., 2:]
    weight = offsets.new_tensor(weights)
    centre = offsets[..., :2] * size / weight[:2] + anchor[..., :2]
    half = (offsets[..., 2:] / weight[2:]).clamp(max=largest_growth).exp() * size / 2
    return torch.cat([centre - half, centre + half], -1)
