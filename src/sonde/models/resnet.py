"""Residual networks for photographs (He et al. 2016, "Deep residual learning for image recognition"), also with wide bottlenecks.

The wide ones double the channels of each bottleneck's 3×3 convolution (Zagoruyko & Komodakis 2016, "Wide residual networks"). State keys
and parameter counts are torchvision's, so that its published weights load. As there, the bottleneck's stride sits in its 3×3 convolution
("ResNet v1.5").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.initialise import initialise
from sonde.nn.sizes import SMALL, Stem, small_stem

# A size with which the stems `auto` and `light` are those for large pictures, as backbones have them whatever they read.
LARGE = SMALL + 1


@dataclass(frozen=True)
class Config:
    """`blocks` of the four stages, `width` of the first one; inside a bottleneck it is `widen` times that.

    `stem`: `photo` (7×7, stride 2, then pooling: 1/4 of the size), `small` (3×3, stride 1, no pooling), or `auto`: small
    up to 64 pixels; `light` (3×3, stride 2, and above 64 pixels pooling) lets weights learnt on small pictures serve for large ones.
    The keys are the same. `zero_last` starts each block's last γ at 0, so that the block begins as the
    identity (Goyal et al. 2017, section 5.1). `replace_stride_with_dilation`: which of the last three stages keep the size of
    what they are given and spread their 3×3 kernels instead (Chen et al. 2017, section 3.1), for maps that say where things are.
    `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    bottleneck: bool = False
    width: int = 64
    widen: int = 1
    stem: Stem | Literal["light"] = "auto"
    zero_last: bool = True
    replace_stride_with_dilation: tuple[bool, bool, bool] = (False, False, False)


VARIANTS: dict[str, Config] = {
    "resnet18": Config(blocks=(2, 2, 2, 2)),
    "resnet18-light": Config(blocks=(2, 2, 2, 2), width=32, stem="light"),
    "resnet34": Config(blocks=(3, 4, 6, 3)),
    "resnet50": Config(blocks=(3, 4, 6, 3), bottleneck=True),
    "resnet101": Config(blocks=(3, 4, 23, 3), bottleneck=True),
    "resnet152": Config(blocks=(3, 8, 36, 3), bottleneck=True),
    "wide-resnet50-2": Config(blocks=(3, 4, 6, 3), bottleneck=True, widen=2),
    "wide-resnet101-2": Config(blocks=(3, 4, 23, 3), bottleneck=True, widen=2),
}


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, width: int, *, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = BatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = BatchNorm(width)
        self.downsample = _shortcut(channels_in, width, stride=stride)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1×1 to `widen`·`width` channels, 3×3, 1×1 to 4·`width`, and a shortcut."""

    def __init__(self, channels_in: int, width: int, *, stride: int, widen: int = 1, dilation: int = 1) -> None:
        super().__init__()
        inner = widen * width
        self.conv1 = nn.Conv2d(channels_in, inner, 1, bias=False)
        self.bn1 = BatchNorm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, dilation, dilation, bias=False)
        self.bn2 = BatchNorm(inner)
        self.conv3 = nn.Conv2d(inner, 4 * width, 1, bias=False)
        self.bn3 = BatchNorm(4 * width)
        self.downsample = _shortcut(channels_in, 4 * width, stride=stride)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Stem, four stages with 1, 2, 4 and 8 times the width, global average pooling, one dense layer.

    Without `head` there is no dense layer: a backbone, of which `maps` is used.
    """

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv1", "bn1"),
        "stage1": ("layer1",),
        "stage2": ("layer2",),
        "stage3": ("layer3",),
        "stage4": ("layer4",),
        "head": ("fc",),
    }

    def __init__(self, config: Config, *, head: bool = True) -> None:
        super().__init__()
        width, expansion = config.width, 4 if config.bottleneck else 1
        light = config.stem == "light"
        small = not light and small_stem(config.stem, config.size)  # type: ignore[arg-type]
        kernel, stride, padding = (3, 2, 1) if light else (3, 1, 1) if small else (7, 2, 3)
        self.conv1 = nn.Conv2d(config.channels, width, kernel, stride, padding, bias=False)
        self.bn1 = BatchNorm(width)
        whole = small or (light and config.size <= SMALL)
        self.pool = nn.Identity() if whole else nn.MaxPool2d(3, 2, 1)
        self.widths = tuple(width * times * expansion for times in (1, 2, 4, 8))
        self.layer1 = _stage(config, width, number=1)
        self.layer2 = _stage(config, self.widths[0], number=2)
        self.layer3 = _stage(config, self.widths[1], number=3)
        self.layer4 = _stage(config, self.widths[2], number=4)
        self.fc = nn.Linear(self.widths[3], config.classes) if head else None
        self._initialise(zero_last=config.zero_last)

    def _initialise(self, *, zero_last: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero_last and isinstance(module, (BasicBlock, Bottleneck)):
                nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)
        if self.fc is not None:
            initialise(self.fc.weight, "default")
            nn.init.zeros_(self.fc.bias)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        if self.fc is None:
            raise ValueError("a backbone has no classes: use `maps`")
        logits: Tensor = self.fc(self.maps(images)[3].mean((2, 3)))
        return logits

    def maps(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the four stages give, (batch, `widths`, height/s, width/s), s = 4, 8, 16 and 32 with the stem for photographs and no dilation."""
        one = self.layer1(self.pool(F.relu(self.bn1(self.conv1(images)))))
        two = self.layer2(one)
        three = self.layer3(two)
        return one, two, three, self.layer4(three)


def _shortcut(channels_in: int, channels: int, *, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels_in == channels:
        return None
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), BatchNorm(channels))


def _stage(config: Config, channels_in: int, *, number: int) -> nn.Sequential:
    """Stage `number` of 1 … 4. Where it does not halve, its first block still has the dilation of the stage before (as in torchvision)."""
    width, dilated = config.width * 2 ** (number - 1), (False, *config.replace_stride_with_dilation)
    dilation, before = 2 ** sum(dilated[:number]), 2 ** sum(dilated[: number - 1])
    stride = 1 if number == 1 or dilated[number - 1] else 2

    def block(channels: int, stride: int, dilation: int) -> BasicBlock | Bottleneck:
        if config.bottleneck:
            return Bottleneck(channels, width, stride=stride, widen=config.widen, dilation=dilation)
        return BasicBlock(channels, width, stride=stride, dilation=dilation)

    channels = 4 * width if config.bottleneck else width
    return nn.Sequential(block(channels_in, stride, before), *(block(channels, 1, dilation) for _ in range(config.blocks[number - 1] - 1)))


def build(config: Config) -> ResNet:
    """The model with fresh weights."""
    return ResNet(config)
