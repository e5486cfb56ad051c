"""Blanks: each is filled once, the surest first, and nothing else is touched."""

from __future__ import annotations

import torch
from torch import Tensor

from sonde.ops.fill import fill

UNKNOWN = 1


def alternating(tokens: Tensor) -> Tensor:
    """2 and 3 by turns: what stands before says what comes, and surely so where that is known."""
    before = torch.cat([torch.full_like(tokens[:, :1], UNKNOWN), tokens[:, :-1]], 1)
    logits = torch.zeros(*tokens.shape, 5)
    logits[..., 4] = 0.1
    for known, following in ((2, 3), (3, 2)):
        logits[..., following] += 5.0 * (before == known)
    return logits


def test_the_surest_is_filled_first_and_the_next_leans_on_it() -> None:
    tokens = torch.tensor([[2, 0, 0, 0, 2], [3, 2, 3, 2, 0], [2, 3, 2, 3, 2]])
    blanks = torch.tensor([[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    filled, log_p = fill(alternating, tokens, blanks, unknown=UNKNOWN)
    assert filled.tolist() == [[2, 3, 2, 3, 2], [3, 2, 3, 2, 3], [2, 3, 2, 3, 2]]
    assert (log_p[blanks] > -0.1).all()
    assert not log_p[~blanks].any()


def test_some_tokens_are_never_taken() -> None:
    tokens, blanks = torch.tensor([[2, 0]]), torch.tensor([[False, True]])
    assert fill(alternating, tokens, blanks, unknown=UNKNOWN, never=torch.tensor([3]))[0].tolist() == [[2, 4]]


def test_an_empty_batch() -> None:
    tokens = torch.zeros(0, 3, dtype=torch.int64)
    assert fill(alternating, tokens, tokens.bool(), unknown=UNKNOWN)[0].shape == (0, 3)
