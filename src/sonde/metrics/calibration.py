"""Calibration: is a class said with probability p right in a share p of the cases?

Expected calibration error as in Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2, with bins of
equal width over the probability of the predicted class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, exact, known


@dataclass(frozen=True)
class CalibrationError:
    """Σ over bins of (share of the examples in the bin) · |accuracy − mean confidence| there, 0 … 1.

    State: examples, sum of confidence and right answers of each bin.
    """

    bins: int = 15
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        confidence, answers = exact(prediction).softmax(1).max(1)
        right = (answers == known(batch).to(answers.device)).to(confidence)
        return reliability(confidence, right, bins=self.bins).flatten()

    def value(self, state: Tensor) -> float:
        count, confidence, right = state.view(3, self.bins)
        return float((right - confidence).abs().sum() / count.sum())


def reliability(confidence: Tensor, right: Tensor, *, bins: int) -> Tensor:
    """(3, bins) float64: examples, sum of confidence, right answers in each of `bins` equal steps from 0 to 1.

    `confidence` float64 (n,) in 0 … 1, `right` float64 (n,) of 0 and 1. A value on an edge belongs to the bin above.
    """
    place = (confidence * bins).long().clamp(0, bins - 1)
    rows = torch.stack([torch.ones_like(confidence), confidence, right])
    return rows.new_zeros(3, bins).index_add_(1, place, rows)
