"""RandAugment (Cubuk et al. 2020): a few of 14 operations, drawn for each picture, all of one magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from sonde.data.augment import draws as at
from sonde.data.augment import tones
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene
from sonde.data.augment.warp import matrix, move, places, turn

Pictures = UInt8[Tensor, "batch channel height width"]

MOST = 30  # the largest magnitude, at which each operation has its full range (Cubuk et al. 2019, table 6)
DEGREES, SLOPE, PLACES = 30.0, 0.3, 150 / 331  # of a turn, a shear, and a shift as a share of the side
FACTOR, LEVELS, BITS = 0.9, 255.0, 4  # of the factors about 1, of solarize's threshold, and of the bits that posterize takes away

# Each takes pictures and a signed magnitude −1 … 1. In the order of the numbers that are drawn: the first five move pixels.
MOVES = ("rotate", "shear-x", "shear-y", "translate-x", "translate-y")
TONES: dict[str, Callable[[Pictures, float], Pictures]] = {
    "auto-contrast": lambda x, m: tones.auto_contrast(x),
    "equalize": lambda x, m: tones.equalize(x),
    "solarize": lambda x, m: tones.solarize(x, threshold=LEVELS * (1 - abs(m))),
    "posterize": lambda x, m: tones.posterize(x, bits=8 - round(BITS * abs(m))),
    "brightness": lambda x, m: tones.brightness(x, 1 + FACTOR * m),
    "contrast": lambda x, m: tones.contrast(x, 1 + FACTOR * m),
    "colour": lambda x, m: tones.saturation(x, 1 + FACTOR * m),
    "sharpness": lambda x, m: tones.sharpness(x, 1 + FACTOR * m),
}
OPERATIONS = (*MOVES, *TONES, "identity")


@dataclass(frozen=True)
class RandAugment:
    """`operations` of the 14, one after the other, at `magnitude` of 30, each with a sign by a coin where it has one. uint8.

    Pixels are moved by the nearest one, and what opens is black. Pictures that are no whole numbers are rounded first.
    """

    operations: int = strength(2, 1, 14)
    magnitude: int = strength(9, 0, MOST)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        x, m = scene.pictures, self.magnitude / MOST
        if x.dtype != torch.uint8:
            x = x.round().clamp(0, 255).to(torch.uint8)
        order = torch.arange(len(x), device=x.device)
        for number in range(self.operations):
            place = at.RAND_AUGMENT + 2 * number
            # Even: magnitude −m, odd: +m, of the operation whose number is half of it.
            chosen = 2 * draws.integers(place, len(OPERATIONS)) + draws.chance(place + 1, 0.5)
            if scene.boxes is not None or scene.masks is not None:
                scene = move(scene, _maps(chosen, m, scene.size))
            # Pictures with the same operation and sign lie together, so that each is a few calls on a part of the whole.
            step = chosen[order].argsort(stable=True)
            order = order[step]
            x = _apply(x.index_select(0, step), torch.bincount(chosen, minlength=2 * len(OPERATIONS)).tolist(), m)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return replace(scene, pictures=x.index_select(0, back))


def operate(name: str, x: Pictures, m: float) -> Pictures:
    """One of the 14 operations, at a signed magnitude of −1 … 1."""
    if name in TONES:
        return TONES[name](x, m)
    return x if name == "identity" else _moved(name, x, m)


def _apply(x: Tensor, counts: list[int], m: float) -> Tensor:
    """Apply the operations to `x`, whose pictures stand in their order, `counts` of each and sign; `x` is overwritten."""
    first = 0
    for number, count in enumerate(counts[:-2]):  # the last two leave pictures as they are
        if count:
            part = x[first : first + count]
            part.copy_(operate(OPERATIONS[number // 2], part, m if number % 2 else -m))
            first += count
    return x


def _moved(name: str, x: Tensor, m: float) -> Tensor:
    size = (x.shape[2], x.shape[3])
    if name.startswith("translate"):
        across, down = _shift(name, m, size)
        return F.pad(x, (-across, across, -down, down))
    where, inside = _sources(name, m, size, x.device)
    return (x.flatten(2).gather(2, where.expand(len(x), x.shape[1], -1)) * inside).view_as(x)


def _shift(name: str, m: float, size: tuple[int, int]) -> tuple[int, int]:
    """How many pixels further right and down the old place of a pixel is."""
    height, width = size
    across, down = math.trunc(PLACES * width * m), math.trunc(PLACES * height * m)
    return (across, 0) if name == "translate-x" else (0, down)


@lru_cache(maxsize=64)
def _sources(name: str, m: float, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Which old pixel each new one is, and 1 where that lies inside of the picture, else 0; the same for every picture."""
    height, width = size
    x, y = places(_map(name, m, size)[None].to(device), size)
    column, row = (x[0] + width / 2).floor().long(), (y[0] + height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return torch.where(inside, row * width + column, 0).flatten(), inside.to(torch.uint8).flatten()


def _map(name: str, m: float, size: tuple[int, int]) -> Tensor:
    """The map (2, 3) from new to old places; that of an operation which moves nothing is the identity."""
    angle = torch.tensor([-math.radians(DEGREES) * m if name == "rotate" else 0.0])
    one, along_x, along_y = (torch.tensor([value]) for value in (1.0, SLOPE * m * (name == "shear-x"), SLOPE * m * (name == "shear-y")))
    across, down = _shift(name, m, size) if name.startswith("translate") else (0, 0)
    return torch.cat([(turn(angle) @ matrix(one, along_x, along_y, one))[0], torch.tensor([[float(across)], [float(down)]])], 1)


def _maps(chosen: Tensor, m: float, size: tuple[int, int]) -> Tensor:
    """The map of each picture, (batch, 2, 3)."""
    every = [_map(name, sign * m, size) for name in OPERATIONS for sign in (-1, 1)]
    return torch.stack(every).to(chosen.device)[chosen]
