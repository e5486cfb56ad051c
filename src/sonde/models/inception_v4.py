"""Inception v4 (Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections", arXiv 1602.07261, figures 3–9).

Branches already in the stem, then 4, 7 and 3 blocks on maps of 35×35, 17×17 and 8×8 for 299 pixels. State keys are those of the published
PyTorch weights (timm's), which were converted from the authors'; 42,679,816 parameters for 1,000 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.branches import Branches, Paths, Row, chain, layer, paths
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem

# Unpadded convolutions: with the stem for photographs less leaves nothing of a picture.
SMALLEST_PHOTO, SMALLEST = 75, 23

ACROSS, DOWN = (1, 7), (7, 1)
Rows = list[Row]

# Branches of the blocks as in the figures. Those with maxima or means have them last.
STEM_B: list[Rows] = [[(64, 1), (96, "valid")], [(64, 1), (64, ACROSS), (64, DOWN), (96, "valid")]]
BLOCK_A: list[Rows] = [[(96, 1)], [(64, 1), (96, 3)], [(64, 1), (96, 3), (96, 3)], [(96, "inner mean")]]
REDUCTION_A: list[Rows] = [[(384, "halve")], [(192, 1), (224, 3), (256, "halve")]]
BLOCK_B: list[Rows] = [
    [(384, 1)],
    [(192, 1), (224, ACROSS), (256, DOWN)],
    [(192, 1), (192, DOWN), (224, ACROSS), (224, DOWN), (256, ACROSS)],
    [(128, "inner mean")],
]
REDUCTION_B: list[Rows] = [[(192, 1), (192, "halve")], [(256, 1), (256, ACROSS), (320, DOWN), (320, "halve")]]
# The last layers of two branches fork into 1×3 and 3×1, so that layers have names of their own.
_ONE: dict[str, Row] = {"branch1_0": (384, 1)}
_TWO: dict[str, Row] = {"branch2_0": (384, 1), "branch2_1": (448, (3, 1)), "branch2_2": (512, (1, 3))}
BLOCK_C: list[Mapping[str, Row]] = [
    {"branch0": (256, 1)},
    _ONE | {"branch1_1a": (256, (1, 3))},
    _ONE | {"branch1_1b": (256, (3, 1))},
    _TWO | {"branch2_3a": (256, (1, 3))},
    _TWO | {"branch2_3b": (256, (3, 1))},
]


@dataclass(frozen=True)
class Config:
    """`blocks` at 35×35, 17×17 and 8×8; all widths are times `scale`.

    `stem`: `photo` (two steps of stride 2) or `small` (stride 1 for these), `auto` small below 75 pixels, which the one for photographs
    needs; the keys are the same. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int] = (4, 7, 3)
    dropout: float = 0.2
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"inception-v4": Config()}


class InceptionV4(nn.Module):
    """One row of layers (`features`) from picture to 1,536 channels, global average pooling, one dense layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        scale, stride = config.scale, 1 if _small(config) else 2
        a, b, c = config.blocks
        w32, w64, w96, w192 = (scaled(width, scale) for width in (32, 64, 96, 192))
        stem: list[nn.Module] = [
            ConvolutionNorm(config.channels, w32, 3, stride=stride, valid=True),
            ConvolutionNorm(w32, w32, 3, valid=True),
            ConvolutionNorm(w32, w64, 3),
        ]
        first = ConvolutionNorm(w64, w96, 3, stride=stride, valid=True)
        widening = [Branches({"maxpool": nn.MaxPool2d(3, stride), "conv": first}), _block(w64 + w96, STEM_B, scale)]
        second = ConvolutionNorm(2 * w96, w192, 3, stride=2, valid=True)
        at_35 = [Branches({"conv": second, "maxpool": nn.MaxPool2d(3, 2)})]
        channels = w192 + 2 * w96
        for _ in range(a):
            at_35.append(_block(channels, BLOCK_A, scale))
            channels = _width(BLOCK_A, scale)
        at_17 = [_block(channels, REDUCTION_A, scale, pooled=True)]
        channels += _width(REDUCTION_A, scale)
        for _ in range(b):
            at_17.append(_block(channels, BLOCK_B, scale))
            channels = _width(BLOCK_B, scale)
        at_8: list[nn.Module] = [_block(channels, REDUCTION_B, scale, pooled=True)]
        channels += _width(REDUCTION_B, scale)
        for _ in range(c):
            at_8.append(_block_c(channels, scale))
            channels = 6 * scaled(256, scale)
        parts: list[list[nn.Module]] = [stem, [*widening], [*at_35], [*at_17], at_8]
        self.features = nn.Sequential(*(module for part in parts for module in part))
        self.dropout = Dropout(config.dropout)
        self.last_linear = nn.Linear(channels, config.classes)
        self.stages = _stages([len(part) for part in parts])
        initialise_relu_network(self, last=self.last_linear)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        logits: Tensor = self.last_linear(self.dropout(self.features(images).mean((2, 3))))
        return logits


def _stages(counts: list[int]) -> dict[str, tuple[str, ...]]:
    """Stages of so many modules of `features` each, and the head."""
    stages, place = {}, 0
    for number, count in enumerate(counts):
        stages[f"stage{number}" if number else "stem"] = tuple(f"features.{each}" for each in range(place, place + count))
        place += count
    return stages | {"head": ("last_linear",)}


def _width(branches: list[Rows], scale: float) -> int:
    """The channels that branches give together."""
    return sum(scaled(rows[-1][0], scale) for rows in branches)


def _block(channels: int, branches: list[Rows], scale: float, *, pooled: bool = False) -> Branches:
    """A block; `pooled` adds a branch of 3×3 maxima with stride 2."""
    table = {f"branch{number}": _branch(channels, rows, scale) for number, rows in enumerate(branches)}
    return Branches(table | ({f"branch{len(branches)}": nn.MaxPool2d(3, 2)} if pooled else {}))


def _branch(channels: int, rows: Rows, scale: float) -> nn.Module:
    """Named as published: a branch of one row is a layer and no chain, and means count as a layer before theirs."""
    if rows[0][1] == "inner mean":
        return nn.Sequential(nn.Identity(), layer(channels, rows[0], scale))
    return layer(channels, rows[0], scale) if len(rows) == 1 else chain(channels, rows, scale)


def _block_c(channels: int, scale: float) -> Paths:
    forked = paths(channels, BLOCK_C, scale)
    means = _branch(channels, [(256, "inner mean")], scale)
    return Paths({**forked, "branch3": means}, [*forked.paths, ("branch3",)])


def _small(config: Config) -> bool:
    return small_stem(config.stem, config.size, up_to=SMALLEST_PHOTO - 1)


def smallest(config: Config) -> int:
    """The least size of which the unpadded convolutions and poolings leave something."""
    return SMALLEST if _small(config) else SMALLEST_PHOTO


def build(config: Config) -> InceptionV4:
    """The model with fresh weights."""
    return InceptionV4(config)
