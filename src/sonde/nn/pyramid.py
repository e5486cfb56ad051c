"""The feature pyramid (Lin et al. 2017, "Feature pyramid networks for object detection"): maps of several scales, all of them rich.

    P_i = conv3×3(M_i),   M_i = conv1×1(C_i) + M_{i+1} doubled in size,   and one more level, every second place of the coarsest P

State keys are torchvision's: inner_blocks.i.0 are the 1×1 convolutions, layer_blocks.i.0 the 3×3 ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Maps = list[Float[Tensor, "batch _channel _height _width"]]


class FeaturePyramid(nn.Module):
    """Maps of `channels` (the finest first), each half the size of the one before → one map more, all of `width` channels."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(count, width, 1)) for count in channels)
        self.layer_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(width, width, 3, padding=1)) for _ in channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)  # no ReLU follows
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, maps: Maps) -> Maps:
        """See above; the order is that of the input, the further level last."""
        inner = [block(x) for block, x in zip(self.inner_blocks, maps, strict=True)]
        merged = [inner[-1]]
        for x in reversed(inner[:-1]):
            merged.insert(0, x + F.interpolate(merged[0], size=x.shape[-2:], mode="nearest"))
        found = [block(x) for block, x in zip(self.layer_blocks, merged, strict=True)]
        return [*found, F.max_pool2d(found[-1], 1, 2)]


@runtime_checkable
class Backbone(Protocol):
    """A body for photographs, of which the maps of its stages are used: `widths` channels each, the finest first."""

    widths: tuple[int, ...]

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (batch, channel, height, width) → maps, each half the size of the one before."""
        ...


class PyramidBody(nn.Module):
    """A body and the pyramid of its maps: keys body.… and fpn.…"""

    def __init__(self, body: Backbone, width: int) -> None:
        super().__init__()
        self.body: Any = body
        self.fpn = FeaturePyramid(body.widths, width)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Maps:
        """The levels of the pyramid, the finest first."""
        levels: Maps = self.fpn(list(self.body.maps(images)))
        return levels
