"""Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", arXiv 1512.00567, table 1).

Two 3×3 convolutions stand for a 5×5, 1×7 and 7×1 for a 7×7, 1×3 and 3×1 side by side for a 3×3. Made for 299 pixels, of which the stages
leave 147, 71, 35, 17 and 8. State keys and parameter counts are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.branches import Paths, Row, paths
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem

# What the auxiliary classifier's loss weighs: the paper does not say; the value is that of TensorFlow's published training.
AUXILIARY_WEIGHT = 0.4
# Unpadded convolutions: with the stem for photographs less leaves nothing of a picture.
SMALLEST_PHOTO, SMALLEST = 75, 21

Table = list[Mapping[str, Row]]


@dataclass(frozen=True)
class Config:
    """All widths are times `scale`. `auxiliary`: a further classifier on the 17×17 map that only training hears.

    `stem`: `photo` (stride 2, then pooling) or `small` (stride 1, no first pooling), `auto` small below 75 pixels, which the one for
    photographs needs; the keys are the same. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    auxiliary: bool = False
    dropout: float = 0.5
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"inception-v3": Config()}


def block_a(pooled: int) -> Table:
    """Figure 5: 1×1, 5×5, two 3×3, and means; at 35×35."""
    return [
        {"branch1x1": (64, 1)},
        {"branch5x5_1": (48, 1), "branch5x5_2": (64, 5)},
        {"branch3x3dbl_1": (64, 1), "branch3x3dbl_2": (96, 3), "branch3x3dbl_3": (96, 3)},
        {"branch_pool": (pooled, "mean")},
    ]


# Figure 10: from 35×35 to 17×17.
BLOCK_B: Table = [
    {"branch3x3": (384, "halve")},
    {"branch3x3dbl_1": (64, 1), "branch3x3dbl_2": (96, 3), "branch3x3dbl_3": (96, "halve")},
]


def block_c(width: int) -> Table:
    """Figure 6: 7×7 as 1×7 and 7×1, once and twice; at 17×17."""
    across, down = (1, 7), (7, 1)
    twice: dict[str, Row] = {"branch7x7dbl_1": (width, 1), "branch7x7dbl_2": (width, down), "branch7x7dbl_3": (width, across)}
    return [
        {"branch1x1": (192, 1)},
        {"branch7x7_1": (width, 1), "branch7x7_2": (width, across), "branch7x7_3": (192, down)},
        twice | {"branch7x7dbl_4": (width, down), "branch7x7dbl_5": (192, across)},
        {"branch_pool": (192, "mean")},
    ]


# From 17×17 to 8×8.
BLOCK_D: Table = [
    {"branch3x3_1": (192, 1), "branch3x3_2": (320, "halve")},
    {"branch7x7x3_1": (192, 1), "branch7x7x3_2": (192, (1, 7)), "branch7x7x3_3": (192, (7, 1)), "branch7x7x3_4": (192, "halve")},
]

# Figure 7: the last layers fork into 1×3 and 3×1; at 8×8.
_THREE: dict[str, Row] = {"branch3x3_1": (384, 1)}
_DOUBLE: dict[str, Row] = {"branch3x3dbl_1": (448, 1), "branch3x3dbl_2": (384, 3)}
BLOCK_E: Table = [
    {"branch1x1": (320, 1)},
    _THREE | {"branch3x3_2a": (384, (1, 3))},
    _THREE | {"branch3x3_2b": (384, (3, 1))},
    _DOUBLE | {"branch3x3dbl_3a": (384, (1, 3))},
    _DOUBLE | {"branch3x3dbl_3b": (384, (3, 1))},
    {"branch_pool": (192, "mean")},
]


class Auxiliary(nn.Module):
    """A classifier on the 17×17 map: 5×5 means with stride 3, 1×1 and 5×5 convolutions, one dense layer.

    Of maps under 17×17 means are taken over a 5×5 grid, so that the 5×5 convolution has something to see.
    """

    def __init__(self, channels: int, classes: int, scale: float) -> None:
        super().__init__()
        width, last = scaled(128, scale), scaled(768, scale)
        self.conv0 = ConvolutionNorm(channels, width, 1)
        self.conv1 = ConvolutionNorm(width, last, 5, valid=True)
        self.fc = nn.Linear(last, classes)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        x = F.avg_pool2d(x, 5, 3) if min(x.shape[2:]) >= 17 else F.adaptive_avg_pool2d(x, 5)
        logits: Tensor = self.fc(self.conv1(self.conv0(x)).mean((2, 3)))
        return logits


