"""RandAugment (Cubuk et al. 2020): a few of 14 operations, drawn for each picture, all of one magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sonde.data.augment import draws as at
from sonde.data.augment import tones
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene
from sonde.data.augment.warp import matrix, move, nearest, turn

MOST = 30  # the largest magnitude, at which each operation has its full range (Cubuk et al. 2019, table 6)
DEGREES, SLOPE, PLACES = 30.0, 0.3, 150 / 331  # of a turn, a shear, and a shift as a share of the side
FACTOR, LEVELS, BITS = 0.9, 255.0, 4  # of the factors about 1, of solarize's threshold, and of the bits that posterize takes away

# In the order of the numbers that are drawn; the first ones move pixels, the last does nothing.
MOVES = ("rotate", "shear-x", "shear-y", "translate-x", "translate-y")
# Each takes (pictures uint8, magnitude 0 … 1 as a number, sign ±1 of each picture) and gives uint8.
TONES: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    "auto-contrast": lambda x, m, sign: tones.auto_contrast(x),
    "equalize": lambda x, m, sign: tones.equalize(x),
    "solarize": lambda x, m, sign: tones.solarize(x, threshold=LEVELS * (1 - m)),
    "posterize": lambda x, m, sign: tones.posterize(x, bits=8 - round(BITS * m)),
    "brightness": lambda x, m, sign: tones.brightness(x, 1 + FACTOR * m * sign),
    "contrast": lambda x, m, sign: tones.contrast(x, 1 + FACTOR * m * sign),
    "colour": lambda x, m, sign: tones.saturation(x, 1 + FACTOR * m * sign),
    "sharpness": lambda x, m, sign: tones.sharpness(x, 1 + FACTOR * m * sign),
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
            chosen = draws.integers(place, len(OPERATIONS))
            sign = torch.where(draws.chance(place + 1, 0.5), 1.0, -1.0)
            scene = move(scene, _maps(chosen, m * sign, scene.size)) if scene.boxes is not None or scene.masks is not None else scene
            # Pictures with the same operation lie together, so that each operation is a few calls on a part of the whole.
            step = chosen[order].argsort(stable=True)
            order = order[step]
            counts = torch.bincount(chosen, minlength=len(OPERATIONS)).tolist()
            x = _apply(x.index_select(0, step), counts, m, sign[order], chosen[order])
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return replace(scene, pictures=x.index_select(0, back))


def _apply(x: Tensor, counts: list[int], m: float, sign: Tensor, chosen: Tensor) -> Tensor:
    """Apply the operations to `x`, whose pictures stand in their order, `counts` of each; `x` is overwritten."""
    moved = sum(counts[: len(MOVES)])
    if moved:
        maps = _maps(chosen[:moved], m * sign[:moved], (x.shape[2], x.shape[3]))
        x[:moved] = nearest(x[:moved], maps, fill=0)
    first = moved
    for name, count in zip(TONES, counts[len(MOVES) :], strict=False):
        if count:
            part = x[first : first + count]
            part.copy_(TONES[name](part, m, sign[first : first + count]))
        first += count
    return x


def _maps(chosen: Tensor, signed: Tensor, size: tuple[int, int]) -> Tensor:
    """The map of each picture from new to old places; that of an operation which moves nothing is the identity."""
    height, width = size
    amount = [torch.where(chosen == number, signed, 0.0) for number in range(len(MOVES))]
    one = torch.ones_like(signed)
    back = turn(-math.radians(DEGREES) * amount[0]) @ matrix(one, SLOPE * amount[1], SLOPE * amount[2], one)
    shift = torch.stack([PLACES * width * amount[3], PLACES * height * amount[4]], 1).trunc()
    return torch.cat([back, shift[..., None]], 2)
