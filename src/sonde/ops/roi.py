"""Regions of interest: any box of a feature map becomes a grid of fixed size, by largest values (`roi_max_pool`) or by interpolation (`roi_align`).

Boxes are corners in pixels of the picture, of which the map is `scale` times the size; `picture` says to which of the batch each belongs.
Gradients go to the map, none to the boxes. A map whose channels stand side by side in memory (channels-last) is not copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.boxes import area
from sonde.ops.values import has_values


def roi_max_pool(
    x: Float[Tensor, "batch channel height width"],
    boxes: Float[Tensor, "region 4"],
    picture: Int[Tensor, " region"],
    size: tuple[int, int],
    *,
    scale: float = 1.0,
) -> Float[Tensor, "region channel bin_row bin_column"]:
    """The largest value of each bin (Girshick 2015, "Fast R-CNN", section 2.1).

    Scaled corners are rounded (halves away from 0), and both belong to the region, which is at least 1×1. A region of h places is cut
    into H bins, bin i from ⌊i·h/H⌋ to ⌈(i + 1)·h/H⌉ (end left out): where H does not divide h, neighbouring bins overlap. What lies
    outside the map counts for nothing; a bin with nothing in it gives 0. Of equal largest values the first receives the gradient.
    """
    _, channels, height, width = x.shape
    scaled = boxes.detach() * scale
    corner = torch.trunc(scaled + torch.copysign(scaled.new_tensor(0.5), scaled)).long()
    rows = _bins(corner[:, 1], corner[:, 3], bins=size[0], length=height)
    columns = _bins(corner[:, 0], corner[:, 2], bins=size[1], length=width)
    values = x.permute(0, 2, 3, 1)
    place = _largest(values.detach(), picture, rows, columns) if has_values(x) else picture.new_zeros(len(boxes), *size, channels)
    found = values.reshape(-1).gather(0, place.clamp(min=0).reshape(-1)) if values.numel() else values.new_zeros(place.numel())
    pooled = torch.where(place >= 0, found.view(place.shape), 0.0)
    return pooled.permute(0, 3, 1, 2)


def roi_align(
    x: Float[Tensor, "batch channel height width"],
    boxes: Float[Tensor, "region 4"],
    picture: Int[Tensor, " region"],
    size: tuple[int, int],
    *,
    scale: float = 1.0,
    sampling: int = 0,
    aligned: bool = False,
) -> Float[Tensor, "region channel bin_row bin_column"]:
    """The mean of bilinear samples in each bin (He et al. 2017, "Mask R-CNN", section 3), with torchvision's conventions.

    `sampling`: samples a bin and direction; 0: as many as the bin has places, rounded up. `aligned`: pixel centres stand at halves, so that
    scaled corners are shifted by −½; without it, as the published Faster and Mask R-CNN weights were trained, they are not, and a
    region is at least 1×1. A sample more than one place outside the map is 0.
    """
    level = torch.zeros_like(picture)
    return _align([x], boxes, picture, level, size, scales=[scale], sampling=sampling, aligned=aligned)


def roi_align_levels(
    maps: Sequence[Float[Tensor, "batch channel _ _"]],
    boxes: Float[Tensor, "region 4"],
    picture: Int[Tensor, " region"],
    size: tuple[int, int],
    *,
    scales: Sequence[float],
    sampling: int = 2,
    aligned: bool = False,
    canonical_size: float = 224.0,
) -> Float[Tensor, "region channel bin_row bin_column"]:
    """`roi_align` over a feature pyramid: each region is read from the one of `maps` that `levels` gives it, all in one gather.

    `scales`: each map's size over the picture's, 2⁻ᵏ, falling. `canonical_size`: see `levels`.
    """
    chosen = levels(boxes, scales=scales, canonical_size=canonical_size)
    return _align(maps, boxes, picture, chosen, size, scales=scales, sampling=sampling, aligned=aligned)


def levels(
    boxes: Float[Tensor, "region 4"], *, scales: Sequence[float], canonical_size: float = 224.0, canonical_level: int = 4
) -> Int[Tensor, " region"]:
    """Which map of a pyramid, counted from the first, a region is read from: ⌊k₀ + log₂(√(wh)/224)⌋ with k₀ = 4 (Lin et al. 2017, equation 1).

    Regions smaller or larger than any map's belong to the first or last. `scales` are 2⁻ᵏ, one level after the other.
    """
    first, last = (round(-math.log2(scale)) for scale in (scales[0], scales[-1]))
    # 1e-6: √ and log round, and a region of exactly 2ᵏ·224 belongs to the upper level.
    level = torch.floor(canonical_level + torch.log2(area(boxes.detach()).sqrt() / canonical_size) + 1e-6)
    return (level.clamp(first, last) - first).long()


def _bins(first: Tensor, last: Tensor, *, bins: int, length: int) -> Tensor:
    """int64 (2, region, bin): where the bins of regions first … last begin and end, cut to 0 … length."""
    extent = (last - first + 1).clamp(min=1)[:, None]
    i = torch.arange(bins, device=first.device)
    start = first[:, None] + i * extent // bins
    end = first[:, None] - (-(i + 1) * extent // bins)  # ⌈a/b⌉ = −⌊−a/b⌋
    return torch.stack([start.clamp(0, length), end.clamp(0, length)])


def _largest(values: Tensor, picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Where each bin's largest value stands in values (batch, row, column, channel), flattened, or −1: (region, bin_row, bin_column, channel).

    Values are replaced by their ranks, which have no ties: of equal values the first has the highest. The largest rank of every window of 2ⁱ × 2ʲ
    places is made by doubling, and any bin is covered by four such windows. So the work grows with the logarithm of a bin's
    sides, and no loop is over regions.
    """
    batch, height, width, channels = values.shape
    tallest, widest = (int((ends - starts).max()) if starts.numel() else 0 for starts, ends in (rows, columns))
    if not tallest or not widest:
        return torch.full((len(picture), rows.shape[2], columns.shape[2], channels), -1, device=values.device)
    count = values.numel()
    order = count - 1 - values.reshape(-1).flip(0).argsort(stable=True)
    rank = torch.empty(count, dtype=torch.int32 if count < 2**31 else torch.int64, device=values.device)
    rank[order] = torch.arange(count, dtype=rank.dtype, device=values.device)
    tables, down = [], rank.view(values.shape)
    for i in range(tallest.bit_length()):
        down = _doubled(down, 2 ** (i - 1), 1) if i else down
        across = down
        for j in range(widest.bit_length()):
            across = _doubled(across, 2 ** (j - 1), 2) if j else across
            tables.append(across)
    windows = torch.stack(tables).reshape(-1, channels)
    (top, bottom), (left, right) = rows, columns
    level_row, level_column = _log2(bottom - top), _log2(right - left)
    level = level_row[:, :, None] * widest.bit_length() + level_column[:, None, :]
    first = (level * batch + picture[:, None, None]) * height
    best: Tensor | None = None
    for row in (top, bottom - 2**level_row):
        for column in (left, right - 2**level_column):
            at = (first + row.clamp(0, height - 1)[:, :, None]) * width + column.clamp(0, width - 1)[:, None, :]
            best = windows[at] if best is None else torch.maximum(best, windows[at], out=best)
    assert best is not None
    empty = ((bottom <= top)[:, :, None] | (right <= left)[:, None, :])[..., None]
    return torch.where(empty, -1, order[best])


