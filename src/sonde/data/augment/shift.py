"""Padding and cutting: the standard augmentation of CIFAR-10 (He et al. 2016, section 4.2: 4 pixels of 32)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene, cut


@dataclass(frozen=True)
class Shift:
    """Pad with black by `share` of the side, at least a pixel, then cut a window of the old size at a random place: whole pixels, kept as they are.

    A share of 0 leaves everything where it is.
    """

    share: float = strength(0.125, 0, 0.5)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        if not self.share:
            return scene
        height, width = scene.size
        down, right = max(1, round(self.share * height)), max(1, round(self.share * width))
        top, left = draws.integers(at.SHIFT_DOWN, 2 * down + 1), draws.integers(at.SHIFT_RIGHT, 2 * right + 1)

        def windows(values: Tensor, fill: int) -> Tensor:
            """All windows as a view, (batch, channel, place down, place right, height, width); one index copies the chosen ones."""
            padded = F.pad(values, (right, right, down, down), value=fill)
            places = padded.unfold(2, height, 1).unfold(3, width, 1)
            return places[torch.arange(len(values), device=values.device), :, top, left]

        masks = None if scene.masks is None else windows(scene.masks[:, None], scene.outside)[:, 0]
        boxes, kept = scene.boxes, scene.kept
        if boxes is not None and kept is not None:
            move = torch.stack([right - left, down - top], 1).to(boxes)
            boxes, kept = cut(boxes + move.repeat(1, 2)[:, None], kept, scene.size)
        return replace(scene, pictures=windows(scene.pictures, 0), boxes=boxes, kept=kept, masks=masks)
