"""Errors of numbers: RMSE, MAE, RMSLE, MAPE. Each is the mean over the outputs of that output's own error.

Predictions and targets are (batch, output), in the units of the data. State of each: a sum for every output, examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, exact, known, zeros

# Where a target is 0, its relative error is taken of this, as scikit-learn does.
_SMALLEST = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class RMSE:
    """Root mean squared error √(1/n Σ(y − ŷ)²), in the target's units."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return _sums((exact(prediction) - exact(known(batch))).square())

    def value(self, state: Tensor) -> float:
        return float((state[:-1] / state[-1]).sqrt().mean())


@dataclass(frozen=True)
class MAE:
    """Mean absolute error 1/n Σ|y − ŷ|, in the target's units."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return _sums((exact(prediction) - exact(known(batch))).abs())

    def value(self, state: Tensor) -> float:
        return float((state[:-1] / state[-1]).mean())


@dataclass(frozen=True)
class RMSLE:
    """Root mean squared logarithmic error √(1/n Σ(ln(1+y) − ln(1+ŷ))²): relative errors, for targets of 0 or more.

    A prediction below 0 counts as 0.
    """

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return _sums((exact(prediction).clamp(min=0).log1p() - exact(known(batch)).log1p()).square())

    def value(self, state: Tensor) -> float:
        return float((state[:-1] / state[-1]).sqrt().mean())


@dataclass(frozen=True)
class MAPE:
    """Mean absolute percentage error 1/n Σ|y − ŷ|/|y|, as a share (0.1 is 10 %), for targets well away from 0."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        targets = exact(known(batch))
        return _sums((exact(prediction) - targets).abs() / targets.abs().clamp(min=_SMALLEST))

    def value(self, state: Tensor) -> float:
        return float((state[:-1] / state[-1]).mean())


def _sums(errors: Tensor) -> Tensor:
    """(output + 1,): each output's sum over the batch, and the number of examples."""
    state = zeros(errors.shape[1] + 1, like=errors)
    state[:-1] = errors.sum(0)
    state[-1] = len(errors)
    return state
