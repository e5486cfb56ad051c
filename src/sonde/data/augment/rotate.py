"""Turned pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.nn import functional as F

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene
from sonde.data.augment.warp import turn, warp


@dataclass(frozen=True)
class Rotate:
    """Turn about the centre by up to ± `degrees`, bilinear, float32; the corners that open are black."""

    degrees: float = strength(15.0, 0, 180)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        angle = draws.uniform(at.TURN, -1.0, 1.0) * math.radians(self.degrees)
        return warp(scene, F.pad(turn(-angle), (0, 1)))
