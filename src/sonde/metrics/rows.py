"""Measures that need every row at once."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class RowMetric(Protocol):
    """A measure that no sums hold (a rank statistic): computed once, from all rows gathered in example order."""

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which way is good."""
        ...

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """The measure, from the predictions and targets of all examples; NaN where it is undefined."""
        ...
