"""Dense local descriptors of the SIFT kind (Lowe 2004, section 6), for a batch of pictures at once.

A patch is cut into 4×4 cells; each has a histogram of gradients over 8 directions. As in DAISY (Tola et al. 2010, section 3) the
gradient counts for a direction as far as it points there, max(∂I/∂o, 0); it counts for the cells around it by how near they are. The
128 numbers are scaled to length 1, cut at 0.2 and scaled again, so that neither brightness nor contrast changes them.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CELLS, DIRECTIONS = 4, 8
LARGEST = 0.2
LENGTH = CELLS * CELLS * DIRECTIONS
# Patches without any gradient have a descriptor of 0; the least length that is told from it.
FLAT = 1e-6


def places(size: int, *, patch: int, stride: int) -> Float[Tensor, "place 2"]:
    """The middles of the patches, row by row, as shares (down, across) of the picture's side, in 0 … 1."""
    starts = torch.arange(0, size - patch + 1, stride)
    middles = (starts + patch / 2) / size
    return torch.cartesian_prod(middles, middles)


def dense_descriptors(
    images: Float[Tensor, "batch plane height width"], *, patch: int, stride: int
) -> Float[Tensor, "batch place plane*128"]:
    """A descriptor of every `patch`×`patch` pixels, `stride` pixels apart, row by row; planes are described together.

    `patch` is a multiple of 4 and no larger than the picture.
    """
    batch, planes, height, width = images.shape
    cell = patch // CELLS
    energy = _along(images.reshape(batch * planes, 1, height, width))
    energy = energy.reshape(batch * planes * DIRECTIONS, 1, height, width)
    near = 1 - torch.arange(1 - cell, cell, dtype=images.dtype, device=images.device).abs() / cell
    summed = F.conv2d(F.conv2d(energy, near.view(1, 1, -1, 1), padding=(cell - 1, 0)), near.view(1, 1, 1, -1), padding=(0, cell - 1))
    summed = summed.reshape(batch, planes, DIRECTIONS, height, width)
    down, across = height - patch + 1, width - patch + 1
    cells = [
        summed[..., top : top + down : stride, left : left + across : stride]
        for top in range(cell // 2, patch, cell)
        for left in range(cell // 2, patch, cell)
    ]
    found = torch.stack(cells, 2).flatten(1, 3).flatten(2).transpose(1, 2)
    return _unit(_unit(found).clamp(max=LARGEST))


def _along(grey: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch direction height width"]:
    """max(∂I/∂o, 0) for the 8 directions o; differences of the neighbours on either side, of the border's with itself."""
    padded = torch.cat([grey[:, :, :1], grey, grey[:, :, -1:]], 2)
    down = (padded[:, :, 2:] - padded[:, :, :-2]) / 2
    padded = torch.cat([grey[..., :1], grey, grey[..., -1:]], 3)
    right = (padded[..., 2:] - padded[..., :-2]) / 2
    turns = [2 * math.pi * number / DIRECTIONS for number in range(DIRECTIONS)]
    return torch.cat([(math.cos(turn) * right + math.sin(turn) * down).clamp(min=0) for turn in turns], 1)


def _unit(x: Tensor) -> Tensor:
    """Rows scaled to length 1; those that are nearly 0 become 0."""
    length = x.square().sum(-1, keepdim=True).sqrt()
    return torch.where(length > FLAT, x / length.clamp(min=FLAT), 0.0)
