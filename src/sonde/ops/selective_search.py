"""Selective search (Uijlings et al. 2013, "Selective search for object recognition"): boxes that may hold an object, from the picture alone.

A picture is cut into segments (ops/graph_segments.py); then, again and again, the two neighbouring regions that are most alike are
joined, until one is left. The boxes of all regions on the way, small and large, are the proposals. How alike two regions are (section 3.2):

    colour    Σ min of their histograms, 25 bins a channel
    texture   Σ min of their histograms of gradients: 8 directions, 10 bins, a channel
    size      1 − (|A| + |B|)/|picture|: small ones are joined first
    fill      1 − (|box around both| − |A| − |B|)/|picture|: what fits into each other is joined first

To miss less it is done with several sizes of first segments, and with all four measures or without colour (section 3.3). Proposals are
ranked by how late their region arose, times a draw, so that none of these goes wholly before another (section 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from sonde.ops.graph_segments import blur, graph_segments, neighbours
from sonde.ops.random import uniform

COLOURS, DIRECTIONS, GRADIENTS = 25, 8, 10
# k of the first segments, for colours of 0 … 255.
SCALES = (50.0, 150.0)
# Regions are compared with colour and without.
WITH_COLOUR = (True, False)
# Pictures are reduced to this longer side before they are cut: half the place, and half the noise.
SIDE = 256


@torch.no_grad()
def selective_search(picture: Float[Tensor, "channel height width"], *, most: int = 2000, least: float = 8.0, side: int = SIDE) -> Float[Tensor, "box 4"]:
    """At most `most` different corner boxes in pixels, the best first, none with a side below `least` pixels.

    `picture` has colours of 0 … 255 in any number of channels. It is reduced to a longer side of `side` pixels at most. The same picture
    always gives the same boxes. Works on the CPU, whatever the device of the picture.
    """
    height, width = picture.shape[1:]
    factor = min(1.0, side / max(height, width))
    small = picture.detach().float().cpu()
    if factor < 1:
        small = F.interpolate(small[None], size=(max(1, round(height * factor)), max(1, round(width * factor))), mode="area")[0]
    bins = _bins(small)
    found, ranks = [], []
    for scale in SCALES:
        segments = graph_segments(small, k=scale, least=max(4, round(0.0005 * small[0].numel())))
        regions = _regions(segments, *bins)
        for colour in WITH_COLOUR:
            boxes = _grouped(regions, small[0].numel(), colour=colour)
            found.append(boxes)
            ranks.append(torch.arange(len(boxes), 0, -1))  # 1: the whole picture
    boxes, rank = torch.cat(found), torch.cat(ranks)
    boxes = boxes * boxes.new_tensor([width / small.shape[2], height / small.shape[1]] * 2)
    order = (rank * uniform(0, 0, torch.arange(len(rank)), 0)).argsort(stable=True)
    boxes = boxes[order]
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2]).amin(1) >= least]
    return _different(boxes)[:most].to(picture.device)


def _different(boxes: Tensor) -> Tensor:
    """Each box once, at its first place."""
    if not len(boxes):
        return boxes
    kinds, number = boxes.unique(dim=0, return_inverse=True)
    first = torch.full((len(kinds),), len(boxes)).scatter_reduce_(0, number, torch.arange(len(boxes)), "amin")
    return boxes[first.sort().values]


@dataclass
class _Regions:
    """Of each region: share of the picture in pixels, box (left, top, right, bottom), histograms that add up to 1, who its neighbours are."""

    sizes: Tensor
    boxes: Tensor
    colours: Tensor
    textures: Tensor
    touching: Tensor


def _bins(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The bin of each pixel's colour (channel, height, width), and of its gradient in each direction (channel · direction, height, width)."""
    colours = (picture * (COLOURS / 256)).long().clamp(0, COLOURS - 1)
    smooth = F.pad(blur(picture, 1.0)[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across, down = (smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]) / 2, (smooth[:, 2:, 1:-1] - smooth[:, :-2, 1:-1]) / 2
    angle = torch.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    steep = across[:, None] * angle.cos()[:, None, None] + down[:, None] * angle.sin()[:, None, None]
    steep = steep.clamp(min=0)
    # Bins by the root: most gradients of a photograph are small.
    gradients = (GRADIENTS * (steep / 128).sqrt()).long().clamp(0, GRADIENTS - 1)
    return colours, gradients.flatten(0, 1)


def _regions(segments: Int[Tensor, "height width"], colours: Tensor, gradients: Tensor) -> _Regions:
    count = int(segments.max()) + 1
    label = segments.flatten()
    sizes = torch.bincount(label, minlength=count).float()
    rows, columns = torch.meshgrid(*(torch.arange(length) for length in segments.shape), indexing="ij")
    ends = []
    for place, how in ((columns, "amin"), (rows, "amin"), (columns, "amax"), (rows, "amax")):
        start = torch.full((count,), 0 if how == "amax" else max(segments.shape))
        ends.append(start.scatter_reduce_(0, label, place.flatten(), how) + (how == "amax"))
    first, second = neighbours(segments)
    touching = torch.zeros(count, count, dtype=torch.bool)
    touching[first, second] = True
    touching = touching | touching.T
    touching.fill_diagonal_(False)
    boxes = torch.stack(ends, 1).float()
    return _Regions(sizes, boxes, _histograms(label, colours, COLOURS, count), _histograms(label, gradients, GRADIENTS, count), touching)


def _histograms(label: Tensor, bins: Tensor, number: int, count: int) -> Tensor:
    """Of each region the shares of the bins, plane by plane; each row adds up to 1: (region, plane · bin)."""
    planes = len(bins)
    at = (label * planes + torch.arange(planes)[:, None]) * number + bins.flatten(1)
    counts = torch.bincount(at.flatten(), minlength=count * planes * number).view(count, -1).float()
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def _grouped(regions: _Regions, pixels: int, *, colour: bool) -> Tensor:
    """The boxes of all regions in the order in which they arise: the first ones, then each union."""
    # A union takes the place of the first of its two regions; the second's is left empty.
    sizes, boxes = regions.sizes.clone(), regions.boxes.clone()
    colours, textures, touching = regions.colours.clone(), regions.textures.clone(), regions.touching.clone()
    count = len(sizes)

    def alike(one: Tensor, two: Tensor) -> Tensor:
        """How alike regions `one` are to the regions `two` at their places."""
        low, high = torch.minimum(boxes[one, :2], boxes[two, :2]), torch.maximum(boxes[one, 2:], boxes[two, 2:])
        both = sizes[one] + sizes[two]
        score = 2 - both / pixels - ((high - low).prod(1) - both) / pixels + torch.minimum(textures[one], textures[two]).sum(1)
        return score + torch.minimum(colours[one], colours[two]).sum(1) if colour else score

    scores = torch.full((count, count), -1.0)
    pairs = touching.nonzero(as_tuple=True)
    scores[pairs] = alike(*pairs)
    arisen = [boxes.clone()]
    for _ in range(count - 1):
        best = int(scores.argmax())
        one, two = min(divmod(best, count)), max(divmod(best, count))
        if scores[one, two] < 0:
            break
        share = sizes[one] / (sizes[one] + sizes[two])
        for values in (colours, textures):
            values[one] = share * values[one] + (1 - share) * values[two]
        sizes[one] += sizes[two]
        boxes[one] = torch.cat([torch.minimum(boxes[one, :2], boxes[two, :2]), torch.maximum(boxes[one, 2:], boxes[two, 2:])])
        touching[one] |= touching[two]
        touching[one, one] = False
        touching[:, one] = touching[one]
        touching[two], touching[:, two] = False, False
        scores[two], scores[:, two] = -1.0, -1.0
        beside = touching[one].nonzero()[:, 0]
        scores[one, beside] = scores[beside, one] = alike(torch.full_like(beside, one), beside)
        arisen.append(boxes[one : one + 1].clone())
    return torch.cat(arisen)
