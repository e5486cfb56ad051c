"""Persistence: tomorrow is as today. What a forecast must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, exact, known, zeros


@dataclass(frozen=True)
class PersistenceMAE:
    """Mean absolute error of repeating the window's last value, whatever the model says. State: (sum, values).

    The first input is the raw window (batch, window), the latest value last.
    """

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        targets = exact(known(batch))
        state[0] = (targets - exact(batch.inputs[0])[:, -1:]).abs().sum()
        state[1] = targets.numel()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class Skill:
    """1 − MAE / persistence's MAE: 0.1 means an error 10 % smaller, below 0 one that is larger. State: both sums."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        targets = exact(known(batch))
        error = (targets - exact(prediction)).abs().sum()
        return torch.stack([error, (targets - exact(batch.inputs[0])[:, -1:]).abs().sum()])

    def value(self, state: Tensor) -> float:
        return float(1 - state[0] / state[1])
