"""Activation functions by name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "sigmoid", "tanh", "centred-sigmoid", "hard-sigmoid", "linear"]


class CentredSigmoid(nn.Module):
    """4·sigmoid(x) − 2: it passes through 0 with slope 1, so that small signals keep their size (like tanh)."""

    def forward(self, x: Tensor) -> Tensor:
        return 4 * torch.sigmoid(x) - 2


class HardSigmoid(nn.Module):
    """min(max(x, 0), 1): two corners, from which any piecewise-linear curve can be put together."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0, 1)


def activation(name: Activation) -> nn.Module:
    """The module for a name; `linear` is the identity."""
    if name == "relu":
        return nn.ReLU()
    if name == "sigmoid":
        return nn.Sigmoid()
    if name == "tanh":
        return nn.Tanh()
    if name == "centred-sigmoid":
        return CentredSigmoid()
    if name == "hard-sigmoid":
        return HardSigmoid()
    if name == "linear":
        return nn.Identity()
    raise ValueError(f"there is no activation {name!r}: known are relu, sigmoid, tanh, centred-sigmoid, hard-sigmoid and linear")
