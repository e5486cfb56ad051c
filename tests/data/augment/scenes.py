"""Pictures, boxes and masks to augment, and steps with fixed draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sonde.data.augment import class_of
from sonde.data.augment.draws import Draws
from sonde.data.augment.scene import Scene

COUNT = 400
INDEX = torch.arange(COUNT)


def pictures(channels: int = 3, size: int = 16, count: int = COUNT) -> Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seen(name: str, images: Tensor, *, seed: int = 0, epoch: int = 0, **strengths: float) -> Tensor:
    """The pictures after one step, example numbers from 0 on."""
    step = class_of(name)(**strengths)
    return step(Scene(images), Draws(seed, epoch, torch.arange(len(images)))).pictures


def whole(count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Boxes around the whole picture and around its upper left quarter, and a padded row."""
    one = torch.tensor([[0.0, 0, width, height], [0, 0, width / 2, height / 2], [0, 0, 0, 0]])
    return one.expand(count, -1, -1).clone(), torch.tensor([True, True, False]).expand(count, -1).clone()


def fix(monkeypatch: pytest.MonkeyPatch, values: dict[int, float]) -> None:
    """Draw these numbers (0 … 1) at these places, and ½ elsewhere."""

    def draw(self: Draws, place: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.full((len(self.index),), values.get(place, 0.5))

    monkeypatch.setattr(Draws, "uniform", draw)
