"""Making maps larger: transposed convolution that begins as bilinear interpolation (Long et al. 2015, section 3.3), padding to whole strides."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.initialise import initialise_bilinear


def transposed_length(length: int, *, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """n′ = s·n + k − 2p − s: what a transposed convolution makes of `length` n, with `padding` p a side."""
    return stride * length + kernel - 2 * padding - stride


class Enlarge(nn.Module):
    """Transposed convolution to exactly `factor` times the height and width, which begins as bilinear interpolation of each channel.

    The kernel is 2f − f mod 2 wide with stride f, so that neighbouring windows overlap by half. With `learnt` every channel may come to
    look at all others, weight (channel, channel, k, k); else the kernel stays what it is, a buffer (channel, 1, k, k) that is not saved.
    Beyond the edge of the map are zeros, so that the last f/2 pixels fade.
    """

    def __init__(self, channels: int, factor: int, *, learnt: bool) -> None:
        super().__init__()
        self.kernel, self.factor = 2 * factor - factor % 2, factor
        self.padding = (self.kernel - factor) // 2
        self.groups = 1 if learnt else channels
        made = nn.ConvTranspose2d(channels, channels, self.kernel, factor, self.padding, groups=self.groups, bias=False)
        if learnt:
            self.weight = nn.Parameter(made.weight.detach())
        else:
            self.register_buffer("weight", made.weight.detach(), persistent=False)
        initialise_bilinear(self.weight, groups=self.groups)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, factor={self.factor}, learnt={self.groups == 1}"

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel larger_height larger_width"]:
        return F.conv_transpose2d(x, self.weight, stride=self.factor, padding=self.padding, groups=self.groups)


def to_size(x: Float[Tensor, "batch channel height width"], like: Tensor) -> Float[Tensor, "batch channel new_height new_width"]:
    """The maps interpolated to the height and width of `like`, bilinear, pixels taken as squares (`align_corners` false)."""
    size = (like.shape[2], like.shape[3])
    return x if tuple(x.shape[2:]) == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def whole(x: Float[Tensor, "batch channel height width"], stride: int) -> Float[Tensor, "batch channel new_height new_width"]:
    """The pictures with rows and columns of zeros at bottom and right, so that height and width are multiples of `stride`."""
    height, width = x.shape[2:]
    below, right = -height % stride, -width % stride
    return F.pad(x, (0, right, 0, below)) if below or right else x
