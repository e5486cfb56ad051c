"""Beam search: the best sequences under a model of the next token, for all rows and beams at once.

A sequence w₁ … w_L, the end token counted in L, is ranked by log P(w₁, …, w_L) / L^α, α = 0.75, so that longer ones are
not punished for their length alone (Graves 2012; Sutskever, Vinyals and Le 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.decode import Advance, State, reordered

ALPHA: Final = 0.75


@dataclass(frozen=True)
class Beams:
    """What a beam search found, best first: `tokens` (row, beam, length) with `pad` after the end, `scores` (row, beam), −∞ where there
    are fewer, `ended` whether the end token was reached. `parents` and `chosen` (step, row, beam) are the search itself: which beam
    of the step before each prefix goes on from, and with which token (−1: none)."""

    tokens: Tensor
    scores: Tensor
    ended: Tensor
    parents: Tensor
    chosen: Tensor


@torch.no_grad()
def beam_search(
    advance: Advance,
    prompt: Int[Tensor, "row step"],
    state: State,
    *,
    width: int,
    length: int,
    end: int,
    pad: int = 0,
    alpha: float = ALPHA,
    never: Int[Tensor, " banned"] | None = None,
) -> Beams:
    """The `width` best continuations of each prompt by log P / L^α, L counting the end token.

    Of all extensions of a row's prefixes the best `width` are kept; those that end leave the beam. A row is over when no
    prefix in it can still beat the worst of `width` finished ones: log P only falls and L is at most `length`.
    """
    if width < 1 or length < 1:
        raise ValueError(f"a beam search needs a width and a length of at least 1, not {width} and {length}")
    rows, device = len(prompt), prompt.device
    logits, state = advance(prompt, state)
    state = reordered(state, torch.arange(rows, device=device).repeat_interleave(width))
    log_p = _log_p(logits[:, -1], never)[:, None].expand(-1, width, -1)
    scores = log_p.new_full((rows, width), float("-inf"))
    scores[:, 0] = 0
    best = log_p.new_full((rows, width), float("-inf"))
    best_step, best_beam = torch.zeros((2, rows, width), dtype=torch.int64, device=device)
    best_ended = torch.zeros((rows, width), dtype=torch.bool, device=device)
    parents: list[Tensor] = []
    chosen: list[Tensor] = []
    first = torch.arange(rows, device=device)[:, None] * width
    for step in range(length):
        total = scores[:, :, None] + log_p
        tokens = total.shape[2]
        scores, flat = _largest(total.flatten(1), min(width, tokens * width))
        if scores.shape[1] < width:
            missing = width - scores.shape[1]
            scores = F.pad(scores, (0, missing), value=float("-inf"))
            flat = F.pad(flat, (0, missing))
        beam, token = flat // tokens, flat % tokens
        alive = scores > float("-inf")
        parents.append(beam)
        chosen.append(token.masked_fill(~alive, -1))
        finished = alive & ((token == end) | torch.full_like(alive, step == length - 1))
        ranked = (scores / (step + 1) ** alpha).masked_fill(~finished, float("-inf"))
        best, order = torch.cat([best, ranked], 1).topk(width, 1)
        place = torch.arange(width, device=device).expand(rows, -1)
        best_step = torch.cat([best_step, torch.full_like(beam, step)], 1).gather(1, order)
        best_beam = torch.cat([best_beam, place], 1).gather(1, order)
        best_ended = torch.cat([best_ended, token == end], 1).gather(1, order)
        scores = scores.masked_fill(finished, float("-inf"))
        if bool((scores.amax(1) / length**alpha <= best[:, -1]).all()):
            break
        state = reordered(state, (first + beam).flatten(), beams=True)
        logits, state = advance(token.view(-1, 1), state)
        log_p = _log_p(logits[:, -1], never).view(rows, width, -1)
    history = torch.stack(parents), torch.stack(chosen)
    return Beams(_backtrack(*history, best_step, best_beam, best, length=length, pad=pad), best, best_ended, *history)


def _largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As topk; of equals that are kept the earlier beam comes first, then the smaller token."""
    flat = scores.topk(count, 1).indices.sort(1).values
    kept, order = scores.gather(1, flat).sort(dim=1, descending=True, stable=True)
    return kept, flat.gather(1, order)


def _backtrack(parents: Tensor, chosen: Tensor, step: Tensor, beam: Tensor, score: Tensor, *, length: int, pad: int) -> Tensor:
    """The tokens of the prefixes that stood at `beam` after `step`, (row, beam, length)."""
    out = parents.new_full((*step.shape, length), pad)
    for at in range(len(parents) - 1, -1, -1):
        inside = (at <= step) & (score > float("-inf"))
        token, before = chosen[at].gather(1, beam), parents[at].gather(1, beam)
        out[:, :, at] = torch.where(inside, token, out[:, :, at])
        beam = torch.where(inside, before, beam)
    return out


def _log_p(logits: Tensor, never: Tensor | None) -> Tensor:
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return (logits if never is None else logits.index_fill(1, never, float("-inf"))).log_softmax(-1)
