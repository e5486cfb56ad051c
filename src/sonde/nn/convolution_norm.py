"""Convolution, batch norm and ReLU as one layer: the brick of the Inception networks."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm

# 3×3 means, over nine places with zeros beyond the edge, or over those inside alone.
Mean = Literal["padded", "inside"]


class ConvolutionNorm(nn.Module):
    """relu(bn(W ⋆ x)) with ε = 0.001, or relu(W ⋆ x + b) where `norm` is false. State keys `conv.…` and `bn.…`.

    `kernel` is (height, width), or one number for both. Padding keeps the size at stride 1; `valid` leaves it out. `mean` takes 3×3
    means at stride 1 first, as Inception's pooling branches do before their 1×1 convolution. The two commute, so the means are taken
    after it, of a fraction of the channels.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        valid: bool = False,
        norm: bool = True,
        mean: Mean | None = None,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        if mean is not None and (height, width, stride, norm) != (1, 1, 1, True):
            raise ValueError("only a 1×1 convolution at stride 1 and without bias commutes with means")
        padding = (0, 0) if valid else (height // 2, width // 2)
        self.conv = nn.Conv2d(channels, out, (height, width), stride, padding, bias=not norm)
        self.bn = BatchNorm(out, eps=1e-3) if norm else None
        self.mean: Mean | None = mean

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        y = self.conv(x)
        if self.mean is not None:
            y = F.avg_pool2d(y, 3, 1, 1, count_include_pad=self.mean == "padded")
        return F.relu(y if self.bn is None else self.bn(y))
