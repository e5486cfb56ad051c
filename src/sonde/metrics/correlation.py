"""Correlation of predictions with targets (Pearson 1895): how well one is a straight line of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import exact


@dataclass(frozen=True)
class Pearson:
    """Σ(y − ȳ)(ŷ − ŷ̄) / √(Σ(y − ȳ)² Σ(ŷ − ŷ̄)²), −1 … 1, the mean over the outputs; NaN where either is constant.

    From all rows at once: sums of squares would lose the digits of targets that are far from 0.
    """

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """The measure of predictions and targets (example, output)."""
        p, t = exact(predictions), exact(targets)
        p, t = p - p.mean(0), t - t.mean(0)
        spread = (p.square().sum(0) * t.square().sum(0)).sqrt()
        return float(torch.where(spread > 0, (p * t).sum(0) / spread, torch.nan).mean())
