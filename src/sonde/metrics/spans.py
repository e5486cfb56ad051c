"""How well windows are answered, before their answers become texts.

They take (window, 2): −ln p of the first and the last place, summed; F1 of the pieces of the best span.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from sonde.metrics.state import Measured, exact, known, zeros


@dataclass(frozen=True)
class SpanLoss:
    """Mean −ln p of the places at which the answer begins and ends. State: (nats, places)."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0], state[1] = exact(prediction[:, 0]).sum(), 2 * len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class PieceF1:
    """Mean over windows that hold an answer of the F1 of its pieces; with `none` over all, 1 where there is none and none was found. State: (sum, windows)."""

    none: bool = False
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        counted = (known(batch)[:, 0] > 0) | self.none
        state[0], state[1] = (exact(prediction[:, 1]) * counted).sum(), counted.sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
