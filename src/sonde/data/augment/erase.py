"""Random erasing (Zhong et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene, hide

RATIO = 1 / 0.3  # width to height is 0.3 … 3.3


@dataclass(frozen=True)
class Erase:
    """In the share `chance` of the pictures a rectangle of `smallest` … `largest` of the area becomes the picture's mean colour.

    A side that would be longer than the picture's is as long as that. Masks keep the labels of what is covered; a box
    that is covered but for less than the visible share is dropped.
    """

    chance: float = strength(0.25, 0, 1)
    smallest: float = strength(0.02, 0, 1)
    largest: float = strength(0.4, 0, 1)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        x, (height, width) = scene.pictures, scene.size
        side = draws.uniform(at.ERASE_AREA, self.smallest, self.largest).sqrt()
        root = draws.log_uniform(at.ERASE_RATIO, 1 / RATIO, RATIO).sqrt()
        which = draws.chance(at.ERASED, self.chance)
        across = torch.where(which, (side * root).clamp(max=1) * width, 0.0).round()
        down = torch.where(which, (side / root).clamp(max=1) * height, 0.0).round()
        left = (draws.uniform(at.ERASE_LEFT) * (width - across + 1)).floor()
        top = (draws.uniform(at.ERASE_TOP) * (height - down + 1)).floor()
        window = torch.stack([left, top, left + across, top + down], 1)
        mean = x.float().mean((2, 3), keepdim=True)
        mean = mean if x.is_floating_point() else mean.round().to(x.dtype)
        pictures = torch.where(inside(window, scene.size)[:, None], mean, x)
        kept = scene.kept
        if scene.boxes is not None and kept is not None:
            kept = hide(scene.boxes, kept, window)
            return replace(scene, pictures=pictures, boxes=torch.where(kept[..., None], scene.boxes, 0.0), kept=kept)
        return scene.with_pictures(pictures)


def inside(window: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bool (batch, height, width): which pixels lie in the rectangles (batch, 4), left, top, right, bottom in whole pixels."""
    height, width = size
    x, y = torch.arange(width, device=window.device), torch.arange(height, device=window.device)
    left, top, right, bottom = window[:, :, None].unbind(1)
    columns, rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return rows[:, :, None] & columns[:, None, :]
