"""Segments of a picture by the contrast along and across their borders (Felzenszwalb & Huttenlocher 2004, "Efficient graph-based image segmentation").

Pixels are joined to their eight neighbours by edges as heavy as their colours differ. Two components merge where the lightest edge between
them is no heavier than what is already inside either:

    w ≤ min(Int(A) + k/|A|, Int(B) + k/|B|),     Int: the heaviest edge that a component was joined by,  k: the larger, the larger the segments

The paper goes through the edges by weight, one after the other, and never comes back to one. Here they are taken by weight in LEVELS
portions. Within a portion all components look for their lightest edge at once and merge in rounds, as Borůvka's minimum spanning tree
does, so that nothing loops over pixels: with as many portions as edges it is the paper's order.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

LEVELS = 32
_NEVER = torch.iinfo(torch.int64).max


@torch.no_grad()
def graph_segments(picture: Float[Tensor, "channel height width"], *, k: float, sigma: float = 0.8, least: int = 20) -> Int[Tensor, "height width"]:
    """The segment of each pixel, numbered 0, 1, … by first pixel. Weights are Euclidean distances of colours, smoothed by `sigma` pixels.

    Segments of fewer than `least` pixels are joined to the neighbour that differs least.
    """
    height, width = picture.shape[1:]
    first, second, weight = _edges(blur(picture, sigma))
    order = weight.argsort(stable=True)
    first, second, weight = first[order], second[order], weight[order]
    state = _Components(height * width, picture.device)
    portion = -(-len(weight) // LEVELS) or 1
    for part in zip(first.split(portion), second.split(portion), weight.split(portion), strict=True):
        _merge(state, *part, k=k, least=0)
    _merge(state, first, second, weight, k=k, least=least)
    return state.label.unique(return_inverse=True)[1].view(height, width)


def blur(picture: Float[Tensor, "channel height width"], sigma: float) -> Float[Tensor, "channel height width"]:
    """Gaussian smoothing; the picture's edge pixels go on beyond it."""
    if sigma <= 0:
        return picture
    reach = max(1, math.ceil(3 * sigma))
    place = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
    kernel = torch.exp(-place.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(picture[:, None], (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    return F.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]


def neighbours(numbers: Int[Tensor, "height width"]) -> tuple[Tensor, Tensor]:
    """The values of `numbers` at both ends of each pair of neighbouring pixels: right, below, and both diagonals."""
    pairs = [
        (numbers[:, :-1], numbers[:, 1:]),
        (numbers[:-1], numbers[1:]),
        (numbers[:-1, :-1], numbers[1:, 1:]),
        (numbers[:-1, 1:], numbers[1:, :-1]),
    ]
    return torch.cat([a.flatten() for a, _ in pairs]), torch.cat([b.flatten() for _, b in pairs])


def _edges(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels at both ends of each edge, and its weight."""
    _, height, width = picture.shape
    first, second = neighbours(torch.arange(height * width, device=picture.device).view(height, width))
    colours = picture.flatten(1)
    return first, second, (colours[:, first] - colours[:, second]).square().sum(0).sqrt()


class _Components:
    """The component of each pixel (its number is a pixel of it), and of each component what is inside it."""

    def __init__(self, pixels: int, device: torch.device) -> None:
        self.label = torch.arange(pixels, device=device)
        self.inside = torch.zeros(pixels, device=device)
        self.size = torch.ones(pixels, device=device)


def _merge(state: _Components, first: Tensor, second: Tensor, weight: Tensor, *, k: float, least: int) -> None:
    """Rounds over some edges until nothing merges any more; with `least` what is smaller merges with any neighbour, and nothing else does."""
    a, b = state.label[first], state.label[second]
    into = torch.arange(len(state.label), device=first.device)  # component → the one that it became part of
    while True:
        apart = a != b
        weight, a, b = weight[apart], a[apart], b[apart]
        if not len(a):
            break
        nodes, local = torch.cat([a, b]).unique(return_inverse=True)
        one, other = local.chunk(2)
        # Each component's lightest edge, of equals the first one: weights of at least 0 stand in the order of their bits.
        key = (weight.float().contiguous().view(torch.int32).long() << 32) | torch.arange(len(a), device=a.device)
        best = torch.full((len(nodes),), _NEVER, device=a.device)
        edge = best.scatter_reduce_(0, one, key, "amin").scatter_reduce_(0, other, key, "amin") & 0xFFFFFFFF
        own = torch.arange(len(nodes), device=a.device)
        partner = one[edge] + other[edge] - own
        size, inside, lightest = state.size[nodes], state.inside[nodes], weight[edge]
        if least:
            merging = size < least
        else:
            room = inside + k / size
            merging = lightest <= torch.minimum(room, room[partner])
        if not bool(merging.any()):
            break
        parent = _roots(torch.where(merging, partner, own))
        joined = torch.zeros_like(inside).scatter_reduce_(0, parent, torch.where(merging, lightest.to(inside), inside).maximum(inside), "amax")
        state.inside[nodes] = joined
        state.size[nodes] = torch.zeros_like(size).scatter_add_(0, parent, size)
        into[nodes] = nodes[parent]
        a, b = nodes[parent[one]], nodes[parent[other]]
    while not torch.equal(into[into], into):
        into = into[into]
    state.label = into[state.label]


def _roots(parent: Tensor) -> Tensor:
    """One number for all that hangs together. Edges are ordered without ties, so that the only circles are pairs that chose each other."""
    own = torch.arange(len(parent), device=parent.device)
    parent = torch.where((parent[parent] == own) & (own < parent), own, parent)
    while not torch.equal(parent[parent], parent):
        parent = parent[parent]
    return parent
