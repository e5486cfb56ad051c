"""Moving pixels, boxes and masks by an affine map.

A map goes from the new picture to the old one, in pixels from the centre, x to the right and y down: (x, y)_old =
A·(x, y)_new + t, as (batch, 2, 3) with t the last column. Where it leads beyond the old picture, the new one is black.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sonde.data.augment.scene import Scene, cut

Map = Float[Tensor, "batch 2 3"]


def warp(scene: Scene, back: Map, *, edge: Literal["zeros", "border"] = "zeros") -> Scene:
    """`scene` seen through the map: pictures float32 (bilinear; beyond the edge black, or as the border), masks by the nearest pixel."""
    grid = _grid(back, scene.size)
    pictures = F.grid_sample(scene.pictures.float(), grid, mode="bilinear", padding_mode=edge, align_corners=False)
    return replace(move(scene, back), pictures=pictures)


def move(scene: Scene, back: Map) -> Scene:
    """The scene with its boxes and masks moved and its pictures left as they are."""
    if scene.masks is not None:
        scene = replace(scene, masks=nearest(scene.masks[:, None], back, fill=scene.outside)[:, 0])
    if scene.boxes is not None and scene.kept is not None:
        boxes, kept = cut(forward(scene.boxes, back, scene.size), scene.kept, scene.size)
        scene = replace(scene, boxes=boxes, kept=kept)
    return scene


def forward(boxes: Float[Tensor, "batch box 4"], back: Map, size: tuple[int, int]) -> Float[Tensor, "batch box 4"]:
    """The upright boxes around the moved ones."""
    height, width = size
    centre = boxes.new_tensor([width / 2, height / 2])
    corners = torch.stack([boxes[..., [0, 1]], boxes[..., [2, 1]], boxes[..., [0, 3]], boxes[..., [2, 3]]], 2) - centre
    matrix, shift = inverse(back[:, :, :2]), back[:, None, None, :, 2]
    moved = torch.einsum("bnci,boi->bnco", corners - shift, matrix) + centre
    return torch.cat([moved.amin(2), moved.amax(2)], 2)


def nearest(pictures: Tensor, back: Map, *, fill: int) -> Tensor:
    """Pictures or masks (batch, channel, height, width) of whole numbers up to 2²⁴ through the map, by the nearest pixel."""
    grid = _grid(back, (pictures.shape[2], pictures.shape[3]))
    values = pictures.float() - fill if fill else pictures.float()
    moved = F.grid_sample(values, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return (moved + fill if fill else moved).to(pictures.dtype)


def turn(angle: Float[Tensor, " batch"]) -> Float[Tensor, "batch 2 2"]:
    """The matrix that turns by `angle` radians counter-clockwise as one sees it (y points down)."""
    cos, sin = angle.cos(), angle.sin()
    return matrix(cos, sin, -sin, cos)


def matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Float[Tensor, "batch 2 2"]:
    """[[a, b], [c, d]] of each picture."""
    return torch.stack([torch.stack([a, b], 1), torch.stack([c, d], 1)], 1)


def inverse(a: Float[Tensor, "batch 2 2"]) -> Float[Tensor, "batch 2 2"]:
    """A⁻¹, in closed form."""
    determinant = a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]
    return matrix(a[:, 1, 1], -a[:, 0, 1], -a[:, 1, 0], a[:, 0, 0]) / determinant[:, None, None]


def places(back: Map, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where each new pixel's centre comes from: x and y (batch, height, width), in pixels from the centre."""
    height, width = size
    half = back.new_tensor([width / 2, height / 2])
    x, y = (_grid(back, size) * half).unbind(3)
    return x, y


def _grid(back: Map, size: tuple[int, int]) -> Tensor:
    """As grid_sample wants it: (batch, height, width, 2) with the picture spanning −1 … 1. (F.affine_grid takes 20 times as long.)"""
    height, width = size
    unit = back / back.new_tensor([width / 2, height / 2])[:, None]
    right = torch.arange(width, device=back.device, dtype=back.dtype) + (0.5 - width / 2)
    down = torch.arange(height, device=back.device, dtype=back.dtype) + (0.5 - height / 2)
    # A row of the grid is x₀ y₀ x₁ y₁ …: the middle row, and what one step down adds to it.
    middle = (right[:, None] * unit[:, None, :, 0] + unit[:, None, :, 2]).flatten(1)
    slope = unit[:, :, 1].repeat(1, width)
    return torch.addcmul(middle[:, None], down[:, None], slope[:, None]).view(len(back), height, width, 2)
