"""How well masked pieces are foretold, and whether one text follows another.

They take (batch, step, 2): −ln p of what is right and 1 where it was the likeliest, else 0, at the places that have a target. The
first column is the pair's, the others are those of the pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import ClassVar, Literal

from torch import Tensor

from sonde.metrics.state import Measured, exact, known, zeros
from sonde.ops.losses import NO_TARGET


@dataclass(frozen=True)
class MaskedLoss:
    """Mean −ln p of the masked piece. State: (nats, pieces). Guessing uniformly among V pieces scores ln V."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = exact(prediction[:, 1:, 0]).sum()
        state[1] = (known(batch)[:, 1:] != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class PretrainingLoss:
    """Mean −ln p of the masked piece plus mean −ln p of the pair's class, what pre-training makes small (Devlin et al. 2018, A.2).

    State: (nats, pieces, nats of pairs, pairs). Guessing uniformly among V pieces scores ln V + ln 2.
    """

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(4, like=prediction)
        state[:2] = MaskedLoss().state(prediction, batch)
        state[2] = exact(prediction[:, 0, 0]).sum()
        state[3] = (known(batch)[:, 0] != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        masked, pairs = MaskedLoss().value(state[:2]), state[2] / state[3]
        return masked + float(pairs)


@dataclass(frozen=True)
class MaskedPerplexity(MaskedLoss):
    """exp of the mean −ln p of the masked piece; V for a uniform guess among V pieces."""

    def value(self, state: Tensor) -> float:
        return exp(min(super().value(state), 700.0))


@dataclass(frozen=True)
class MaskedAccuracy:
    """Share of the masked pieces that are the likeliest. State: (right, pieces)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = exact(prediction[:, 1:, 1]).sum()
        state[1] = (known(batch)[:, 1:] != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class NextAccuracy:
    """Share of the pairs of which it is told rightly whether the second text follows the first; ½ for a guess. State: (right, pairs)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = exact(prediction[:, 0, 1]).sum()
        state[1] = (known(batch)[:, 0] != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
