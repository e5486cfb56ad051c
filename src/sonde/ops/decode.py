"""Sequences from a model of the next token, greedy or sampled: all rows at once. The best of a beam is in beam_search.py.

A model is a function `advance(tokens, state)`: integers (row, step) and what it remembers, tensors with the rows first, to
logits (row, step, token) and the new state. Only what is new is handed to it, so that a model with a cache reads each token
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.ops.growing import Common, Growing
from sonde.ops.random import uniform

# What a model carries from one window to the next, or from one token to the next: tensors, the batch axis first, such as grow, and what
# all rows have in common. None: nothing.
State = tuple[Tensor | Growing | Common[Any], ...] | None
Advance = Callable[[Tensor, State], tuple[Tensor, State]]
Choose = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn from the logits.

    `temperature` divides the logits; towards 0 it is greedy. `top_k` keeps the k likeliest tokens (0: all), `top_p` the fewest
    likeliest ones whose probabilities sum to at least p (Holtzman et al. 2020, "The curious case of neural text
    degeneration", section 3.1; 1: all). Row r's draw at step t is a function of (`seed`, r, t), whatever the batch.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __call__(self, logits: Float[Tensor, "row token"], step: int) -> Int[Tensor, " row"]:
        """One token for each row."""
        if self.temperature <= 0:
            return logits.argmax(-1)
        p, token = (logits.float() / self.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        if self.top_k:
            p[:, self.top_k :] = 0
        if self.top_p < 1:
            p[p.cumsum(-1) - p >= self.top_p] = 0  # the first is always kept
        below = p.cumsum(-1)
        drawn = uniform(self.seed, 0, torch.arange(len(p), device=p.device), step)[:, None] * below[:, -1:]
        place = torch.searchsorted(below, drawn, right=True).clamp(max=p.shape[1] - 1)
        # A draw that rounds onto the sum would fall on a token without probability.
        place = place.minimum((p > 0).sum(-1, keepdim=True) - 1)
        return token.gather(1, place)[:, 0]


def likeliest(logits: Float[Tensor, "row token"], step: int) -> Int[Tensor, " row"]:
    """Greedy choice; of equals the smaller token."""
    return logits.argmax(-1)


def reordered(state: State, index: Int[Tensor, " row"], *, beams: bool = False) -> State:
    """Row `index[i]` of the batch as row i: sentences that are done left out, or `beams` that go on from others of their sentence."""
    if state is None:
        return None
    return tuple(part if beams and isinstance(part, Growing) and part.shared else part.index_select(0, index) for part in state)


@torch.inference_mode()
def steps(
    advance: Advance,
    prompt: Int[Tensor, "row step"],
    state: State,
    *,
    length: int,
    choose: Choose = likeliest,
    lengths: Int[Tensor, " row"] | None = None,
    never: Int[Tensor, " banned"] | None = None,
) -> Iterator[Int[Tensor, " row"]]:
    """The tokens after `prompt`, one for each row at a time, `length` times.

    With `lengths` (row,) the prompts are of different lengths, padded at their right: a row whose prompt goes on gets its
    prompt's next token instead of the model's, until the longest prompt is over; these tokens are given too. `never`: tokens
    that are not chosen (padding).
    """
    shortest = prompt.shape[1] if lengths is None else int(lengths.min())
    given = prompt.shape[1] - shortest
    tokens = prompt[:, :shortest]
    for step in range(given + length):
        chosen, state = _next(advance, tokens, state, step, choose, never)
        if step < given and lengths is not None:
            at = shortest + step
            chosen = torch.where(lengths > at, prompt[:, at], chosen)
        yield chosen
        tokens = chosen[:, None]


def _next(advance: Advance, tokens: Tensor, state: State, step: int, choose: Choose, never: Tensor | None) -> tuple[Tensor, State]:
    """The token (row,) after `tokens`, and the state."""
    logits, state = advance(tokens, state)
    logits = logits[:, -1]
    if never is not None:
        logits = logits.index_fill(1, never, float("-inf"))
    return choose(logits, step), state


@torch.no_grad()
def generate(
    advance: Advance,
    prompt: Int[Tensor, "row step"],
    state: State,
    *,
    length: int,
    end: int,
    pad: int = 0,
    choose: Choose = likeliest,
    never: Int[Tensor, " banned"] | None = None,
) -> Int[Tensor, "row length"]:
    """At most `length` tokens after `prompt`, `pad` after each row's `end`; stops when all rows have ended."""
    found: list[Tensor] = []
    with torch.inference_mode():
        tokens, done = prompt, torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
        for step in range(length):
            token, state = _next(advance, tokens, state, step, choose, never)
            found.append(token)
            done.logical_or_(token == end)
            if bool(done.all()):
                break
            tokens = token[:, None]
    out = prompt.new_full((len(prompt), length), pad)
    if found:
        said = torch.stack(found, 1)
        ends = said == end
        behind = ends.cumsum(1) > ends.long()  # an end stands before
        out[:, : len(found)] = said.masked_fill(behind, pad)
    return out
