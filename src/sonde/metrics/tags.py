"""Tags, one a token: how many are right, and how sure of them a model was. Places without a tag do not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.state import Measured, known, zeros
from sonde.ops.losses import NO_TARGET


@dataclass(frozen=True)
class TagAccuracy:
    """Share of tokens whose likeliest tag is the right one; logits (sentence, token, tag). State: (right, tokens)."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(2, like=prediction), known(batch)
        state[0] = (prediction.argmax(-1) == targets).sum()  # NO_TARGET is no tag's number
        state[1] = (targets != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class TagLoss:
    """Mean −ln p of the right tag over the tokens that were read. State: (nats, tokens). Guessing uniformly among C tags scores ln C."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        targets = known(batch).masked_fill(prediction[..., 0] == -torch.inf, NO_TARGET)  # what lies past a cut has no probability
        state[0] = F.cross_entropy(prediction.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=NO_TARGET)
        state[1] = (targets != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
