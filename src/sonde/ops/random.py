"""Draws by hash: a random number is a function of (seed, epoch, example, place), not of a generator's state.

So the way examples are cut into batches, ordered or spread over processes changes no draw, and nothing has to be stored
to resume. The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number
Generators, OOPSLA 2014, section 4, with Stafford's variant 13 of the constants): each input bit flips each output bit
with probability close to 1/2.

`index` is an int64 tensor of any shape (example numbers, or example × position). `place` says what the draw is for, so
that two draws for one example are independent: a number, or an int64 tensor that broadcasts with `index`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ / golden ratio, the increment of SplitMix64
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_MASK = 0xFFFFFFFFFFFFFFFF


def bits(seed: int, epoch: int, index: Tensor, place: int | Tensor) -> Tensor:
    """64 random bits for each element of `index`, as int64."""
    key = _mix(_mix(seed & _MASK) + epoch & _MASK)
    state = _mix_tensor(place + _signed(key)) if isinstance(place, Tensor) else _signed(_mix(key + place & _MASK))
    return _mix_tensor(index * _signed(_GOLDEN) + state)


def uniform(seed: int, epoch: int, index: Tensor, place: int | Tensor) -> Tensor:
    """Uniform float32 in [0, 1), on a grid of 2⁻²⁴, in the shape of `index` (broadcast with `place`)."""
    return _shift(bits(seed, epoch, index, place), 40).to(torch.float32) * 2.0**-24


def normal(seed: int, epoch: int, index: Tensor, place: int | Tensor) -> Tensor:
    """Standard normal float32 by Box and Muller (1958), from two halves of the same 64 bits; |value| ≤ 6.7."""
    drawn = bits(seed, epoch, index, place)
    radius = ((_shift(drawn, 32).to(torch.float64) + 1.0) * 2.0**-32).log().mul(-2.0).sqrt()
    angle = (drawn & 0xFFFFFFFF).to(torch.float64) * (2.0 * math.pi * 2.0**-32)
    return (radius * angle.cos()).to(torch.float32)


def normals(seed: int, epoch: int, index: Tensor, place: int, count: int) -> Tensor:
    """Standard normal float32, `count` for each element of `index`, as a further axis: `normal` for many, at a sixth of its time.

    Both numbers of a pair are used and all is done in float32; |value| ≤ 6.7. The draws take the places from `place` on.
    """
    places = place + torch.arange((count + 1) // 2, device=index.device)
    drawn = bits(seed, epoch, index[..., None], places)
    radius = ((_shift(drawn, 32).to(torch.float32) + 1.0) * 2.0**-32).log_().mul_(-2.0).clamp_(min=0).sqrt_()
    angle = (drawn & 0xFFFFFFFF).to(torch.float32) * (2.0 * math.pi * 2.0**-32)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], -1)[..., :count]


def beta(seed: int, epoch: int, index: Tensor, place: int, *, alpha: float) -> Tensor:
    """float32 from Beta(α, α), symmetric about ½, by inverting its distribution function (to about 1e-5 of it); α in 0.01 … 100."""
    drawn = uniform(seed, epoch, index, place).double()
    below, power = _lower_half(alpha)
    below = below.to(index.device)
    wanted = torch.minimum(drawn, 1 - drawn) * 2  # of the half below ½, whose mirror image is the other half
    right = torch.searchsorted(below, wanted).clamp(1, len(below) - 1)
    low, high = below[right - 1], below[right]
    t = (right - 1 + (wanted - low) / (high - low).clamp(min=1e-300)) / (len(below) - 1)
    x = 0.5 * t.clamp(0, 1).pow(power)
    return torch.where(drawn < 0.5, x, 1 - x).float()


@lru_cache(maxsize=8)
def _lower_half(alpha: float) -> tuple[Tensor, float]:
    """The distribution function of Beta(α, α) under the condition x ≤ ½, at x = ½·tᵖ for even t in 0 … 1, and p.

    With p = 1/α the density over t has no pole at 0: x^(α−1) dx is a constant times dt.
    """
    power = max(1.0, 1 / alpha)
    t = torch.linspace(0, 1, 8_193, dtype=torch.float64)
    x = 0.5 * t.pow(power)
    rising = torch.ones_like(t) if alpha <= 1 else (2 * x).pow(alpha - 1)
    density = rising * (2 - 2 * x).pow(alpha - 1)
    sums = torch.cat([t[:1], torch.cumulative_trapezoid(density)])
    return sums / sums[-1], power


def integers(seed: int, epoch: int, index: Tensor, place: int | Tensor, *, low: int, high: int) -> Tensor:
    """Whole numbers, int64, uniform over low … high − 1. `high − low` is at most 2³¹ (bias below 2⁻³²·(high − low))."""
    if not 0 < high - low <= 2**31:
        raise ValueError(f"high - low must lie in 1 … 2^31, not {high - low}")
    return low + (_shift(bits(seed, epoch, index, place), 32) * (high - low) >> 32)


def permutation(seed: int, epoch: int, count: int) -> Tensor:
    """The order of `count` examples in one epoch: int64 (count,), on the CPU, a function of (seed, epoch) alone."""
    generator = torch.Generator().manual_seed(_signed(_mix(_mix(seed & _MASK) + epoch & _MASK)))
    return torch.randperm(count, generator=generator)


def _mix(value: int) -> int:
    """The finaliser on one Python number of 64 bits."""
    value = value + _GOLDEN & _MASK
    value = (value ^ value >> 30) * _FIRST & _MASK
    value = (value ^ value >> 27) * _SECOND & _MASK
    return value ^ value >> 31


def _mix_tensor(value: Tensor) -> Tensor:
    """The finaliser on int64 tensors; products wrap around as those of uint64 do."""
    value = value + _signed(_GOLDEN)
    value = (value ^ _shift(value, 30)) * _signed(_FIRST)
    value = (value ^ _shift(value, 27)) * _signed(_SECOND)
    return value ^ _shift(value, 31)


def _shift(value: Tensor, places: int) -> Tensor:
    """Shift right as unsigned numbers do: zeros come in from the left."""
    return (value >> places) & ((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    """The int64 with the same 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value
