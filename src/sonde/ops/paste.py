"""Masks of boxes put back into their pictures, as Mask R-CNN predicts them (He et al. 2017, section 3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def paste_masks(masks: Float[Tensor, "n side side"], boxes: Float[Tensor, "n 4"], *, height: int, width: int) -> Float[Tensor, "n height width"]:
    """What a picture's pixels have of masks that lie over boxes (left, top, right, bottom, in its pixels).

    A pixel's value is interpolated at its centre between the four nearest centres of the mask's cells; beyond the outer ones it falls to 0
    within half a cell more. That is separable: one weight a row and one a column, so two products of matrices paste all masks.
    """
    side = masks.shape[-1]
    rows = _weights(boxes[:, 1], boxes[:, 3], side, height)
    columns = _weights(boxes[:, 0], boxes[:, 2], side, width)
    return rows @ masks @ columns.transpose(1, 2)


def _weights(low: Tensor, high: Tensor, side: int, size: int) -> Tensor:
    """(n, size, side): how much of each cell each pixel has, a tent around the cell's centre."""
    pixels = torch.arange(size, device=low.device, dtype=low.dtype) + 0.5
    cells = torch.arange(side, device=low.device, dtype=low.dtype) + 0.5
    place = (pixels - low[:, None]) / (high - low).clamp(min=1e-6)[:, None] * side
    return (1 - (place[:, :, None] - cells).abs()).clamp(min=0)
