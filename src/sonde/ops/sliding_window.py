"""Predictions for pictures larger than a network reads: windows that overlap, blended by weights that fall towards their edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Num
from torch import Tensor


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows of `window` pixels begin along `length`: evenly spread from 0 to length − window, neighbours share at least `overlap` of one.

    Raises ValueError for an overlap outside 0 … 0.9 and for a length under a window's.
    """
    if not 0 <= overlap <= 0.9:
        raise ValueError(f"an overlap of {overlap}: give a share of the window from 0 to 0.9")
    if length < window:
        raise ValueError(f"{length} pixels hold no window of {window}")
    stride = max(1, window - math.ceil(overlap * window))
    count = math.ceil((length - window) / stride) + 1
    return [round(place * (length - window) / max(count - 1, 1)) for place in range(count)]


def sliding_window(
    predict: Callable[[Tensor], Tensor],
    picture: Num[Tensor, "channel height width"],
    *,
    window: tuple[int, int],
    overlap: float = 0.25,
    batch: int = 4,
) -> Float[Tensor, "out height width"]:
    """What `predict`, pictures (n, channel, *window) → maps (n, out, *window), says of a picture at least as large as the window (height, width).

    Each window counts with the weight min(i + 1, n − i) of its row i of n times that of its column, so that seams do not show;
    `batch` windows are predicted at once. A picture of the window's size is predicted as it is.
    """
    rows, columns = (starts(length, part, overlap) for length, part in zip(picture.shape[1:], window, strict=True))
    places = [(top, left) for top in rows for left in columns]
    if len(places) == 1:
        return predict(picture[None])[0]
    height, width = window
    down, across = (1 + torch.minimum(torch.arange(n), torch.arange(n).flip(0)) for n in window)
    weight = torch.outer(down, across).to(picture.device)
    total: Tensor | None = None
    weights = torch.zeros(picture.shape[1:], device=picture.device)
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        maps = predict(torch.stack([picture[:, top : top + height, left : left + width] for top, left in some]))
        total = maps.new_zeros(maps.shape[1], *picture.shape[1:]) if total is None else total
        for (top, left), found in zip(some, maps, strict=True):
            total[:, top : top + height, left : left + width] += found * weight
            weights[top : top + height, left : left + width] += weight
    assert total is not None
    return total / weights
