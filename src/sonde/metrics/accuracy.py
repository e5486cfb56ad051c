"""Accuracy: the share of examples whose largest logit is the right class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, known, zeros


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers, 0 … 1. State: (right, examples)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = (prediction.argmax(1) == known(batch)).sum()
        state[1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class TopK:
    """Share of examples whose class is among the `k` largest logits. State: (right, examples)."""

    k: int = 5
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        largest = prediction.topk(self.k, dim=1).indices
        state[0] = (largest == known(batch)[:, None]).any(1).sum()
        state[1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class BalancedAccuracy:
    """Mean over the classes of the share of each that is found (recall), over the classes that occur.

    A classifier that always says the commonest of C classes scores 1/C. State: found of each class, examples of each.
    """

    classes: int
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        targets = known(batch)
        found, total = zeros(self.classes, like=prediction), zeros(self.classes, like=prediction)
        right = (prediction.argmax(1) == targets).to(found)
        targets = targets.to(found.device)
        found.index_add_(0, targets, right)
        total.index_add_(0, targets, torch.ones_like(right))
        return torch.cat([found, total])

    def value(self, state: Tensor) -> float:
        found, total = state.chunk(2)
        return float((found / total)[total > 0].mean())
