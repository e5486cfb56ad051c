"""VGG (Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1: A, B, D, E).

Five blocks of 3×3 convolutions and 2×2 pooling, then three dense layers. At 224 pixels the blocks give 64×112², 128×56², 256×28²,
512×14² and 512×7². State keys and parameter counts are torchvision's; `-bn` has batch norm after each convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import SMALL, scaled
from sonde.ops.pooling import pool

WIDTHS = (64, 128, 256, 512, 512)
# Five poolings halve this many pixels to one. Below, they round up, so that no map becomes empty.
WHOLE = 32


@dataclass(frozen=True)
class Config:
    """`blocks`: convolutions in each of the five; their 64 to 512 channels and the `dense` units are times `scale`.

    The dense layers read a map of `grid`×`grid`, to which means are taken: 7 as published, 0 the map as it is, None 7 for pictures of
    more than 64 pixels and else 0. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int, int] = (1, 1, 2, 2, 2)
    batch_norm: bool = False
    dense: int = 4096
    grid: int | None = None
    dropout: float = 0.5
    scale: float = 1.0


VARIANTS: dict[str, Config] = {
    "vgg11": Config(blocks=(1, 1, 2, 2, 2)),
    "vgg13": Config(blocks=(2, 2, 2, 2, 2)),
    "vgg16": Config(blocks=(2, 2, 3, 3, 3)),
    "vgg19": Config(blocks=(2, 2, 4, 4, 4)),
    "vgg11-bn": Config(blocks=(1, 1, 2, 2, 2), batch_norm=True),
    "vgg13-bn": Config(blocks=(2, 2, 2, 2, 2), batch_norm=True),
    "vgg16-bn": Config(blocks=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19-bn": Config(blocks=(2, 2, 4, 4, 4), batch_norm=True),
}


class Halve(nn.Module):
    """2×2 maxima with stride 2; an odd last row and column is left out, or makes windows of its own where `up`."""

    def __init__(self, *, up: bool) -> None:
        super().__init__()
        self.up = up

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel half_height half_width"]:
        return F.max_pool2d(x, 2, ceil_mode=True) if self.up else pool(x, "max")


class VGG(nn.Module):
    """Blocks of convolutions (`features`), and dense layers (`classifier`).

    The last ReLU of a block follows its pooling, with which it commutes, and so meets a quarter of the values; as in the published form
    each has a place of its own in `features`, which gives the convolutions their numbers.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.features, ends = body(config)
        self.stages = stages_of_body(self.features, ends) | {"head": ("classifier",)}
        channels = scaled(WIDTHS[-1], config.scale)
        self.grid = (7 if config.size > SMALL else 0) if config.grid is None else config.grid
        side = self.grid or (-(-config.size // 32) if config.size < WHOLE else config.size // 32)
        dense = scaled(config.dense, config.scale)
        self.classifier = nn.Sequential(*dense_layers(channels * side * side, dense, config.dropout), nn.Linear(dense, config.classes))
        initialise_relu_network(self, last=self.classifier[-1])

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images of the Config's size to logits."""
        x = self.features(images)
        x = F.adaptive_avg_pool2d(x, self.grid) if self.grid else x
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def dense_layers(inputs: int, width: int, dropout: float) -> list[nn.Module]:
    """The two layers between the map and the logits, which R-CNN and Fast R-CNN have too."""
    first, second = nn.Linear(inputs, width), nn.Linear(width, width)
    return [first, nn.ReLU(), Dropout(dropout), second, nn.ReLU(), Dropout(dropout)]


def body(config: Config) -> tuple[nn.Sequential, tuple[int, ...]]:
    """The five blocks as one row of layers, and where each of them ends: block b is layers ends[b − 1] … ends[b] − 1."""
    layers: list[nn.Module] = []
    ends: list[int] = []
    channels = config.channels
    for count, width in zip(config.blocks, WIDTHS, strict=True):
        width = scaled(width, config.scale)
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, 1, 1), *([BatchNorm(width)] if config.batch_norm else []), nn.ReLU()]
            channels = width
        layers.insert(len(layers) - 1, Halve(up=config.size < WHOLE))
        ends.append(len(layers))
    return nn.Sequential(*layers), tuple(ends)


def last_map(features: nn.Sequential, images: Float[Tensor, "batch channel height width"], *, halvings: int) -> Tensor:
    """What the five blocks of `body` give where only the first `halvings` of their poolings are made: a map 2^halvings times smaller."""
    x, made = images, 0
    for layer in features:
        if isinstance(layer, Halve):
            made += 1
            if made > halvings:
                continue
        x = layer(x)
    return x


def stages_of_body(features: nn.Sequential, ends: tuple[int, ...]) -> dict[str, tuple[str, ...]]:
    """The blocks as stages (nn/stages.py) of a network that keeps them under the name `features`."""
    found: dict[str, tuple[str, ...]] = {}
    for number, (first, last) in enumerate(zip((0, *ends), ends, strict=False)):
        learnt = [place for place in range(first, last) if isinstance(features[place], (nn.Conv2d, BatchNorm))]
        found[f"stage{number}" if number else "stem"] = tuple(f"features.{place}" for place in learnt)
    return found


def build(config: Config) -> VGG:
    """The model with fresh weights."""
    return VGG(config)
