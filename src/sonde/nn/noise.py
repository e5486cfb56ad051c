"""Gaussian noise on normalised inputs while training (Bishop 1995): on a linear model it acts as ridge with λ = σ²."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoisyInputs(nn.Module):
    """`normalise`, and in training N(0, σ²) added to the first of its outputs; category codes stay as they are."""

    def __init__(self, normalise: nn.Module, *, std: float) -> None:
        super().__init__()
        self.normalise, self.std = normalise, std

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Normalised inputs, noisy in training mode alone."""
        first, *others = self.normalise(*inputs)
        return (first + self.std * torch.randn_like(first) if self.training else first, *others)
