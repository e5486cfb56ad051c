"""Inception v2, GoogLeNet with batch norm (Ioffe & Szegedy 2015, arXiv 1502.03167, figure 5): "BN-Inception".

Two 3×3 convolutions stand for each 5×5, means for most of the maxima, and two blocks halve the size themselves. The name is also used for
a table of arXiv 1512.00567, which is not this. Widths are the figure's; blocks 4c and 4d give what these add up to, 608 (the figure says
576), and 4e 1,056 (it says 1,024), as in the published weights. The first convolution is a plain one, not separable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.branches import Branches, Row, chain
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem


@dataclass(frozen=True)
class Config:
    """All widths are times `scale`.

    `stem`: `photo` (7×7, stride 2, then pooling) or `small` (3×3, stride 1, no pooling), `auto` small up to 64 pixels; the keys are the
    same. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"inception-v2": Config()}


@dataclass(frozen=True)
class Widths:
    """A row of figure 5: 1×1; 1×1 → 3×3; 1×1 → 3×3 → 3×3; pooling → 1×1. `one` and `projection` 0: the block has stride 2."""

    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pool: Literal["mean", "max"]
    projection: int


BLOCKS: dict[str, Widths] = {
    "3a": Widths(64, (64, 64), (64, 96), "mean", 32),
    "3b": Widths(64, (64, 96), (64, 96), "mean", 64),
    "3c": Widths(0, (128, 160), (64, 96), "max", 0),
    "4a": Widths(224, (64, 96), (96, 128), "mean", 128),
    "4b": Widths(192, (96, 128), (96, 128), "mean", 128),
    "4c": Widths(160, (128, 160), (128, 160), "mean", 128),
    "4d": Widths(96, (128, 192), (160, 192), "mean", 128),
    "4e": Widths(0, (128, 192), (192, 256), "max", 0),
    "5a": Widths(352, (192, 320), (160, 224), "mean", 128),
    "5b": Widths(352, (192, 320), (192, 224), "max", 128),
}


def inception(channels: int, widths: Widths, scale: float) -> tuple[Branches, int]:
    """A block and the channels that it gives."""
    halve = not widths.projection
    branches: dict[str, nn.Module] = {} if halve else {"branch1": ConvolutionNorm(channels, scaled(widths.one, scale), 1)}
    branches["branch2"] = _ending(channels, [(widths.three[0], 1)], widths.three[1], halve, scale)
    reduce, double = widths.double
    branches["branch3"] = _ending(channels, [(reduce, 1), (double, 3)], double, halve, scale)
    out = scaled(widths.three[1], scale) + scaled(double, scale)
    if halve:
        return Branches(branches | {"branch4": nn.MaxPool2d(3, 2, 1)}), out + channels
    projection = scaled(widths.projection, scale)
    last = ConvolutionNorm(channels, projection, 1, mean="padded" if widths.pool == "mean" else None)
    branches["branch4"] = last if widths.pool == "mean" else nn.Sequential(nn.MaxPool2d(3, 1, 1), last)
    return Branches(branches), out + scaled(widths.one, scale) + projection


def _ending(channels: int, rows: list[Row], width: int, halve: bool, scale: float) -> nn.Sequential:
    """The convolutions of `rows` and one of 3×3, at stride 2 where the block halves the size."""
    before = scaled(rows[-1][0], scale)
    return nn.Sequential(*chain(channels, rows, scale), ConvolutionNorm(before, scaled(width, scale), 3, stride=2 if halve else 1))


class InceptionV2(nn.Module):
    """Plain convolutions, ten Inception blocks, global average pooling, one dense layer."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv1",),
        "stage1": ("conv2", "conv3"),
        "stage2": ("blocks.3a", "blocks.3b", "blocks.3c"),
        "stage3": tuple(f"blocks.4{letter}" for letter in "abcde"),
        "stage4": ("blocks.5a", "blocks.5b"),
        "head": ("fc",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        scale = config.scale
        self.small = small_stem(config.stem, config.size)
        kernel, stride = (3, 1) if self.small else (7, 2)
        first, channels = scaled(64, scale), scaled(192, scale)
        self.conv1 = ConvolutionNorm(config.channels, first, kernel, stride=stride)
        self.conv2 = ConvolutionNorm(first, first, 1)
        self.conv3 = ConvolutionNorm(first, channels, 3)
        self.blocks = nn.ModuleDict()
        for name, widths in BLOCKS.items():
            self.blocks[name], channels = inception(channels, widths, scale)
        self.fc = nn.Linear(channels, config.classes)
        initialise_relu_network(self, last=self.fc)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        x = self.conv1(images)
        x = x if self.small else F.max_pool2d(x, 3, 2, 1)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, 1)
        for block in self.blocks.values():
            x = block(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def build(config: Config) -> InceptionV2:
    """The model with fresh weights."""
    return InceptionV2(config)
