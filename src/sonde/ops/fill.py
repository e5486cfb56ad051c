"""Blanks in a text filled by a model that reads what stands on both sides of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@torch.no_grad()
def fill(
    between: Callable[[Tensor], Tensor],
    tokens: Int[Tensor, "row step"],
    blanks: Bool[Tensor, "row step"],
    *,
    unknown: int,
    never: Int[Tensor, " token"] | None = None,
) -> tuple[Int[Tensor, "row step"], Tensor]:
    """`tokens` with the likeliest one at each of `blanks`, and ln p of each choice, float32 (row, step), 0 elsewhere.

    `between` gives logits (row, step, token) of the token at each place from all others. Blanks that are not filled yet are
    read as `unknown`; in each row the surest is filled first, so that the others may lean on it. Tokens of `never` are not taken.
    """
    tokens, open_, found = tokens.masked_fill(blanks, unknown), blanks.clone(), torch.zeros(tokens.shape, device=tokens.device)
    row = torch.arange(len(tokens), device=tokens.device)
    for _ in range(int(blanks.sum(1).max()) if len(tokens) else 0):
        log_p = between(tokens).float().log_softmax(-1)
        if never is not None:
            log_p[:, :, never] = float("-inf")
        best, token = log_p.max(-1)
        place = best.masked_fill(~open_, float("-inf")).argmax(1)
        here = open_[row, place]  # rows that have no blank left stay as they are
        tokens[row, place] = torch.where(here, token[row, place], tokens[row, place])
        found[row, place] = torch.where(here, best[row, place], found[row, place])
        open_[row, place] = False
    return tokens, found
