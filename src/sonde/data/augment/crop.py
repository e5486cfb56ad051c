"""Random resized crop (Szegedy et al. 2015, section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene
from sonde.data.augment.warp import matrix, warp


@dataclass(frozen=True)
class Crop:
    """A window of `smallest` … `largest` of the area and width to height 1/`ratio` … `ratio`, at a random place, scaled to the old size.

    Bilinear, float32. A side that would be longer than the picture's is as long as that (the usual form draws again, up
    to ten times).
    """

    smallest: float = strength(0.08, 0.001, 1)
    largest: float = strength(1.0, 0.001, 1)
    ratio: float = strength(4 / 3, 1, 4)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        height, width = scene.size
        side = draws.uniform(at.AREA, self.smallest, self.largest).sqrt()
        root = draws.log_uniform(at.RATIO, 1 / self.ratio, self.ratio).sqrt()
        across, down = (side * root).clamp(max=1), (side / root).clamp(max=1)
        # A window of share s has its centre up to (1 − s) of half the side away from the picture's.
        x = (1 - across) * draws.uniform(at.LEFT, -1.0, 1.0) * (width / 2)
        y = (1 - down) * draws.uniform(at.TOP, -1.0, 1.0) * (height / 2)
        zero = torch.zeros_like(x)
        back = torch.cat([matrix(across, zero, zero, down), torch.stack([x, y], 1)[..., None]], 2)
        return warp(scene, back, edge="border")
