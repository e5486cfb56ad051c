"""Network in network (Lin, Chen & Yan 2014): dense layers per pixel between the convolutions, no dense layer after them.

`nin` is the form for photographs, with AlexNet's convolutions, each followed by two of 1×1; `nin-cifar` the paper's own for CIFAR-10
(figure 2 and section 4.1; widths as the authors published them). In both the last block has one channel a class, and the mean over all
places is the logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem


@dataclass(frozen=True)
class Config:
    """`form`: the network for photographs or the one for CIFAR-10. All widths but the last are times `scale`.

    `stem` is that of the form for photographs: `photo` (11×11, stride 4) or `small` (5×5, stride 1), `auto` small up to 64 pixels.
    `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    form: Literal["photo", "cifar"] = "photo"
    dropout: float = 0.5
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"nin": Config(), "nin-cifar": Config(form="cifar")}


class NiN(nn.Module):
    """Blocks of one convolution and two of 1×1, each followed by a ReLU but the very last; pooling and dropout between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        small = small_stem(config.stem, config.size)
        table = _CIFAR if config.form == "cifar" else (_SMALL if small else _PHOTO, *_PHOTO_FURTHER)
        channels = config.channels
        blocks: list[nn.Sequential] = []
        for number, (kernel, stride, padding, widths) in enumerate(table, start=1):
            last = number == len(table)
            block = [scaled(width, config.scale) for width in widths] + ([config.classes] if last else [])
            blocks.append(_block(channels, block, kernel, stride=stride, padding=padding, last=last))
            channels = block[-1]
        self.blocks = nn.ModuleList(blocks)
        # As the authors': the second pooling of the network for CIFAR-10 takes means.
        means = {1} if config.form == "cifar" else set()
        pools = [(nn.AvgPool2d if place in means else nn.MaxPool2d)(3, 2, ceil_mode=True) for place in range(len(table) - 1)]
        everywhere = config.form == "cifar"
        dropped = [config.dropout if everywhere or place == len(pools) - 1 else 0.0 for place in range(len(pools))]
        self.between = nn.ModuleList(nn.Sequential(pool, Dropout(p)) for pool, p in zip(pools, dropped, strict=True))
        stages = ["stem", *(f"stage{number}" for number in range(1, len(table) - 1)), "head"]
        self.stages: dict[str, tuple[str, ...]] = {stage: (f"blocks.{place}",) for place, stage in enumerate(stages)}
        initialise_relu_network(self, last=blocks[-1][-1])

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        x = images
        for block, between in zip(self.blocks, self.between, strict=False):
            x = between(block(x))
        logits: Tensor = self.blocks[-1](x).mean((2, 3))
        return logits


# Of each block: kernel, stride and padding of its convolution, and the widths; the last block's third width is the classes.
_Row = tuple[int, int, int, tuple[int, ...]]
_PHOTO: _Row = (11, 4, 0, (96, 96, 96))
_SMALL: _Row = (5, 1, 2, (96, 96, 96))
_PHOTO_FURTHER: tuple[_Row, ...] = ((5, 1, 2, (256, 256, 256)), (3, 1, 1, (384, 384, 384)), (3, 1, 1, (1024, 1024)))
_CIFAR: tuple[_Row, ...] = ((5, 1, 2, (192, 160, 96)), (5, 1, 2, (192, 192, 192)), (3, 1, 1, (192, 192)))


def _block(channels: int, widths: list[int], kernel: int, *, stride: int, padding: int, last: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], kernel, stride, padding), nn.ReLU()]
    for before, width in pairwise(widths):
        layers += [nn.Conv2d(before, width, 1), nn.ReLU()]
    return nn.Sequential(*(layers[:-1] if last else layers))


def smallest(config: Config) -> int:
    """The least size: poolings of 3×3 with stride 2, rounded up, need 4 places for two of them and 8 for three."""
    if config.form == "cifar":
        return 4
    return 8 if small_stem(config.stem, config.size) else 7 * 4 + 11


def build(config: Config) -> NiN:
    """The model with fresh weights."""
    return NiN(config)
