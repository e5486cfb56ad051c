"""Affine maps: turn, shift, scale and shear in one resampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene
from sonde.data.augment.warp import inverse, matrix, turn, warp


@dataclass(frozen=True)
class Affine:
    """Shear by up to ± `shear` degrees along x, scale by 1/(1 + `scale`) … 1 + `scale`, turn by up to ± `degrees` about the
    centre, then shift by up to ± `shift` of the side, bilinear, float32; what opens is black."""

    degrees: float = strength(10.0, 0, 180)
    shift: float = strength(0.1, 0, 1)
    scale: float = strength(0.1, 0, 3)
    shear: float = strength(10.0, 0, 60)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        height, width = scene.size
        angle = draws.uniform(at.AFFINE_TURN, -1.0, 1.0) * math.radians(self.degrees)
        slope = (draws.uniform(at.SHEAR, -1.0, 1.0) * math.radians(self.shear)).tan()
        factor = draws.log_uniform(at.SCALE, 1 / (1 + self.scale), 1 + self.scale)
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        back = inverse(turn(angle) @ matrix(one, slope, zero, one) * factor[:, None, None])
        across = draws.uniform(at.ACROSS, -1.0, 1.0) * (self.shift * width)
        down = draws.uniform(at.DOWN, -1.0, 1.0) * (self.shift * height)
        moved = back @ torch.stack([across, down], 1)[..., None]
        return warp(scene, torch.cat([back, -moved], 2))
