"""The best span of a sequence: where it begins and where it ends have a score each."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def best_span(
    first: Float[Tensor, "batch step"], last: Float[Tensor, "batch step"], *, most: int
) -> tuple[Float[Tensor, " batch"], Int[Tensor, " batch"], Int[Tensor, " batch"]]:
    """The greatest sum first[i] + last[j] over i ≤ j < i + `most`, and its i and j; the earliest of equals. −∞ where no span is allowed."""
    steps = first.shape[1]
    most = min(most, steps)
    ends = F.pad(last, (0, most - 1), value=-torch.inf).unfold(1, most, 1)  # (batch, step, most): last[i], …, last[i + most − 1]
    score, place = (first[:, :, None] + ends).flatten(1).max(1)
    begin = place // most
    return score, begin, begin + place % most
