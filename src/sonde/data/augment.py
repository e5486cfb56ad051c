"""Image augmentation, batched on the device; every draw is a hash of (seed, epoch, example, place).

So it changes nothing how examples are cut into batches, in which order they come, or over how many processes.
Pictures are (batch, channel, height, width), uint8 or float, in 0…255. The flips and `shift` only move
pixels and keep the dtype; `crop` and `colour` give float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor
from torch.nn import functional as F

from sonde.errors import RecipeError, did_you_mean
from sonde.ops.random import integers, uniform

# Which draw is for what; a number stands for one thing for ever, or runs could not be repeated.
FLIP, FLIP_VERTICAL, SHIFT_DOWN, SHIFT_RIGHT, AREA, RATIO, TOP, LEFT, BRIGHTNESS, CONTRAST, SATURATION, HUE = range(12)

SHIFT = 0.125  # of the side: 4 pixels of 32, as in He et al. (2016), section 4.2
AREAS = (0.08, 1.0)  # of the picture: Szegedy et al. (2015), section 6
RATIOS = (3 / 4, 4 / 3)  # width to height
STRENGTH = 0.5  # brightness, contrast and saturation are multiplied by 1 ± 0.5, hue is turned by up to ± half a circle

Pictures = Num[Tensor, "batch channel height width"]
Index = Int64[Tensor, "batch"]


@dataclass(frozen=True)
class Augmentation:
    """The steps `names`, in the order of `STEPS`, with draws from `seed`."""

    names: tuple[str, ...]
    seed: int

    def __call__(self, images: Pictures, index: Index, epoch: int) -> Pictures:
        """The pictures of the examples `index` as they are seen in `epoch`."""
        for name, step in STEPS.items():
            if name in self.names and len(images):
                images = step(images, index, self.seed, epoch)
        return images


def augmentation(names: tuple[str, ...], *, seed: int) -> Augmentation | None:
    """The augmentation of these names; None for no name or `none`. Raises RecipeError for one that does not exist."""
    for name in names:
        if name not in STEPS and name != "none":
            raise RecipeError(f"there is no augmentation {name!r}", where="data.augment", remedy=did_you_mean(name, [*STEPS, "none"]))
    chosen = tuple(name for name in names if name != "none")
    if chosen and len(chosen) < len(names):
        raise RecipeError(f"augmentation none goes with no other, not with {', '.join(chosen)}", where="data.augment", remedy="leave out none")
    return Augmentation(chosen, seed) if chosen else None


def shift(images: Pictures, index: Index, seed: int, epoch: int) -> Pictures:
    """Pad with black by an eighth of the side, then cut a window of the old size at a random place."""
    height, width = images.shape[-2:]
    down, right = max(1, round(SHIFT * height)), max(1, round(SHIFT * width))
    padded = F.pad(images, (right, right, down, down))
    top = integers(seed, epoch, index, SHIFT_DOWN, low=0, high=2 * down + 1)
    left = integers(seed, epoch, index, SHIFT_RIGHT, low=0, high=2 * right + 1)
    # All windows as a view, (batch, channel, place down, place right, height, width); one index copies the chosen ones.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def crop(images: Pictures, index: Index, seed: int, epoch: int) -> Float[Tensor, "batch channel height width"]:
    """A window of 8–100 % of the area and width to height 3/4–4/3, at a random place, scaled to the old size (bilinear).

    A side that would be longer than the picture's is as long as that (the usual form draws again, up to ten times).
    """
    area = AREAS[0] + (AREAS[1] - AREAS[0]) * uniform(seed, epoch, index, AREA)
    low, high = math.log(RATIOS[0]), math.log(RATIOS[1])
    root = (0.5 * (low + (high - low) * uniform(seed, epoch, index, RATIO))).exp()
    across, down = (area.sqrt() * root).clamp(max=1), (area.sqrt() / root).clamp(max=1)
    # In grid_sample's coordinates the picture spans −1 … 1, so a window of share s has its centre in ±(1 − s).
    middle_x = (1 - across) * (2 * uniform(seed, epoch, index, LEFT) - 1)
    middle_y = (1 - down) * (2 * uniform(seed, epoch, index, TOP) - 1)
    zero = torch.zeros_like(area)
    theta = torch.stack([torch.stack([across, zero, middle_x], 1), torch.stack([zero, down, middle_y], 1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def flip(images: Pictures, index: Index, seed: int, epoch: int) -> Pictures:
    """Left and right change places, in half of the cases."""
    return _flipped(images, uniform(seed, epoch, index, FLIP) < 0.5, dim=3)


def alternate_flip(images: Pictures, index: Index, seed: int, epoch: int) -> Pictures:
    """Left and right change places in half of the cases, drawn once; each epoch then shows the other side (Jordan 2024, section 3.6).

    Two epochs in a row show every picture both ways, where independent draws show half of them the same way twice.
    """
    first = uniform(seed, 0, index, FLIP) < 0.5
    return _flipped(images, first ^ (epoch % 2 == 1), dim=3)


def flip_vertical(images: Pictures, index: Index, seed: int, epoch: int) -> Pictures:
    """Top and bottom change places, in half of the cases."""
    return _flipped(images, uniform(seed, epoch, index, FLIP_VERTICAL) < 0.5, dim=2)


def colour(images: Pictures, index: Index, seed: int, epoch: int) -> Float[Tensor, "batch channel height width"]:
    """Brightness, contrast, saturation, then hue; one linear map of the colours of each picture, cut to 0…255 at the end.

    Brightness b: b·x. Contrast c: c·x + (1 − c)·m, m the mean luma of the picture. Saturation s: s·x + (1 − s)·luma. Hue:
    a turn of the two chroma axes of YIQ (NTSC), which keeps luma. Grey pictures have brightness and contrast alone.
    """

    def factor(place: int) -> Tensor:
        return 1 + STRENGTH * (2 * uniform(seed, epoch, index, place) - 1)

    x, brightness, contrast = images.float(), factor(BRIGHTNESS), factor(CONTRAST)
    if images.shape[1] != 3:
        mean = brightness * x.mean((1, 2, 3))
        scale, move = contrast * brightness, (1 - contrast) * mean
        return (x * scale[:, None, None, None] + move[:, None, None, None]).clamp_(0, 255)
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], device=x.device)
    # Hue's factor of 1 ± 0.5 is a turn by up to half a circle either way; saturation scales both chroma axes.
    turn, saturation = 2 * math.pi * (factor(HUE) - 1), factor(SATURATION)
    cos, sin, zero = saturation * turn.cos(), saturation * turn.sin(), torch.zeros_like(turn)
    chroma = torch.stack([torch.stack([zero + 1, zero, zero], 1), torch.stack([zero, cos, -sin], 1), torch.stack([zero, sin, cos], 1)], 1)
    colours = torch.linalg.inv(to_yiq) @ chroma @ to_yiq
    mean = brightness * (x.mean((2, 3)) @ to_yiq[0])
    # Grey stays grey under the turn, so contrast's shift towards the mean luma passes through unchanged.
    matrix, move = (brightness * contrast)[:, None, None] * colours, (1 - contrast) * mean
    moved = torch.baddbmm(move[:, None, None], matrix, x.flatten(2))
    return moved.clamp_(0, 255).view_as(x)


STEPS: dict[str, Callable[[Tensor, Tensor, int, int], Tensor]] = {
    "shift": shift,
    "crop": crop,
    "flip": flip,
    "alternate-flip": alternate_flip,
    "flip-vertical": flip_vertical,
    "colour": colour,
}


def _flipped(images: Tensor, which: Tensor, *, dim: int) -> Tensor:
    return torch.where(which[:, None, None, None], images.flip(dim), images)
