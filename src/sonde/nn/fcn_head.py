"""The head of a fully convolutional network on a residual one: 3×3 convolution, batch norm, ReLU, dropout, 1×1 to the classes."""

from __future__ import annotations

from torch import nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout


def fcn_head(channels: int, classes: int) -> nn.Sequential:
    """(batch, channel, height, width) to logits (batch, class, height, width); a quarter of the channels between, at least one.

    State keys are torchvision's: `0`, `1` and `4`.
    """
    between = max(1, channels // 4)
    return nn.Sequential(
        nn.Conv2d(channels, between, 3, padding=1, bias=False),
        BatchNorm(between),
        nn.ReLU(),
        Dropout(0.1),
        nn.Conv2d(between, classes, 1),
    )
