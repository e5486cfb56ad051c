"""Language models whose probabilities of the next token are averaged, as a recurrent network's and an n-gram's (Mikolov et al. 2010, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from sonde.nn.sequence import LanguageModel, State
from sonde.ops.growing import Common


class Mixture(nn.Module):
    """ln Σ_m λ_m P_m(token | text so far), for `parts` with one vocabulary; to predict with, not to train.

    Its state: how many parts each model's state has, then these, one model after the other.
    """

    log_weights: Tensor

    def __init__(self, parts: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.register_buffer("log_weights", torch.tensor(weights, dtype=torch.float64).log())

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As LanguageModel.advance: logits, here logarithms of probabilities, after each of `tokens` (batch, step)."""
        states = [None] * len(self.parts) if state is None else _apart(state)
        log_p, after = [], []
        for part, weight, before in zip(self.parts, self.log_weights, states, strict=True):
            assert isinstance(part, LanguageModel)
            logits, now = part.advance(tokens, before)
            log_p.append(logits.log_softmax(-1) + weight)
            after.append(now)
        return torch.stack([each.to(log_p[0].dtype) for each in log_p]).logsumexp(0), _together(after)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits after each of `tokens` (batch, step), a text from its beginning."""
        return self.advance(tokens, None)[0]


def _together(states: Sequence[State]) -> State:
    return (Common([None if each is None else len(each) for each in states]), *(part for each in states for part in each or ()))


def _apart(state: State) -> list[State]:
    assert state is not None
    assert isinstance(state[0], Common)
    counts = state[0].value
    cuts = accumulate((count or 0 for count in counts), initial=1)
    return [None if count is None else state[begin:end] for count, (begin, end) in zip(counts, pairwise(cuts), strict=True)]