class InceptionV3(nn.Module):
    """Five convolutions, eleven Inception blocks, global average pooling, one dense layer."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"),
        "stage1": ("Conv2d_3b_1x1", "Conv2d_4a_3x3"),
        "stage2": ("Mixed_5b", "Mixed_5c", "Mixed_5d"),
        "stage3": tuple(f"Mixed_6{letter}" for letter in "abcde"),
        "stage4": ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
        "head": ("AuxLogits", "fc"),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.scale = config.scale
        self.small = small_stem(config.stem, config.size, up_to=SMALLEST_PHOTO - 1)
        self._width = config.channels
        self.Conv2d_1a_3x3 = self._convolution(32, 3, stride=1 if self.small else 2)
        self.Conv2d_2a_3x3 = self._convolution(32, 3)
        self.Conv2d_2b_3x3 = self._convolution(64, 3, valid=False)
        self.Conv2d_3b_1x1 = self._convolution(80, 1)
        self.Conv2d_4a_3x3 = self._convolution(192, 3)
        self.Mixed_5b = self._block(block_a(32))
        self.Mixed_5c = self._block(block_a(64))
        self.Mixed_5d = self._block(block_a(64))
        self.Mixed_6a = self._block(BLOCK_B, pooled=True)
        self.Mixed_6b = self._block(block_c(128))
        self.Mixed_6c = self._block(block_c(160))
        self.Mixed_6d = self._block(block_c(160))
        self.Mixed_6e = self._block(block_c(192))
        self.AuxLogits = Auxiliary(self._width, config.classes, config.scale) if config.auxiliary else None
        self.Mixed_7a = self._block(BLOCK_D, pooled=True)
        self.Mixed_7b = self._block(BLOCK_E)
        self.Mixed_7c = self._block(BLOCK_E)
        self.dropout = Dropout(config.dropout)
        self.fc = nn.Linear(self._width, config.classes)
        initialise_relu_network(self, last=self.fc)

    def _convolution(self, width: int, kernel: int, *, stride: int = 1, valid: bool = True) -> ConvolutionNorm:
        """The next layer; its width is that of the one after it."""
        before, self._width = self._width, scaled(width, self.scale)
        return ConvolutionNorm(before, self._width, kernel, stride=stride, valid=valid)

    def _block(self, table: Table, *, pooled: bool = False) -> Paths:
        """The next block."""
        before = self._width
        ends = [list(branch.values())[-1] for branch in table]
        self._width = sum(scaled(width, self.scale) for width, _ in ends) + (before if pooled else 0)
        return paths(before, table, self.scale, pooled=pooled)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        return self._logits(self._last(self._middle(images)))

    def all_outputs(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> tuple[Float[Tensor, "batch class"], tuple[tuple[float, Float[Tensor, "batch class"]], ...]]:
        """Logits, and the auxiliary ones with the weight of their loss, for training."""
        x = self._middle(images)
        further = () if self.AuxLogits is None else ((AUXILIARY_WEIGHT, self.AuxLogits(x)),)
        return self._logits(self._last(x)), further

    def _middle(self, images: Tensor) -> Tensor:
        """The map at 17×17."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))
        x = x if self.small else F.max_pool2d(x, 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        out: Tensor = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        return out

    def _last(self, x: Tensor) -> Tensor:
        out: Tensor = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return out

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(x.mean((2, 3))))
        return logits


def smallest(config: Config) -> int:
    """The least size of which the unpadded convolutions and poolings leave something."""
    return SMALLEST if small_stem(config.stem, config.size, up_to=SMALLEST_PHOTO - 1) else SMALLEST_PHOTO


def build(config: Config) -> InceptionV3:
    """The model with fresh weights."""
    return InceptionV3(config)
