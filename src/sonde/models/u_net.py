"""U-Net (Ronneberger, Fischer & Brox 2015, "U-Net: convolutional networks for biomedical image segmentation").

A path down, two 3×3 convolutions a level and 2×2 maxima between them, and a path up, where a 2×2 transposed convolution doubles the map and
the level's own from the way down is put beside it, so that what is seen and where it is meet again. The paper's convolutions are not
padded and its maps therefore shrink and are cropped; here they are padded, so that the answer is as large as the picture.

`u-net` has the paper's widths. `u-net-small` trains on two cores: batch norm, widths that grow slowly, and a stem that halves the picture first,
whose half-size logits are enlarged by bilinear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.enlarge import to_size, whole
from sonde.nn.initialise import initialise_relu_network


@dataclass(frozen=True)
class Config:
    """`widths` of the levels, from the picture's own size downwards. `channels`, `size` (the longer side) and `classes` come from the data.

    `halve`: whether a 5×5 convolution with stride 2 comes first. `dropout` at the end of the way down, as in the paper.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    batch_norm: bool = False
    halve: bool = False
    dropout: float = 0.5


VARIANTS: dict[str, Config] = {
    "u-net": Config(),
    "u-net-small": Config(widths=(32, 64, 96, 128, 160), batch_norm=True, halve=True, dropout=0.2),
}


class UNet(nn.Module):
    """`stem` (where there is one), `down`, `doubling` and `up` by level, and the 1×1 convolution `classifier`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, norm = config.widths, config.batch_norm
        self.stem = _block(config.channels, widths[0], kernel=5, stride=2, norm=norm) if config.halve else None
        before = (widths[0] if config.halve else config.channels, *widths)
        self.down = nn.ModuleList([_two(into, out, norm=norm) for into, out in zip(before, widths, strict=False)])
        self.dropout = Dropout(config.dropout)
        self.doubling = nn.ModuleList([nn.ConvTranspose2d(below, width, 2, 2) for width, below in pairwise(widths)])
        self.up = nn.ModuleList([_two(2 * width, width, norm=norm) for width in widths[:-1]])
        self.classifier = nn.Conv2d(widths[0], config.classes, 1)
        self.stride = 2 ** (len(widths) - 1 + config.halve)
        self.stages = {
            "stem": ("stem", "down.0") if config.halve else ("down.0",),
            **{f"stage{level}": (f"down.{level}",) for level in range(1, len(widths))},
            "head": ("doubling", "up", "classifier"),
        }
        initialise_relu_network(self, last=self.classifier)

    def forward(self, pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class height width"]:
        """Logits of each pixel; pictures of any size, which are padded to whole strides."""
        full = whole(pictures, self.stride)
        x = full if self.stem is None else self.stem(full)
        passed: list[Tensor] = []
        for level, convolutions in enumerate(self.down):
            x = convolutions(F.max_pool2d(x, 2) if level else x)
            passed.append(x)
        x = self.dropout(passed.pop())
        for level in reversed(range(len(passed))):
            x = self.up[level](torch.cat([passed[level], self.doubling[level](x)], dim=1))
        logits = to_size(self.classifier(x), full)
        return logits[:, :, : pictures.shape[2], : pictures.shape[3]]


def _block(channels: int, out: int, *, kernel: int = 3, stride: int = 1, norm: bool) -> nn.Sequential:
    """Convolution, batch norm where asked for, ReLU."""
    convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=not norm)
    return nn.Sequential(convolution, BatchNorm(out) if norm else nn.Identity(), nn.ReLU())


def _two(channels: int, out: int, *, norm: bool) -> nn.Sequential:
    return nn.Sequential(_block(channels, out, norm=norm), _block(out, out, norm=norm))


def build(config: Config) -> UNet:
    """The model with fresh weights."""
    return UNet(config)
