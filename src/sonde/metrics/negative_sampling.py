"""How well words are told from noise: the loss of negative sampling, and how often the right word wins.

They take (example, 3): loss, wins and how many of both were counted, which are what ops/negative_sampling.py gives. Both depend on
how many words are drawn, so that they compare runs of the same `negatives` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from sonde.metrics.state import Measured, exact, zeros


@dataclass(frozen=True)
class NoiseLoss:
    """Mean loss in nats; (1 + negatives) · ln 2 before anything is learned. State: (loss, count)."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0], state[1] = exact(prediction[:, 0]).sum(), exact(prediction[:, 2]).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class NoiseAccuracy:
    """Share of those who foretell that give the right word a higher score than every word drawn. State: (wins, count)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0], state[1] = exact(prediction[:, 1]).sum(), exact(prediction[:, 2]).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
