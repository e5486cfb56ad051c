"""F1: the harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, known, zeros


@dataclass(frozen=True)
class MacroF1:
    """Mean F1 of the classes that occur among targets or predictions. State: right, true and said counts of each class."""

    classes: int
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        right, true, said = (zeros(self.classes, like=prediction) for _ in range(3))
        targets, answers = known(batch).to(right.device), prediction.argmax(1).to(right.device)
        one = torch.ones_like(answers, dtype=right.dtype)
        right.index_add_(0, targets, (answers == targets).to(right))
        true.index_add_(0, targets, one)
        said.index_add_(0, answers, one)
        return torch.cat([right, true, said])

    def value(self, state: Tensor) -> float:
        right, true, said = state.chunk(3)
        both = true + said
        return float((2 * right / both)[both > 0].mean())


@dataclass(frozen=True)
class LabelF1:
    """F1 of independent labels, predicted where the logit is above 0: the mean over labels, or one label's own.

    A label that neither occurs nor is predicted counts 0. State: right, true and said counts of each label.
    """

    column: int | None = None
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        said, true = prediction > 0, known(batch) > 0.5
        counts = torch.cat([(said & true).sum(0), true.sum(0), said.sum(0)])
        return counts.to(zeros(0, like=prediction))

    def value(self, state: Tensor) -> float:
        right, true, said = state.chunk(3)
        each = 2 * right / (true + said).clamp(min=1)
        return float(each.mean() if self.column is None else each[self.column])