def _doubled(ranks: Tensor, by: int, axis: int) -> Tensor:
    """Windows twice as long along `axis`; those that would leave the map stay as they are."""
    length = ranks.shape[axis]
    if by >= length:
        return ranks
    joined = torch.maximum(ranks.narrow(axis, 0, length - by), ranks.narrow(axis, by, length - by))
    return torch.cat([joined, ranks.narrow(axis, length - by, by)], axis)


def _log2(n: Tensor) -> Tensor:
    """⌊log₂ n⌋ of whole numbers, 0 for n < 1."""
    return torch.frexp(n.clamp(min=1).double())[1].long() - 1


def _align(
    maps: Sequence[Tensor],
    boxes: Tensor,
    picture: Tensor,
    level: Tensor,
    size: tuple[int, int],
    *,
    scales: Sequence[float],
    sampling: int,
    aligned: bool,
) -> Tensor:
    """All maps as one table of places × channels, and each bin a weighted sum of some of its rows."""
    boxes, channels = boxes.detach(), maps[0].shape[1]
    table = torch.cat([x.permute(0, 2, 3, 1).reshape(-1, channels) for x in maps])
    shapes = torch.tensor([x.shape[2:] for x in maps], device=boxes.device)
    sizes = torch.tensor([x[:, 0].numel() for x in maps], device=boxes.device)
    height, width = shapes[level].unbind(1)
    first = (sizes.cumsum(0) - sizes)[level] + picture * height * width
    scale = boxes.new_tensor(scales)[level]
    left, top, right, bottom = (boxes * scale[:, None] - (0.5 if aligned else 0.0)).unbind(1)
    region_height, region_width = bottom - top, right - left
    if not aligned:
        region_height, region_width = region_height.clamp(min=1), region_width.clamp(min=1)
    row, row_weight, row_count = _taps(top, region_height, height, bins=size[0], sampling=sampling)
    column, column_weight, column_count = _taps(left, region_width, width, bins=size[1], sampling=sampling)
    place = first[:, None, None, None, None] + row[:, :, None, :, None] * width[:, None, None, None, None] + column[:, None, :, None, :]
    weight = row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]
    count = (row_count * column_count).clamp(min=1)
    weight = weight / count[:, None, None, None, None]
    bags = len(boxes) * size[0] * size[1]
    if not bags:
        return table.new_zeros(len(boxes), channels, *size) + table.sum() * 0
    summed = F.embedding_bag(place.reshape(bags, -1), table, per_sample_weights=weight.reshape(bags, -1).to(table), mode="sum")
    return summed.view(len(boxes), *size, channels).permute(0, 3, 1, 2)


def _taps(start: Tensor, extent: Tensor, length: Tensor, *, bins: int, sampling: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (or columns) that the samples of each bin read, and with what weight: (region, bin, tap) twice, and samples a bin (region,)."""
    each = extent / bins
    count = torch.full_like(extent, sampling) if sampling else each.ceil().clamp(min=0)
    most = sampling or max(1, int(count.max()) if len(count) else 1)
    sample = torch.arange(most, device=start.device)
    within = (sample + 0.5) / count.clamp(min=1)[:, None, None]
    at = start[:, None, None] + each[:, None, None] * (torch.arange(bins, device=start.device)[:, None] + within)
    length = length[:, None, None]
    counts = (sample < count[:, None, None]) & (at >= -1) & (at <= length)
    at = at.clamp(min=0)
    low = at.floor().long().minimum(length - 1)
    high = (low + 1).minimum(length - 1)
    share = torch.where(low >= length - 1, 0.0, at - low)
    place = torch.cat([low, high], -1)
    weight = torch.cat([(1 - share) * counts, share * counts], -1)
    return place, weight, count
