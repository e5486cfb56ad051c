"""Inception-ResNet v2 (Szegedy et al. 2017, arXiv 1602.07261, sections 3.2 and 3.3): Inception blocks whose output is added to their input.

This is the form that its authors published, which differs from the paper's figures: Inception v3's stem, 10, 20 and 10 blocks, and 320, 1,088
and 2,080 channels. Sums are scaled down (0.17, 0.10, 0.20), without which the authors saw the last layers die. State keys are those of the
published PyTorch weights (timm's); 55,843,464 parameters for 1,000 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.branches import Branches, chain, layer
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem

# Unpadded convolutions: with the stem for photographs less leaves nothing of a picture.
SMALLEST_PHOTO, SMALLEST = 75, 21


@dataclass(frozen=True)
class Config:
    """`blocks` at 35×35, 17×17 and 8×8; all widths are times `scale`.

    `stem`: `photo` (stride 2, then pooling) or `small` (stride 1, no first pooling), `auto` small below 75 pixels, which the one for
    photographs needs; the keys are the same. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int] = (10, 20, 10)
    dropout: float = 0.2
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"inception-resnet-v2": Config()}


class Block(nn.Module):
    """relu(x + factor · (W ⋆ branches(x) + b)); without the ReLU where `relu` is false."""

    def __init__(self, channels: int, branches: Mapping[str, nn.Module], width: int, *, factor: float, relu: bool = True) -> None:
        super().__init__()
        self.names = tuple(branches)
        for name, branch in branches.items():
            self.add_module(name, branch)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.factor, self.relu = factor, relu

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        y = torch.cat([self.get_submodule(name)(x) for name in self.names], dim=1)
        y = torch.add(x, self.conv2d(y), alpha=self.factor)
        return F.relu(y) if self.relu else y


def block_a(channels: int, scale: float) -> Block:
    """At 35×35."""
    branches = {
        "branch0": layer(channels, (32, 1), scale),
        "branch1": chain(channels, [(32, 1), (32, 3)], scale),
        "branch2": chain(channels, [(32, 1), (48, 3), (64, 3)], scale),
    }
    return Block(channels, branches, 2 * scaled(32, scale) + scaled(64, scale), factor=0.17)


def block_b(channels: int, scale: float) -> Block:
    """At 17×17."""
    branches = {"branch0": layer(channels, (192, 1), scale), "branch1": chain(channels, [(128, 1), (160, (1, 7)), (192, (7, 1))], scale)}
    return Block(channels, branches, 2 * scaled(192, scale), factor=0.10)


def block_c(channels: int, scale: float, *, last: bool = False) -> Block:
    """At 8×8. The last of all is added as it is and has no ReLU."""
    branches = {"branch0": layer(channels, (192, 1), scale), "branch1": chain(channels, [(192, 1), (224, (1, 3)), (256, (3, 1))], scale)}
    return Block(channels, branches, scaled(192, scale) + scaled(256, scale), factor=1.0 if last else 0.20, relu=not last)


class InceptionResNetV2(nn.Module):
    """Five convolutions, an Inception block, residual ones with two reductions between, a 1×1 convolution, one dense layer."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv2d_1a", "conv2d_2a", "conv2d_2b"),
        "stage1": ("conv2d_3b", "conv2d_4a"),
        "stage2": ("mixed_5b", "repeat"),
        "stage3": ("mixed_6a", "repeat_1"),
        "stage4": ("mixed_7a", "repeat_2", "block8", "conv2d_7b"),
        "head": ("classif",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        scale, (a, b, c) = config.scale, config.blocks
        self.small = _small(config)
        w32, w64, w80, w192 = (scaled(width, scale) for width in (32, 64, 80, 192))
        self.conv2d_1a = ConvolutionNorm(config.channels, w32, 3, stride=1 if self.small else 2, valid=True)
        self.conv2d_2a = ConvolutionNorm(w32, w32, 3, valid=True)
        self.conv2d_2b = ConvolutionNorm(w32, w64, 3)
        self.conv2d_3b = ConvolutionNorm(w64, w80, 1)
        self.conv2d_4a = ConvolutionNorm(w80, w192, 3, valid=True)
        self.mixed_5b = Branches(
            {
                "branch0": layer(w192, (96, 1), scale),
                "branch1": chain(w192, [(48, 1), (64, 5)], scale),
                "branch2": chain(w192, [(64, 1), (96, 3), (96, 3)], scale),
                "branch3": nn.Sequential(nn.Identity(), layer(w192, (64, "inner mean"), scale)),  # published keys count the pooling
            }
        )
        channels = 2 * scaled(96, scale) + 2 * w64
        self.repeat = nn.Sequential(*(block_a(channels, scale) for _ in range(a)))
        self.mixed_6a = Branches(
            {
                "branch0": layer(channels, (384, "halve"), scale),
                "branch1": chain(channels, [(256, 1), (256, 3), (384, "halve")], scale),
                "branch2": nn.MaxPool2d(3, 2),
            }
        )
        channels += 2 * scaled(384, scale)
        self.repeat_1 = nn.Sequential(*(block_b(channels, scale) for _ in range(b)))
        self.mixed_7a = Branches(
            {
                "branch0": chain(channels, [(256, 1), (384, "halve")], scale),
                "branch1": chain(channels, [(256, 1), (288, "halve")], scale),
                "branch2": chain(channels, [(256, 1), (288, 3), (320, "halve")], scale),
                "branch3": nn.MaxPool2d(3, 2),
            }
        )
        channels += scaled(384, scale) + scaled(288, scale) + scaled(320, scale)
        self.repeat_2 = nn.Sequential(*(block_c(channels, scale) for _ in range(c - 1)))
        self.block8 = block_c(channels, scale, last=True)
        self.conv2d_7b = ConvolutionNorm(channels, scaled(1536, scale), 1)
        self.dropout = Dropout(config.dropout)
        self.classif = nn.Linear(scaled(1536, scale), config.classes)
        initialise_relu_network(self, last=self.classif)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images)))
        x = x if self.small else F.max_pool2d(x, 3, 2)
        x = F.max_pool2d(self.conv2d_4a(self.conv2d_3b(x)), 3, 2)
        x = self.repeat_1(self.mixed_6a(self.repeat(self.mixed_5b(x))))
        x = self.conv2d_7b(self.block8(self.repeat_2(self.mixed_7a(x))))
        logits: Tensor = self.classif(self.dropout(x.mean((2, 3))))
        return logits


def _small(config: Config) -> bool:
    return small_stem(config.stem, config.size, up_to=SMALLEST_PHOTO - 1)


def smallest(config: Config) -> int:
    """The least size of which the unpadded convolutions and poolings leave something."""
    return SMALLEST if _small(config) else SMALLEST_PHOTO


def build(config: Config) -> InceptionResNetV2:
    """The model with fresh weights."""
    return InceptionResNetV2(config)
