"""The random numbers of augmentations: hashes of (seed, epoch, example, place), see ops/random.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sonde.ops import random

# Which draw is for what; a number stands for one thing for ever, or runs could not be repeated.
FLIP, FLIP_VERTICAL, SHIFT_DOWN, SHIFT_RIGHT, AREA, RATIO, TOP, LEFT, BRIGHTNESS, CONTRAST, SATURATION, HUE = range(12)
TURN, AFFINE_TURN, ACROSS, DOWN, SCALE, SHEAR, GREY, BLURRED, BLUR, ERASED, ERASE_AREA, ERASE_RATIO, ERASE_TOP, ERASE_LEFT = range(12, 26)
PARTNER, MIXTURE, EITHER, CUT_TOP, CUT_LEFT, BALANCE = range(26, 32)
# RandAugment's turns and noise's numbers need many: each starts at a number of its own.
RAND_AUGMENT, NOISE = 1_000, 1_000_000


@dataclass(frozen=True)
class Draws:
    """Draws for the examples `index` int64 (batch,) in `epoch`. Each gives one number an example."""

    seed: int
    epoch: int
    index: Tensor

    def uniform(self, place: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32, uniform in low … high."""
        return low + (high - low) * random.uniform(self.seed, self.epoch, self.index, place)

    def log_uniform(self, place: int, low: float, high: float) -> Tensor:
        """float32 in low … high whose logarithm is uniform: a factor is as probable as its inverse."""
        return self.uniform(place, math.log(low), math.log(high)).exp()

    def chance(self, place: int, share: float) -> Tensor:
        """Bool, true for about that share of the examples."""
        return self.uniform(place) < share

    def integers(self, place: int, high: int) -> Tensor:
        """int64 in 0 … high − 1."""
        return random.integers(self.seed, self.epoch, self.index, place, low=0, high=high)

    def beta(self, place: int, alpha: float) -> Tensor:
        """float32 in 0 … 1 from Beta(α, α)."""
        return random.beta(self.seed, self.epoch, self.index, place, alpha=alpha)

    def normal(self, place: int, count: int) -> Tensor:
        """float32 (batch, count), standard normal."""
        return random.normals(self.seed, self.epoch, self.index, place, count)


def strength(default: float | int, low: float | int, high: float | int) -> Any:
    """A field of an augmentation that `--augment name:value` sets, within low … high; a whole `default` wants whole values."""
    return field(default=default, metadata={"low": low, "high": high})
