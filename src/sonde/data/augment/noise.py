"""Gaussian noise on pixels."""

from __future__ import annotations

from dataclasses import dataclass

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene


@dataclass(frozen=True)
class Noise:
    """Every value is moved by a normal number of standard deviation `sd` grey levels (of 255), float32, cut to 0…255."""

    sd: float = strength(10.0, 0, 255)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        x = scene.pictures.float()
        moved = draws.normal(at.NOISE, x[0].numel()).view_as(x)
        return scene.with_pictures((x + self.sd * moved).clamp_(0, 255))
