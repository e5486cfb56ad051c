"""How well text is foretold: perplexity exp(mean cross-entropy) by token and by character, and bits by character.

They take logits, or of each place the two scores that ops.losses.token_cross_entropy gives, which are all that they need.

Measures by character compare models whose tokenisers differ: the nats of all tokens over the number of characters that
the tokens stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, log
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.state import Measured, exact, known, zeros
from sonde.ops.losses import NO_TARGET

_SCORES = 2  # −ln p of the right token, and whether it is the likeliest: every vocabulary has more pieces than that


def nats(prediction: Tensor, targets: Tensor) -> Tensor:
    """The sum of −ln p over the places that have a target: logits (…, token) or scores (…, 2), targets int64 (…)."""
    if prediction.shape[-1] == _SCORES:
        return exact(prediction[..., 0]).sum()
    return F.cross_entropy(prediction.flatten(0, -2).float(), targets.flatten(), reduction="sum", ignore_index=NO_TARGET)


def right(prediction: Tensor, targets: Tensor) -> Tensor:
    """At how many places the likeliest token is the right one; arguments as `nats`."""
    if prediction.shape[-1] == _SCORES:
        return exact(prediction[..., 1]).sum()
    return (prediction.argmax(-1) == targets).sum()  # NO_TARGET equals no token's number


@dataclass(frozen=True)
class TokenLoss:
    """Mean −ln p of the right token. State: (nats, tokens). Guessing uniformly among V tokens scores ln V."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(2, like=prediction), known(batch)
        state[0] = nats(prediction, targets)
        state[1] = (targets != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class Perplexity(TokenLoss):
    """exp of the mean −ln p of the right token; V for a uniform guess among V tokens."""

    def value(self, state: Tensor) -> float:
        return exp(min(super().value(state), 700.0))


@dataclass(frozen=True)
class CharacterLoss:
    """Nats over characters. `characters`: how many each token stands for. State: (nats, characters)."""

    characters: tuple[int, ...]
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    @cached_property
    def _lengths(self) -> Tensor:
        return torch.tensor(self.characters)

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(2, like=prediction), known(batch)
        state[0] = nats(prediction, targets)
        state[1] = self._lengths.to(targets.device)[targets[targets != NO_TARGET]].sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class CharacterPerplexity(CharacterLoss):
    """exp(nats over characters)."""

    def value(self, state: Tensor) -> float:
        return exp(min(super().value(state), 700.0))


@dataclass(frozen=True)
class CharacterBits(CharacterLoss):
    """Bits a character: nats over characters, divided by ln 2."""

    def value(self, state: Tensor) -> float:
        return super().value(state) / log(2)


@dataclass(frozen=True)
class TokenAccuracy:
    """Share of the places where the likeliest token is the right one. State: (right, tokens)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(2, like=prediction), known(batch)
        state[0] = right(prediction, targets)
        state[1] = (targets != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
