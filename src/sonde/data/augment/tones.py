"""Operations on tones as Pillow defines them (ImageOps, ImageEnhance), on uint8 pictures (batch, channel, height, width) at once.

They follow Pillow's arithmetic, which cuts fractions off.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import UInt8
from torch import Tensor

from sonde.data.augment.colour import luma

Pictures = UInt8[Tensor, "batch channel height width"]


def auto_contrast(x: Pictures) -> Pictures:
    """Stretch each channel so that its smallest value is 0 and its largest 255; a channel of one value stays."""
    low = x.amin((2, 3), keepdim=True).float()
    high = x.amax((2, 3), keepdim=True).float()
    flat = high <= low
    scale = torch.where(flat, 1.0, 255 / (high - low).clamp(min=1))
    # A hair more than nothing is added, as 255/51·51 may come out under 255.
    return _cut(x.float().mul_(scale).add_(torch.where(flat, 0.0, -low * scale) + 1e-3))


def equalize(x: Pictures) -> Pictures:
    """Make each channel's values as evenly frequent as they can be, by a table from its histogram."""
    batch, channels, height, width = x.shape
    rows = torch.arange(batch * channels, device=x.device, dtype=torch.int32)[:, None] * 256
    places = x.reshape(batch * channels, -1) + rows
    counts = torch.bincount(places.flatten(), minlength=batch * channels * 256).view(-1, 256)
    # The step leaves the largest value's own count out.
    last = 255 - (counts > 0).flip(1).to(torch.uint8).argmax(1, keepdim=True)
    step = (height * width - counts.gather(1, last)) // 255
    before = counts.cumsum(1) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=x.device)).to(torch.uint8)
    return table.flatten().index_select(0, places.flatten()).view_as(x)


def solarize(x: Pictures, *, threshold: float) -> Pictures:
    """Values from `threshold` on are inverted."""
    # 255 − x has all bits of x the other way; whole numbers are compared without making floats.
    return (x >= math.ceil(threshold)).to(torch.uint8).mul_(255).bitwise_xor_(x)


def posterize(x: Pictures, *, bits: int) -> Pictures:
    """Only the highest `bits` of each value stay."""
    return x & (256 - (1 << 8 - bits))


def brightness(x: Pictures, factor: float) -> Pictures:
    """factor·x."""
    return _cut(x.float().mul_(factor))


def contrast(x: Pictures, factor: float) -> Pictures:
    """factor·x + (1 − factor)·m, m the picture's mean luma as a whole number."""
    return _blend((_luma(x).float().mean((1, 2, 3), keepdim=True) + 0.5).floor_(), x, factor)


def saturation(x: Pictures, factor: float) -> Pictures:
    """factor·x + (1 − factor)·luma; grey pictures stay."""
    return _blend(luma(x).float(), x, factor) if x.shape[1] == 3 else x


def sharpness(x: Pictures, factor: float) -> Pictures:
    """factor·x + (1 − factor)·smooth, smooth the mean of 3×3 pixels with the middle one counted five times; borders stay."""
    if min(x.shape[2:]) < 3:
        return x
    wide = x.to(torch.int16)
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * wide[:, :, 1:-1, 1:-1]
    smooth = x.float()
    smooth[:, :, 1:-1, 1:-1] = total.float().div_(13).add_(0.5).floor_()
    return _blend(smooth, x, factor)


def _blend(start: Tensor, x: Tensor, factor: float) -> Tensor:
    """The mean of `start`, float32, and x, weighed by 1 − factor and factor."""
    return _cut(x.float().sub_(start).mul_(factor).add_(start))


def _luma(x: Tensor) -> Tensor:
    return luma(x) if x.shape[1] == 3 else x


def _cut(x: Tensor) -> Tensor:
    # By way of int16: the direct conversion takes more than twice as long.
    return x.clamp_(0, 255).to(torch.int16).to(torch.uint8)
