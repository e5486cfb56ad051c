"""k-means (Lloyd 1957, printed 1982) from the starting points of k-means++ (Arthur & Vassilvitskii 2007), for many points at once."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

# Distances that are looked at together.
BLOCK = 2**24


def starting_points(x: Float[Tensor, "point number"], k: int) -> Float[Tensor, "k number"]:
    """Choose k of the points: the first at random, each next with probability proportional to its squared distance from the nearest one.

    Draws come from the global generator.
    """
    chosen = torch.randint(len(x), (1,))
    nearest = torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
    centred = x - x.mean(0)  # about the mean the terms of ‖x‖² − 2⟨x, c⟩ + ‖c‖² hardly cancel
    sizes = centred.square().sum(1)
    for _ in range(k - 1):
        last = int(chosen[-1])
        nearest = torch.minimum(nearest, torch.addmv(sizes + sizes[last], centred, centred[last], alpha=-2).clamp(min=0))
        nearest[last] = 0
        share = nearest if bool(nearest.sum() > 0) else torch.ones_like(nearest)
        chosen = torch.cat([chosen, torch.multinomial(share, 1).cpu()])
    return x[chosen.to(x.device)]


def nearest(x: Float[Tensor, "point number"], centres: Float[Tensor, "k number"]) -> tuple[Int64[Tensor, point], Float[Tensor, point]]:
    """The nearest centre of each point, the first of equal ones, and the squared distance to it."""
    middle = centres.mean(0)  # about it the terms of the distance hardly cancel
    c = centres - middle
    sizes = c.square().sum(1)
    labels, distances = [], []
    for block in [x] if torch.compiler.is_compiling() else x.split(max(1, BLOCK // len(centres))):
        p = block - middle
        smallest, label = torch.addmm(sizes, p, c.T, alpha=-2).min(1)
        labels.append(label)
        distances.append((smallest + p.square().sum(1)).clamp(min=0))
    if not labels:
        return torch.zeros(0, dtype=torch.int64, device=x.device), x.new_zeros(0)
    return torch.cat(labels), torch.cat(distances)


def k_means(
    x: Float[Tensor, "point number"], centres: Float[Tensor, "k number"], *, rounds: int = 100
) -> tuple[Float[Tensor, "k number"], Int64[Tensor, point]]:
    """Centres and labels after at most `rounds` rounds from `centres`: label by the nearest, move each to the mean of its points.

    It ends when nothing moves. A centre that lost all its points moves to the point that lies farthest from its own. Raises
    ValueError where there are fewer points than centres.
    """
    if not 1 <= len(centres) <= len(x):
        raise ValueError(f"{len(x)} points cannot be cut into {len(centres)} clusters")
    for _ in range(rounds):
        labels, distances = nearest(x, centres)
        counts = torch.bincount(labels, minlength=len(centres))
        moved = torch.zeros_like(centres).index_add_(0, labels, x) / counts.clamp(min=1)[:, None]
        empty = (counts == 0).nonzero()[:, 0]
        if len(empty):
            moved[empty] = x[distances.argsort(descending=True, stable=True)[: len(empty)]]
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres, nearest(x, centres)[0]
