"""Pillow's side of the race of augmentations: one picture at a time, as in a DataLoader's worker.

The same 14 operations, ranges and interpolation (nearest) as sonde.data.augment.rand_augment, and crop, flip and colour as
usually chained, written with what Pillow has for each.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

MAGNITUDE = 9 / 30
AFFINE = Image.Transform.AFFINE
Picture = Image.Image


def _shear_x(image: Picture, m: float) -> Picture:
    return image.transform(image.size, AFFINE, (1, 0.3 * m, -0.15 * m * image.height, 0, 1, 0))


def _shear_y(image: Picture, m: float) -> Picture:
    return image.transform(image.size, AFFINE, (1, 0, 0, 0.3 * m, 1, -0.15 * m * image.width))


def _translate(image: Picture, x: float, y: float) -> Picture:
    return image.transform(image.size, AFFINE, (1, 0, math.trunc(x), 0, 1, math.trunc(y)))


OPERATIONS: tuple[Callable[[Picture, float], Picture], ...] = (
    lambda image, m: image,
    lambda image, m: ImageOps.autocontrast(image),
    lambda image, m: ImageOps.equalize(image),
    lambda image, m: ImageOps.solarize(image, int(255 * (1 - abs(m)))),
    lambda image, m: ImageOps.posterize(image, 8 - round(4 * abs(m))),
    lambda image, m: ImageEnhance.Brightness(image).enhance(1 + 0.9 * m),
    lambda image, m: ImageEnhance.Contrast(image).enhance(1 + 0.9 * m),
    lambda image, m: ImageEnhance.Color(image).enhance(1 + 0.9 * m),
    lambda image, m: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * m),
    lambda image, m: image.rotate(30 * m),
    _shear_x,
    _shear_y,
    lambda image, m: _translate(image, 150 / 331 * image.width * m, 0),
    lambda image, m: _translate(image, 0, 150 / 331 * image.height * m),
)


def rand_augment(image: Picture) -> Picture:
    """Two of the 14, each with a sign by a coin."""
    for _ in range(2):
        image = random.choice(OPERATIONS)(image, random.choice((-MAGNITUDE, MAGNITUDE)))
    return image


def crop_flip_colour(image: Picture) -> Picture:
    """A window of 8 … 100 % of the area scaled back (bilinear), half of them mirrored, then four changes of colour."""
    width, height = image.size
    side, root = math.sqrt(random.uniform(0.08, 1)), math.sqrt(math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3))))
    across, down = min(1.0, side * root) * width, min(1.0, side / root) * height
    left, top = random.uniform(0, width - across), random.uniform(0, height - down)
    image = image.resize(image.size, Image.Resampling.BILINEAR, box=(left, top, left + across, top + down))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(random.uniform(0.5, 1.5))
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue, dtype=np.int16) + random.randint(-128, 128)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")


class Augmented(Dataset[Tensor]):
    """Pictures that are ready in memory, changed when asked for: uint8 (channel, height, width)."""

    def __init__(self, pictures: Sequence[Picture], change: Callable[[Picture], Picture], length: int) -> None:
        self.pictures, self.change, self.length = pictures, change, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        changed = self.change(self.pictures[index % len(self.pictures)])
        return torch.from_numpy(np.array(changed)).permute(2, 0, 1).contiguous()


def loader(pictures: Tensor, change: Callable[[Picture], Picture], *, batch: int, batches: int, workers: int) -> DataLoader[Tensor]:
    """Batches of changed pictures; `pictures` uint8 (picture, channel, height, width)."""
    images = [Image.fromarray(np.ascontiguousarray(one.permute(1, 2, 0).numpy())) for one in pictures]
    return DataLoader(Augmented(images, change, batch * batches), batch_size=batch, num_workers=workers, persistent_workers=workers > 0)
