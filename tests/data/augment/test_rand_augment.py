"""RandAugment's 14 operations against Pillow's, and how they are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from data.augment.scenes import INDEX, pictures
from sonde.data.augment import augmentation, tones
from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws
from sonde.data.augment.rand_augment import MOVES, OPERATIONS, TONES, RandAugment, operate
from sonde.data.augment.scene import Scene


def smooth(count: int = 40, size: int = 24, channels: int = 3) -> Tensor:
    """Pictures that are no noise: few values, other in each channel."""
    y, x = torch.meshgrid(torch.linspace(0, 6, size), torch.linspace(0, 4, size), indexing="ij")
    phase = torch.arange(count * channels).view(count, channels, 1, 1)
    return (90 + 70 * torch.sin(x + phase) + 60 * torch.cos(y * (1 + phase % 3))).clamp(0, 255).to(torch.uint8)


def pillow(x: Tensor) -> Image.Image:
    array = x.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else np.ascontiguousarray(array))


def back(image: Image.Image) -> Tensor:
    array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


PEERS = {
    "auto-contrast": lambda image, m, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, m, sign: ImageOps.equalize(image),
    "solarize": lambda image, m, sign: ImageOps.solarize(image, 255 * (1 - m)),
    "posterize": lambda image, m, sign: ImageOps.posterize(image, 8 - round(4 * m)),
    "brightness": lambda image, m, sign: ImageEnhance.Brightness(image).enhance(1 + 0.9 * m * sign),
    "contrast": lambda image, m, sign: ImageEnhance.Contrast(image).enhance(1 + 0.9 * m * sign),
    "colour": lambda image, m, sign: ImageEnhance.Color(image).enhance(1 + 0.9 * m * sign),
    "sharpness": lambda image, m, sign: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * m * sign),
}


@pytest.mark.parametrize("name", TONES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("m", "sign"), [(0.0, 1.0), (0.3, -1.0), (0.3, 1.0), (1.0, -1.0), (1.0, 1.0)])
def test_tones_are_pillows(name: str, channels: int, m: float, sign: float) -> None:
    flat = torch.full((2, channels, 24, 24), 77, dtype=torch.uint8)
    x = torch.cat([smooth(channels=channels), pictures(channels, 24, 8), flat])
    found = TONES[name](x, m * sign)
    wanted = torch.stack([back(PEERS[name](pillow(each), m, sign)) for each in x])
    difference = (found.int() - wanted.int()).abs()
    # Pillow multiplies in double precision here and there, so a cut may fall on the other side of a whole number.
    assert difference.max() <= (0 if name in ("equalize", "solarize", "posterize") else 1)
    assert (difference > 0).float().mean() < 0.01


def test_equalize_of_few_values_and_all() -> None:
    x = torch.tensor([0, 0, 0, 255], dtype=torch.uint8).repeat(64).view(1, 1, 16, 16)
    ramp = torch.arange(256, dtype=torch.uint8).repeat(4).view(1, 1, 32, 32)
    for each in (x, ramp):
        assert torch.equal(tones.equalize(each)[0], back(ImageOps.equalize(pillow(each[0]))))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("m", [0.3, -0.3, 1.0])
def test_moves_are_pillows(number: int, m: float) -> None:
    """Pillow maps new places to old ones, from the corner."""
    x, size = smooth(4), 24
    found = operate(MOVES[number], x, m)
    shift = math.trunc(150 / 331 * size * m)
    c = size / 2
    matrix = {
        "shear-x": (1, 0.3 * m, -0.3 * m * c, 0, 1, 0),
        "shear-y": (1, 0, 0, 0.3 * m, 1, -0.3 * m * c),
        "translate-x": (1, 0, shift, 0, 1, 0),
        "translate-y": (1, 0, 0, 0, 1, shift),
    }
    for one, mine in zip(x, found, strict=True):
        name = MOVES[number]
        image = pillow(one)
        wanted = image.rotate(30 * m) if name == "rotate" else image.transform(image.size, Image.Transform.AFFINE, matrix[name])
        # A place that lies between two pixels to the last digit may go to either.
        assert (back(wanted) != mine).any(0).float().mean() < 0.02


def test_operations_are_drawn_evenly_and_independently() -> None:
    draws = Draws(0, 0, torch.arange(28_000))
    first, second = (draws.integers(at.RAND_AUGMENT + 2 * turn, len(OPERATIONS)) for turn in (0, 1))
    assert len(OPERATIONS) == 14
    assert (torch.bincount(first) - 2_000).abs().max() < 200
    pairs = torch.bincount(first * 14 + second, minlength=196)
    assert float(((pairs - 28_000 / 196) ** 2 / (28_000 / 196)).sum()) < 270  # χ² with 195 degrees of freedom


def test_as_many_operations_as_asked_for_one_after_the_other() -> None:
    x = smooth(40)
    step = augmentation(("randaugment:3:15",), seed=5)
    assert step is not None
    found = step(x, INDEX[:40], 0)
    draws = Draws(5, 0, INDEX[:40])
    for number in (3, 17, 31):
        wanted = x[number : number + 1]
        for turn in range(3):
            chosen = int(draws.integers(at.RAND_AUGMENT + 2 * turn, 14)[number])
            sign = 1.0 if bool(draws.chance(at.RAND_AUGMENT + 2 * turn + 1, 0.5)[number]) else -1.0
            name = OPERATIONS[chosen]
            wanted = operate(name, wanted, 0.5 * sign)
        assert torch.equal(found[number], wanted[0])


def test_magnitude_0_changes_only_contrast() -> None:
    """Without strength only the two operations that have none, and the solarizing of pure white, do anything."""
    x = smooth(40).clamp(max=254)
    found = augmentation(("randaugment:1:0",), seed=0)(x, INDEX[:40], 0)  # type: ignore[misc]
    chosen = Draws(0, 0, INDEX[:40]).integers(at.RAND_AUGMENT, 14)
    strengthless = torch.tensor([OPERATIONS.index(name) for name in ("auto-contrast", "equalize")])
    quiet = ~torch.isin(chosen, strengthless)
    assert torch.equal(found[quiet], x[quiet])


def test_boxes_and_masks_move_with_the_pixels() -> None:
    """A white square, its mask and its box stay together, whatever is drawn."""
    count = 200
    images = torch.zeros(count, 1, 48, 48, dtype=torch.uint8)
    images[:, :, 16:34, 14:30] = 255
    boxes = torch.tensor([[[14.0, 16, 30, 34]]]).repeat(count, 1, 1)
    scene = Scene(images, boxes, torch.ones(count, 1, dtype=torch.bool), (images[:, 0] > 0).long())
    draws = Draws(0, 0, torch.arange(count))
    found = RandAugment(1, 20)(scene, draws)
    assert found.boxes is not None
    assert found.masks is not None
    moved = draws.integers(at.RAND_AUGMENT, 14) < len(MOVES)
    assert ((found.pictures[moved, 0] > 0) == (found.masks[moved] > 0)).float().mean() > 0.999
    for mask, box in zip(found.masks, found.boxes[:, 0], strict=True):
        ys, xs = mask.nonzero().unbind(1)
        edges = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
        assert (edges - box).abs().max() <= 1.5
