"""Pre-activation residual networks for small pictures (He et al. 2016, "Identity mappings in deep residual networks"), also wide.

Batch norm and ReLU stand before each convolution and nothing after the sum, so that a signal passes from the first block to
the last, and a gradient back, unchanged: 1,001 layers train. Three stages with 1, 2 and 4 times the width; 6n + 2 layers
with two 3×3 convolutions a block, 9n + 2 with bottlenecks. Shortcuts are 1×1 convolutions where the shape changes. The wide ones
(Zagoruyko & Komodakis 2016, "Wide residual networks") have few layers of many channels, and 6n + 4 counts their shortcuts too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise


@dataclass(frozen=True)
class Config:
    """`blocks` a stage (the n above), `width` of the first convolution and, times `widen`, of the first stage.

    `dropout` stands between the convolutions of a block. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: int = 18
    width: int = 16
    widen: int = 1
    bottleneck: bool = False
    dropout: float = 0.0


VARIANTS: dict[str, Config] = {
    "preresnet110": Config(blocks=18),
    "preresnet164": Config(blocks=18, bottleneck=True),
    "preresnet1001": Config(blocks=111, bottleneck=True),
    "wide-resnet16-4": Config(blocks=2, widen=4),
    "wide-resnet28-10": Config(blocks=4, widen=10),
}


class Block(nn.Module):
    """x + conv(relu(bn(…))), with two 3×3 convolutions, or 1×1, 3×3 and 1×1 to four times the width.

    Where the shape changes, the shortcut too starts from the normalised, rectified x.
    """

    def __init__(self, channels_in: int, width: int, *, stride: int, bottleneck: bool, dropout: float = 0.0) -> None:
        super().__init__()
        channels = 4 * width if bottleneck else width
        kernels = [(channels_in, width, 1, 1), (width, width, 3, stride), (width, channels, 1, 1)]
        if not bottleneck:
            kernels = [(channels_in, width, 3, stride), (width, width, 3, 1)]
        self.norms = nn.ModuleList(BatchNorm(before) for before, _, _, _ in kernels)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel, step, kernel // 2, bias=False) for before, after, kernel, step in kernels
        )
        self.dropout = Dropout(dropout)
        changes = stride > 1 or channels_in != channels
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        y = F.relu(self.norms[0](x))
        shortcut = x if self.shortcut is None else self.shortcut(y)
        y = self.convs[0](y)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            y = conv(self.dropout(F.relu(norm(y))))
        return shortcut + y


class PreResNet(nn.Module):
    """Pictures of any size; made for 32×32."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv1",),
        "stage1": ("layer1",),
        "stage2": ("layer2",),
        "stage3": ("layer3", "norm"),
        "head": ("linear",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, expansion = config.width * config.widen, 4 if config.bottleneck else 1
        self.conv1 = nn.Conv2d(config.channels, config.width, 3, 1, 1, bias=False)
        self.layer1 = _stage(config, config.width, width, stride=1)
        self.layer2 = _stage(config, width * expansion, 2 * width, stride=2)
        self.layer3 = _stage(config, 2 * width * expansion, 4 * width, stride=2)
        self.norm = BatchNorm(4 * width * expansion)
        self.linear = nn.Linear(4 * width * expansion, config.classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                initialise(module.weight, "he-normal")
        nn.init.zeros_(self.linear.bias)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        logits: Tensor = self.linear(F.relu(self.norm(x)).mean((2, 3)))
        return logits


def _stage(config: Config, channels_in: int, width: int, *, stride: int) -> nn.Sequential:
    channels = 4 * width if config.bottleneck else width
    sizes = [(channels_in, stride)] + [(channels, 1)] * (config.blocks - 1)
    blocks = (Block(before, width, stride=step, bottleneck=config.bottleneck, dropout=config.dropout) for before, step in sizes)
    return nn.Sequential(*blocks)


def build(config: Config) -> PreResNet:
    """The model with fresh weights."""
    return PreResNet(config)
