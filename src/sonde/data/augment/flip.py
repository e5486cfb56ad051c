"""Mirrored pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene


@dataclass(frozen=True)
class Flip:
    """Left and right change places in the share `chance` of the cases. Not for digits and letters, which then are others."""

    chance: float = strength(0.5, 0, 1)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        return flipped(scene, draws.chance(at.FLIP, self.chance), vertical=False)


@dataclass(frozen=True)
class AlternateFlip:
    """Left and right change places in half of the cases, drawn once; each epoch then shows the other side (Jordan 2024, section 3.6).

    Two epochs in a row show every picture both ways, where independent draws show half of them the same way twice.
    """

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        first = replace(draws, epoch=0).chance(at.FLIP, 0.5)
        return flipped(scene, first ^ (draws.epoch % 2 == 1), vertical=False)


@dataclass(frozen=True)
class FlipVertical:
    """Top and bottom change places in the share `chance` of the cases: for pictures from above or through a microscope."""

    chance: float = strength(0.5, 0, 1)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        return flipped(scene, draws.chance(at.FLIP_VERTICAL, self.chance), vertical=True)


def flipped(scene: Scene, which: Tensor, *, vertical: bool) -> Scene:
    """Those pictures of which `which` (batch,) is true, mirrored with their boxes and masks."""

    def mirrored(values: Tensor, axis: int) -> Tensor:
        return torch.where(which.view(-1, *[1] * (values.ndim - 1)), values.flip(axis), values)

    masks = None if scene.masks is None else mirrored(scene.masks, 1 if vertical else 2)
    boxes = scene.boxes
    if boxes is not None and scene.kept is not None:
        height, width = scene.size
        left, top, right, bottom = boxes.unbind(2)
        other = [left, height - bottom, right, height - top] if vertical else [width - right, top, width - left, bottom]
        boxes = torch.where((which[:, None] & scene.kept)[..., None], torch.stack(other, 2), boxes)
    return replace(scene, pictures=mirrored(scene.pictures, 2 if vertical else 3), boxes=boxes, masks=masks)
