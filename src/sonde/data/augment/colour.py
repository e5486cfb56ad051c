"""Colours: brightness, contrast, saturation and hue; and pictures without colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Num
from torch import Tensor

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# To luma and the two chroma axes of NTSC.
YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class Colour:
    """Brightness, contrast, saturation, then hue; one linear map of the colours of each picture, float32, cut to 0…255 at the end.

    The first three are multiplied by 1 ± their strength, hue is turned by up to ± its strength of a full circle.
    Brightness b: b·x. Contrast c: c·x + (1 − c)·m, m the mean luma of the picture. Saturation s: s·x + (1 − s)·luma. Hue:
    a turn of the two chroma axes of YIQ (NTSC), which keeps luma. Grey pictures have brightness and contrast alone.
    """

    brightness: float = strength(0.5, 0, 1)
    contrast: float = strength(0.5, 0, 1)
    saturation: float = strength(0.5, 0, 1)
    hue: float = strength(0.5, 0, 0.5)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        def factor(place: int, by: float) -> Tensor:
            return 1 + by * (2 * draws.uniform(place) - 1)

        x = scene.pictures.float()
        brightness, contrast = factor(at.BRIGHTNESS, self.brightness), factor(at.CONTRAST, self.contrast)
        if x.shape[1] != 3:
            mean = brightness * x.mean((1, 2, 3))
            scale, move = contrast * brightness, (1 - contrast) * mean
            return scene.with_pictures((x * scale[:, None, None, None] + move[:, None, None, None]).clamp_(0, 255))
        to_yiq = torch.tensor(YIQ, device=x.device)
        turn, saturation = 2 * math.pi * (factor(at.HUE, self.hue) - 1), factor(at.SATURATION, self.saturation)
        cos, sin, zero = saturation * turn.cos(), saturation * turn.sin(), torch.zeros_like(turn)
        chroma = torch.stack([torch.stack([zero + 1, zero, zero], 1), torch.stack([zero, cos, -sin], 1), torch.stack([zero, sin, cos], 1)], 1)
        colours = torch.linalg.inv(to_yiq) @ chroma @ to_yiq
        mean = brightness * (x.mean((2, 3)) @ to_yiq[0])
        # Grey stays grey under the turn, so contrast's shift towards the mean luma passes through unchanged.
        matrix, move = (brightness * contrast)[:, None, None] * colours, (1 - contrast) * mean
        moved = torch.baddbmm(move[:, None, None], matrix, x.flatten(2))
        return scene.with_pictures(moved.clamp_(0, 255).view_as(x))


@dataclass(frozen=True)
class Grey:
    """The share `chance` of the pictures loses its colours: all three channels are its luma (Chen et al. 2020, appendix A)."""

    chance: float = strength(0.2, 0, 1)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        x = scene.pictures
        if x.shape[1] != 3:
            return scene
        which = draws.chance(at.GREY, self.chance)[:, None, None, None]
        return scene.with_pictures(torch.where(which, luma(x), x))


def luma(pictures: Num[Tensor, "batch 3 height width"]) -> Num[Tensor, "batch 1 height width"]:
    """0.299·R + 0.587·G + 0.114·B, rounded where the pictures are whole numbers."""
    if pictures.is_floating_point():
        red, green, blue = pictures.unbind(1)
        return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]
    # In 65,536ths, which add up to one: grey stays exactly what it was.
    red, green, blue = pictures.int().unbind(1)
    return (red * 19_595 + green * 38_470 + blue * 7_471 + 32_768 >> 16).to(pictures.dtype)[:, None]
