"""Offsets: a box as seen from its anchor, and back (Girshick et al. 2014, "Rich feature hierarchies", appendix C).

    t = (w_x (x − x_a)/w_a,  w_y (y − y_a)/h_a,  w_w log(w/w_a),  w_h log(h/h_a))        x, y, w, h: centre and size; _a: the anchor's
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, concatenate

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def encode(boxes: Tensor | np.ndarray, anchors: Tensor | np.ndarray, *, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Offsets (…, 4) of corner boxes from corner anchors; both have an area."""
    middle, size = _centre(boxes)
    anchor_middle, anchor_size = _centre(anchors)
    moved, grown = (middle - anchor_middle) / anchor_size, (size / anchor_size).log()
    return concatenate([moved, grown], axis=-1) * np.asarray(weights, middle.dtype)


def decode(offsets: Tensor | np.ndarray, anchors: Tensor | np.ndarray, *, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Corner boxes (…, 4) from offsets and corner anchors."""
    offsets = as_tensor(offsets)
    plain = offsets / np.asarray(weights, offsets.dtype)
    anchor_middle, anchor_size = _centre(anchors)
    middle, size = plain[..., :2] * anchor_size + anchor_middle, plain[..., 2:].exp() * anchor_size
    return concatenate([middle - size / 2, middle + size / 2], axis=-1)


def _centre(boxes: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    boxes = as_tensor(boxes)
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low
