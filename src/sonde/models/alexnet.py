"""AlexNet (Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks").

`alexnet` is torchvision's form, with its keys: the widths of "One weird trick for parallelizing convolutional neural networks"
(Krizhevsky 2014), 57,044,810 parameters for 10 classes. `alexnet-course` is the paper's network in a single tower, as courses teach it:
96-256-384-384-256, 46,787,978 parameters and 1,005,890,688 multiply-adds at 3×224×224 and 10 classes. Neither has the paper's local
response normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem


@dataclass(frozen=True)
class Config:
    """`filters` of the five convolutions and `dense` units of the two hidden layers, all times `scale`.

    `stem`: `photo` (11×11, stride 4, `padding` around) or `small` (5×5, stride 1); `auto` is small up to 64 pixels. The dense layers
    read a map of `grid`×`grid`, to which means are taken; 0, and the small stem, take the map as it is. `channels`, `size` and
    `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    filters: tuple[int, int, int, int, int] = (64, 192, 384, 256, 256)
    dense: int = 4096
    padding: int = 2
    grid: int = 6
    dropout: float = 0.5
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {
    "alexnet": Config(),
    "alexnet-course": Config(filters=(96, 256, 384, 384, 256), padding=1, grid=0),
}


class AlexNet(nn.Module):
    """Five convolutions, three of them with 3×3 pooling of stride 2, and three dense layers.

    Each ReLU follows the pooling, with which it commutes, and so meets a quarter of the values; as in the published form it has a
    place of its own in `features`, which gives the convolutions their numbers.
    """

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("features.0",),
        "stage1": ("features.3",),
        "stage2": ("features.6", "features.8", "features.10"),
        "head": ("classifier",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        small = small_stem(config.stem, config.size)
        first, *widths = (scaled(width, config.scale) for width in config.filters)
        dense = scaled(config.dense, config.scale)
        stem = nn.Conv2d(config.channels, first, 5, 1, 2) if small else nn.Conv2d(config.channels, first, 11, 4, config.padding)
        self.features = nn.Sequential(
            stem, nn.MaxPool2d(3, 2), nn.ReLU(),
            nn.Conv2d(first, widths[0], 5, 1, 2), nn.MaxPool2d(3, 2), nn.ReLU(),
            nn.Conv2d(widths[0], widths[1], 3, 1, 1), nn.ReLU(),
            nn.Conv2d(widths[1], widths[2], 3, 1, 1), nn.ReLU(),
            nn.Conv2d(widths[2], widths[3], 3, 1, 1), nn.MaxPool2d(3, 2), nn.ReLU(),
        )  # fmt: skip
        self.grid = 0 if small else config.grid
        side = self.grid or _side(config)
        self.classifier = nn.Sequential(
            Dropout(config.dropout), nn.Linear(widths[3] * side * side, dense), nn.ReLU(),
            Dropout(config.dropout), nn.Linear(dense, dense), nn.ReLU(),
            nn.Linear(dense, config.classes),
        )  # fmt: skip
        initialise_relu_network(self, last=self.classifier[-1])

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images of the Config's size to logits."""
        x = self.features(images)
        x = F.adaptive_avg_pool2d(x, self.grid) if self.grid else x
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def _side(config: Config) -> int:
    """Height and width of the last map."""
    side = config.size if small_stem(config.stem, config.size) else (config.size + 2 * config.padding - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


def smallest(config: Config) -> int:
    """The least size: three poolings of 3×3 with stride 2 need 15 places after the first convolution."""
    return 15 if small_stem(config.stem, config.size) else 14 * 4 + 11 - 2 * config.padding


def build(config: Config) -> AlexNet:
    """The model with fresh weights."""
    return AlexNet(config)
