"""Measures that need every row at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class RowMetric(Protocol):
    """A measure that no sums hold (a rank statistic): computed once, from all rows gathered in example order.

    One that looks at the first numbers of each prediction alone may say how many, `width`; the others are then not gathered before the end.
    """

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which way is good."""
        ...

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """The measure, from the predictions and targets of all examples; NaN where it is undefined."""
        ...


def widest(metrics: Iterable[RowMetric]) -> int | None:
    """How many numbers of a prediction's last axis the measures look at; None: all."""
    widths: list[int | None] = [getattr(metric, "width", None) for metric in metrics]
    known = [width for width in widths if width is not None]
    return max(known) if known and len(known) == len(widths) else None
