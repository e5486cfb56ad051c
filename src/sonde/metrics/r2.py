"""Coefficient of determination R²: the share of the target's variance that predictions account for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, exact, known, zeros


@dataclass(frozen=True)
class R2:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², the mean over the outputs; 0 for the mean itself, below 0 for worse.

    A constant target counts 1 where it is met exactly, else 0, as in scikit-learn. `centre`: a value near each output's
    mean (default 0); Σ(y − ȳ)² is summed around it, so that targets far from 0 do not lose their digits.
    State: for each output Σ(y − ŷ)², Σ(y − centre)², Σ(y − centre), and examples.
    """

    centre: tuple[float, ...] = ()
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        targets = exact(known(batch))
        off = targets - targets.new_tensor(self.centre) if self.centre else targets
        state = zeros(3 * targets.shape[1] + 1, like=prediction)
        state[:-1] = torch.cat([(targets - exact(prediction)).square().sum(0), off.square().sum(0), off.sum(0)])
        state[-1] = len(targets)
        return state

    def value(self, state: Tensor) -> float:
        error, square, total = state[:-1].chunk(3)
        spread = square - total.square() / state[-1]
        # Rounding leaves a constant target a spread of about ε·Σy² rather than 0.
        constant = spread <= 1e-14 * square
        each = torch.where(constant, (error == 0).double(), 1 - error / torch.where(constant, 1.0, spread))
        return float(each.mean())
