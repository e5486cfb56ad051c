"""Measures of several independent labels, each predicted where its logit is above 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.state import Measured, exact, known, zeros


@dataclass(frozen=True)
class LabelAccuracy:
    """Share of labels that are right: over all of them, or of one. State: right answers of each label, examples."""

    column: int | None = None
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(prediction.shape[1] + 1, like=prediction)
        state[:-1] = ((prediction > 0) == (known(batch) > 0.5)).sum(0)
        state[-1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        each = state[:-1] / state[-1]
        return float(each.mean() if self.column is None else each[self.column])


@dataclass(frozen=True)
class ExactMatch:
    """Share of examples whose labels are all right. State: (right, examples)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = ((prediction > 0) == (known(batch) > 0.5)).all(1).sum()
        state[1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class LabelLogLoss:
    """Mean binary cross-entropy of examples and labels, in nats. State: (sum, examples × labels)."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        logits = exact(prediction)
        total = F.binary_cross_entropy_with_logits(logits, exact(known(batch)), reduction="sum")
        return torch.stack([total, total.new_tensor(float(logits.numel()))])

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
