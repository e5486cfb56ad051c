"""Hard-negative mining (Liu et al. 2016, "SSD", section 2.2): of the background only what is mistaken most is learnt from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@torch.no_grad()
def hard_negatives(
    losses: Float[Tensor, "picture anchor"],
    positive: Bool[Tensor, "picture anchor"],
    *,
    ratio: float = 3.0,
    least: int = 0,
    eligible: Bool[Tensor, "picture anchor"] | None = None,
) -> Bool[Tensor, "picture anchor"]:
    """The negatives of the highest losses: in each picture `ratio` times as many as it has positives, and at least `least`.

    `eligible`: which anchors may be chosen; positives never are. Of equal losses the earlier is taken. Pictures do not hear of each
    other, so cutting a batch changes nothing.
    """
    free = ~positive if eligible is None else eligible & ~positive
    wanted = (positive.sum(1) * ratio).clamp(min=least)
    order = losses.masked_fill(~free, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return free & (rank < wanted[:, None])
