"""Negative sampling (Mikolov, Sutskever, Chen, Corrado and Dean 2013, section 2.2): a word against some that are drawn from noise.

    loss = −ln σ(s₀) − Σ_k ln σ(−s_k)

with s₀ the score of the word that stands there and s_k those of the words drawn. Instead of a softmax over all words it takes
as many scores as there are candidates.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

NO_WORD: Final = 0  # stands where there is none: the number of padding


def negative_sampling(
    scores: Float[Tensor, "example reader candidate"], candidates: Int[Tensor, "example candidate"], real: Bool[Tensor, "example reader"]
) -> tuple[Float[Tensor, " example"], Float[Tensor, " example"], Float[Tensor, " example"]]:
    """(Loss, wins, losses counted) of each example, summed over its readers, which are what foretells: words, or one mean of words.

    The first candidate is the right one; where another is NO_WORD nothing was drawn. A win is a reader that gives the right
    one a higher score than all others. Readers that are not `real` count for nothing.
    """
    drawn = candidates[:, None, 1:] != NO_WORD
    right, others = scores[..., :1], scores[..., 1:]
    loss = F.softplus(-right[..., 0]) + (F.softplus(others) * drawn).sum(-1)
    best = others.detach().masked_fill(~drawn, -torch.inf).amax(-1) if others.shape[-1] else torch.full_like(right[..., 0], -torch.inf)
    weight = real.to(scores.dtype)
    return (loss * weight).sum(1), ((right.detach()[..., 0] > best) * weight).sum(1), weight.sum(1)
