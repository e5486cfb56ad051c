"""GoogLeNet, Inception v1 (Szegedy et al. 2015, "Going deeper with convolutions", table 1).

Five stages with nine Inception blocks, and 1,024 features at the end. `googlenet` is torchvision's form, with its keys: batch norm after
each convolution, and 3×3 where the paper has 5×5. `googlenet-paper` has the 5×5 branch, biases and local response normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.branches import Branches
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.sizes import Stem, scaled, small_stem
from sonde.ops.local_response_norm import local_response_norm

# What the auxiliary classifiers' losses weigh (section 5).
AUXILIARY_WEIGHT = 0.3


@dataclass(frozen=True)
class Config:
    """`form`: torchvision's or the paper's. All widths are times `scale`.

    `auxiliary`: two more classifiers, after blocks 4a and 4d, that only training hears. Before a classifier's last layer `dropout`
    of the values are dropped, before an auxiliary one's `auxiliary_dropout`; None is what the form says: 0.2 (torchvision) or 0.4
    (paper), and 0.7. `stem`: `photo` (7×7, stride 2, then pooling) or `small` (3×3, stride 1, no pooling), `auto` small up to 64
    pixels; the keys are the same. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    form: Literal["torchvision", "paper"] = "torchvision"
    auxiliary: bool = False
    dropout: float | None = None
    auxiliary_dropout: float = 0.7
    stem: Stem = "auto"
    scale: float = 1.0


VARIANTS: dict[str, Config] = {"googlenet": Config(), "googlenet-paper": Config(form="paper")}

# Widths of the branches: 1×1; 1×1 → 3×3; 1×1 → 5×5; pooling → 1×1.
BLOCKS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def inception(channels: int, widths: tuple[int, int, int, int, int, int], *, paper: bool, scale: float) -> Branches:
    """The block of figure 2b. Its output has the widths of the 1×1, 3×3, 5×5 and pooling branches together."""
    one, before_three, three, before_five, five, pooled = (scaled(width, scale) for width in widths)
    norm = not paper
    return Branches(
        {
            "branch1": ConvolutionNorm(channels, one, 1, norm=norm),
            "branch2": nn.Sequential(ConvolutionNorm(channels, before_three, 1, norm=norm), ConvolutionNorm(before_three, three, 3, norm=norm)),
            "branch3": nn.Sequential(
                ConvolutionNorm(channels, before_five, 1, norm=norm), ConvolutionNorm(before_five, five, 5 if paper else 3, norm=norm)
            ),
            "branch4": nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvolutionNorm(channels, pooled, 1, norm=norm)),
        }
    )


class Auxiliary(nn.Module):
    """A classifier half-way: means over a 4×4 grid, 1×1 convolution, two dense layers."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        width, dense = scaled(128, config.scale), scaled(1024, config.scale)
        self.conv = ConvolutionNorm(channels, width, 1, norm=config.form != "paper")
        self.fc1 = nn.Linear(16 * width, dense)
        self.fc2 = nn.Linear(dense, config.classes)
        self.dropout = Dropout(config.auxiliary_dropout)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        y = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        logits: Tensor = self.fc2(self.dropout(F.relu(self.fc1(y))))
        return logits


class GoogLeNet(nn.Module):
    """Stages 1 and 2 of plain convolutions, 3 to 5 of Inception blocks, global average pooling, one dense layer.

    `stem` stands for stage 1 of the paper, `stage1` for its stage 2, and so on.
    """

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("conv1",),
        "stage1": ("conv2", "conv3"),
        "stage2": ("inception3a", "inception3b"),
        "stage3": tuple(f"inception4{letter}" for letter in "abcde"),
        "stage4": ("inception5a", "inception5b"),
        "head": ("aux1", "aux2", "fc"),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.paper, scale = config.form == "paper", config.scale
        self.small = small_stem(config.stem, config.size)
        kernel, stride = (3, 1) if self.small else (7, 2)
        channels = scaled(64, scale)
        self.conv1 = ConvolutionNorm(config.channels, channels, kernel, stride=stride, norm=not self.paper)
        self.conv2 = ConvolutionNorm(channels, channels, 1, norm=not self.paper)
        self.conv3 = ConvolutionNorm(channels, scaled(192, scale), 3, norm=not self.paper)
        self._width = scaled(192, scale)
        self.inception3a = self._block(config, "3a")
        self.inception3b = self._block(config, "3b")
        self.inception4a = self._block(config, "4a")
        self.aux1 = Auxiliary(self._width, config) if config.auxiliary else None
        self.inception4b = self._block(config, "4b")
        self.inception4c = self._block(config, "4c")
        self.inception4d = self._block(config, "4d")
        self.aux2 = Auxiliary(self._width, config) if config.auxiliary else None
        self.inception4e = self._block(config, "4e")
        self.inception5a = self._block(config, "5a")
        self.inception5b = self._block(config, "5b")
        self.dropout = Dropout((0.4 if self.paper else 0.2) if config.dropout is None else config.dropout)
        self.fc = nn.Linear(self._width, config.classes)
        initialise_relu_network(self, last=self.fc)

    def _block(self, config: Config, name: str) -> Branches:
        """The next block; its width is that of the one after it."""
        block = inception(self._width, BLOCKS[name], paper=self.paper, scale=config.scale)
        one, _, three, _, five, pooled = BLOCKS[name]
        self._width = sum(scaled(width, config.scale) for width in (one, three, five, pooled))
        return block

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits."""
        return self._logits(self._maps(images)[2])

    def all_outputs(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> tuple[Float[Tensor, "batch class"], tuple[tuple[float, Float[Tensor, "batch class"]], ...]]:
        """Logits, and the auxiliary ones with the weights of their losses, for training."""
        early, middle, last = self._maps(images)
        found = [(head, x) for head, x in ((self.aux1, early), (self.aux2, middle)) if head is not None]
        return self._logits(last), tuple((AUXILIARY_WEIGHT, head(x)) for head, x in found)

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(x.mean((2, 3))))
        return logits

    def _maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What blocks 4a, 4d and 5b give."""
        x = self.conv1(images)
        x = self._normalised(x if self.small else _halved(x))
        x = _halved(self._normalised(self.conv3(self.conv2(x))))
        x = _halved(self.inception3b(self.inception3a(x)))
        early = self.inception4a(x)
        middle = self.inception4d(self.inception4c(self.inception4b(early)))
        x = _halved(self.inception4e(middle), kernel=3 if self.paper else 2)
        return early, middle, self.inception5b(self.inception5a(x))

    def _normalised(self, x: Tensor) -> Tensor:
        return local_response_norm(x) if self.paper else x


def _halved(x: Tensor, kernel: int = 3) -> Tensor:
    """Maxima with stride 2, the size rounded up."""
    return F.max_pool2d(x, kernel, 2, ceil_mode=True)


def smallest(config: Config) -> int:
    """The least size that no pooling empties: all but torchvision's last halve, rounded down, and that one rounds up."""
    poolings = (2 if small_stem(config.stem, config.size) else 3) + (config.form == "paper")
    least: int = 2**poolings
    return least if small_stem(config.stem, config.size) else 2 * least - 1


def build(config: Config) -> GoogLeNet:
    """The model with fresh weights."""
    return GoogLeNet(config)
