"""Spans of tags, such as names: how many are found exactly, as the CoNLL evaluation counts them (Tjong Kim Sang and De Meulder 2003).

A span counts when its first token, its last token and its type are right. Tags are read as conlleval reads them: a span
begins at `B-` and `S-`, and at `I-` or `E-` where nothing of its type is open; it goes on until another begins, or `O`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sonde.metrics.state import Measured, known, zeros
from sonde.ops.losses import NO_TARGET

OPENS = "BSU"  # letters of tags that begin a span whatever stood before; U is BILOU's S
CLOSES = "ESLU"  # letters after which nothing is open; L is BILOU's E


@dataclass(frozen=True)
class Scheme:
    """What each tag means. `classes`: the tags by number; `O`, or a letter, a hyphen and a type."""

    classes: tuple[str, ...]

    @cached_property
    def types(self) -> Tensor:
        """int64 (tag,): 0 for `O`, else the number of its type from 1."""
        names = sorted({tag.partition("-")[2] for tag in self.classes if tag != "O"})
        return torch.tensor([0 if tag == "O" else 1 + names.index(tag.partition("-")[2]) for tag in self.classes])

    @cached_property
    def opens(self) -> Tensor:
        """Bool (tag,): whether a span begins at it in any case."""
        return torch.tensor([tag[0] in OPENS for tag in self.classes])

    @cached_property
    def closes(self) -> Tensor:
        """Bool (tag,): whether nothing is open after it."""
        return torch.tensor([tag[0] in CLOSES for tag in self.classes])

    def spans(self, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of tags int64 (sentence, token), NO_TARGET outside: where spans begin (bool), their types, and the token after each, all (sentence, token)."""
        device, outside = tags.device, tags == NO_TARGET
        tags = tags.clamp(min=0)
        types = self.types.to(device)[tags].masked_fill(outside, 0)
        before = torch.nn.functional.pad(types, (1, 0))[:, :-1]
        closed = torch.nn.functional.pad(self.closes.to(device)[tags], (1, 0), value=True)[:, :-1]
        begins = (types > 0) & (self.opens.to(device)[tags] | closed | (before != types))
        # Where a span that is open here would end: the nearest later place that begins a span or lies outside of all.
        length = tags.shape[1]
        place = torch.arange(length, device=device)
        edge = torch.where(begins | (types == 0), place, length)
        nearest = edge.flip(1).cummin(1).values.flip(1)
        stop = torch.nn.functional.pad(nearest, (0, 1), value=length)[:, 1:]
        return begins, types, stop


@dataclass(frozen=True)
class SpanF1:
    """2·right / (found + true), 0 … 1. State: (right, found, true)."""

    classes: tuple[str, ...]
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    @cached_property
    def _scheme(self) -> Scheme:
        return Scheme(self.classes)

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(3, like=prediction), known(batch)
        answers = prediction.argmax(-1).masked_fill(targets == NO_TARGET, NO_TARGET)
        begins, types, stop = self._scheme.spans(answers)
        truly, of, until = self._scheme.spans(targets)
        state[0] = (begins & truly & (types == of) & (stop == until)).sum()
        state[1], state[2] = begins.sum(), truly.sum()
        return state

    def value(self, state: Tensor) -> float:
        """F1; NaN where there are no spans and none were found."""
        return float(2 * state[0] / (state[1] + state[2]))


@dataclass(frozen=True)
class SpanPrecision(SpanF1):
    """The share of spans found that are right; NaN where none was found."""

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class SpanRecall(SpanF1):
    """The share of true spans that are found; NaN where there are none."""

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[2])
