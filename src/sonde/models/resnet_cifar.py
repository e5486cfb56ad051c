"""The residual networks for CIFAR-10 (He et al. 2016, "Deep residual learning for image recognition", section 4.2).

6n + 2 layers: a 3×3 convolution, three stages of n blocks with 16, 32 and 64 channels, global average pooling, one
dense layer. Shortcuts have no parameters (the paper's option A): where the size halves, every second pixel is taken
and the new channels are 0. State keys follow the widely used ones of Y. Idelbayev's implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.initialise import initialise


@dataclass(frozen=True)
class Config:
    """`blocks` a stage (the n of 6n + 2) and the `width` of the first; `channels`, `size`, `classes` come from the data."""

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: int = 3
    width: int = 16


VARIANTS: dict[str, Config] = {
    "resnet20": Config(blocks=3),
    "resnet32": Config(blocks=5),
    "resnet44": Config(blocks=7),
    "resnet56": Config(blocks=9),
    "resnet110": Config(blocks=18),
}


class Block(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x))))))."""

    def __init__(self, channels_in: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = BatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm(channels)
        self.stride, self.added = stride, channels - channels_in

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.added:
            x = F.pad(x, (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        return x


class ResNetCIFAR(nn.Module):
    """Pictures of any size; made for 32×32."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv1", "bn1"),
        "stage1": ("layer1",),
        "stage2": ("layer2",),
        "stage3": ("layer3",),
        "head": ("linear",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.conv1 = nn.Conv2d(config.channels, width, 3, 1, 1, bias=False)
        self.bn1 = BatchNorm(width)
        self.layer1 = _stage(width, width, blocks=config.blocks, stride=1)
        self.layer2 = _stage(width, 2 * width, blocks=config.blocks, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, blocks=config.blocks, stride=2)
        self.linear = nn.Linear(4 * width, config.classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                initialise(module.weight, "he-normal")
        nn.init.zeros_(self.linear.bias)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def _stage(channels_in: int, channels: int, *, blocks: int, stride: int) -> nn.Sequential:
    first = Block(channels_in, channels, stride=stride)
    return nn.Sequential(first, *(Block(channels, channels, stride=1) for _ in range(blocks - 1)))


def build(config: Config) -> ResNetCIFAR:
    """The model with fresh weights."""
    return ResNetCIFAR(config)
