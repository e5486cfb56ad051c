"""The networks of airbench, made to learn CIFAR-10 fast (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3).

A frozen convolution whitens 2×2 patches, GELU follows; then three blocks of 3×3 convolutions with max pooling, batch norm and GELU, whose
first filters begin as the identity (section 3.2); logits are the largest values of each channel times a matrix, over 9. The paper's optimiser
belongs to the recipe: Nesterov momentum, label smoothing, biases that learn 64 times as fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.initialise import initialise
from sonde.ops.pooling import pool

# Two for the whitening, and three times half of what is left must leave something.
SMALLEST = 9
# The paper's: ε of the whitening, running statistics that keep 0.6 a step, and logits over 9.
EPSILON = 5e-4
MOMENTUM = 0.4
LOGITS = 1 / 9
# Pictures whose patches are looked at together.
BLOCK = 1_000

Views = Literal["one", "mirror", "mirror-shift"]


@dataclass(frozen=True)
class Config:
    """`widths`: channels of each block. `convolutions` a block; where there are three, a shortcut leads past the last two.

    `views`: what is averaged in evaluation. `one`: the picture's logits. `mirror`: those of the picture and its mirror
    image (section 3.5). `mirror-shift`: half of that, and a quarter each of the same moved by a pixel up and left, and down
    and right; six times the work. `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    widths: tuple[int, int, int] = (64, 256, 256)
    convolutions: Literal[2, 3] = 2
    views: Views = "one"


VARIANTS: dict[str, Config] = {
    "airbench94": Config(),
    "airbench95": Config(widths=(128, 384, 384)),
    "airbench96": Config(widths=(128, 512, 512), convolutions=3),
}


class Whitening(nn.Module):
    """A 2×2 convolution to 8·channel values: the principal directions of the patches, each to variance 1, and their negatives.

    The filters are a buffer: they are computed once (`fit`) and never trained; the shifts are.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(8 * channels, channels, 2, 2))
        # With three axes it counts as a weight: as in the paper it learns at the filters' rate, not at that of the norms' shifts.
        self.bias = nn.Parameter(torch.zeros(8 * channels, 1, 1))
        initialise(self.weight, "he-normal")

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        return F.conv2d(x, self.weight) + self.bias

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Set the filters from the 2×2 patches p of all `batches` (batch, channel, height, width).

        With C = mean(p pᵀ) = Σ λᵢ vᵢ vᵢᵀ they are vᵢ/√(λᵢ + ε), the largest λ first, then the negatives of these. The largest
        number of a vᵢ is positive, so that rounding does not choose its sign.
        """
        size = self.weight[0].numel()
        exact = torch.float32 if self.weight.device.type == "mps" else torch.float64
        total = torch.zeros(size, size, dtype=exact, device=self.weight.device)
        count = 0
        for images in batches:
            for block in images.split(BLOCK):
                patches = F.unfold(block, 2).transpose(0, 1).flatten(1).to(exact)
                total += patches @ patches.T
                count += patches.shape[1]
        values, vectors = torch.linalg.eigh(total / max(count, 1))
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        rows = (vectors * largest.sign() / (values.clamp(min=0) + EPSILON).sqrt()).T.flip(0)
        self.weight.copy_(torch.cat([rows, -rows]).view_as(self.weight))


class Block(nn.Module):
    """gelu(bn(pool(conv(x)))), then gelu(bn(conv(·))), and of three gelu(bn(conv(·)) + what the pooling gave)."""

    def __init__(self, channels_in: int, channels: int, *, convolutions: int) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.conv1 = _convolution(channels_in, channels)
        self.norm1 = _norm(channels)
        self.conv2 = _convolution(channels, channels)
        self.norm2 = _norm(channels)
        if convolutions == 3:
            self.conv3 = _convolution(channels, channels)
            self.norm3 = _norm(channels)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        x = F.gelu(self.norm1(pool(self.conv1(x), "max")))
        y = F.gelu(self.norm2(self.conv2(x)))
        return F.gelu(self.norm3(self.conv3(y)) + x) if self.convolutions == 3 else y


class Airbench(nn.Module):
    """Pictures of at least 9×9; made for 32×32."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("whiten",),
        "stage1": ("layer1",),
        "stage2": ("layer2",),
        "stage3": ("layer3",),
        "head": ("linear",),
    }

    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second, third = config.widths
        self.views: Views = config.views
        self.whiten = Whitening(config.channels)
        self.layer1 = Block(8 * config.channels, first, convolutions=config.convolutions)
        self.layer2 = Block(first, second, convolutions=config.convolutions)
        self.layer3 = Block(second, third, convolutions=config.convolutions)
        self.linear = nn.Linear(third, config.classes, bias=False)

    def start(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]]) -> None:
        """Fit the whitening to all training pictures, as they are without augmentation."""
        self.whiten.fit(inputs[0] for inputs, _ in batches)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images to logits; in evaluation the mean over `views`."""
        if self.training or self.views == "one":
            return self.logits(images)
        plain = self._mirrored(images)
        if self.views == "mirror":
            return plain
        return plain / 2 + (self._mirrored(_moved(images, up=True)) + self._mirrored(_moved(images, up=False))) / 4

    def logits(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """The logits of the pictures as they stand."""
        x = self.layer3(self.layer2(self.layer1(F.gelu(self.whiten(images)))))
        logits: Tensor = self.linear(F.adaptive_max_pool2d(x, 1).flatten(1))
        return logits * LOGITS

    def _mirrored(self, images: Tensor) -> Tensor:
        return (self.logits(images) + self.logits(images.flip(3))) / 2


def smallest(config: Config) -> int:
    """Least height and width in pixels."""
    return SMALLEST


def _convolution(channels_in: int, channels: int) -> nn.Conv2d:
    """3×3 without bias, drawn as PyTorch does; then the first filters hand their own input channel on (Zagoruyko & Komodakis 2017)."""
    convolution = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
    initialise(convolution.weight, "default")
    nn.init.dirac_(convolution.weight.data[:channels_in])
    return convolution


def _norm(channels: int) -> BatchNorm:
    return BatchNorm(channels, eps=1e-12, momentum=MOMENTUM, scale=False)


def _moved(images: Tensor, *, up: bool) -> Tensor:
    """Moved by a pixel up and left (or down and right); what comes in at the edge is the row, or column, next to it, mirrored."""
    for axis in (2, 3):
        last = images.shape[axis] - 1
        if up:
            images = torch.cat([images.narrow(axis, 1, last), images.narrow(axis, last - 1, 1)], axis)
        else:
            images = torch.cat([images.narrow(axis, 1, 1), images.narrow(axis, 0, last)], axis)
    return images


def build(config: Config) -> Airbench:
    """The model with fresh weights; its whitening waits for `start`."""
    return Airbench(config)
