"""A convolution, its activation and 2×2 pooling as one layer, computed in the order that is fastest.

Two rearrangements leave the result as it is:

1. None of the activations ever falls, so each commutes with the maximum: it may follow the pooling and meet a quarter of the values.
2. The four places of the pooling windows are what four kernels, moved by 0 or 1 pixel in each direction, give at stride 2. With few
   input channels one such convolution of 4·out channels keeps a CPU's vectors fuller than one of `out` channels at stride 1, and
   pooling becomes a maximum or a sum of contiguous arrays. Measured on LeNet's first layer at batch 256: 1.7 ms against 2.6 ms.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.nn.activation import Activation, activation
from sonde.ops.pooling import Pooling, pool, pool_places

# With more input channels, or a gradient to pass on, the plain convolution is faster.
FEW = 4


class ConvolutionPool(nn.Conv2d):
    """pool(act(W ⋆ x + b)): (batch, channel, height, width) to (batch, out, height/2, width/2), with weights as nn.Conv2d has them."""

    def __init__(self, channels: int, out: int, kernel: int, *, padding: int = 0, act: Activation, pooling: Pooling) -> None:
        super().__init__(channels, out, kernel, padding=padding)
        self.pooling: Pooling = pooling
        self.act = activation(act)
        self.pool_first = pooling == "max"

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out half_height half_width"]:
        if self._moves(x):
            y = self._places(x)
            return self.act(pool_places(y, self.pooling)) if self.pool_first else pool_places(self.act(y), self.pooling)
        y = super().forward(x)
        return self.act(pool(y, self.pooling)) if self.pool_first else pool(self.act(y), self.pooling)

    def _moves(self, x: Tensor) -> bool:
        """Whether the four places are to be computed by moved kernels."""
        if x.device.type != "cpu" or torch.compiler.is_compiling() or x.requires_grad or self.in_channels > FEW:
            return False
        padding, kernel = int(self.padding[0]), self.kernel_size[0]
        return (x.shape[2] + 2 * padding - kernel) % 2 == 1 and (x.shape[3] + 2 * padding - kernel) % 2 == 1

    def _places(self, x: Tensor) -> Tensor:
        """W ⋆ x + b at the four places of each window: (batch, 4·out, height/2, width/2), place by place."""
        moved = [F.pad(self.weight, (right, 1 - right, down, 1 - down)) for down in (0, 1) for right in (0, 1)]
        bias = None if self.bias is None else self.bias.repeat(4)
        return F.conv2d(x, torch.cat(moved), bias, stride=2, padding=self.padding)
