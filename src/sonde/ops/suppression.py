"""Greedy non-maximum suppression (Felzenszwalb et al. 2010, section 5.2), for all pictures and classes at once, without a loop over boxes.

    while boxes are left:  keep the one with the highest score;  drop all of its class whose IoU with it exceeds the threshold

Boxes stand in groups, one for each picture and class, by falling score. A round takes the next block of boxes of every group and finds which
of them stay: kept(i) = no kept j before i overlaps it, iterated from "all kept" until nothing changes. After t passes at least the first
t boxes are right, and mostly three or four passes suffice. Then the kept ones drop what they overlap further down, and the rest moves up. So
the answer is the loop's own, bit by bit, and memory is linear: overlaps are computed for parts of a fixed size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from sonde.ops.boxes import BOTTOM, CLASS, LEFT, SCORE
from sonde.ops.overlaps import overlaps, pairs_at_once, planes
from sonde.ops.values import has_values

BLOCK = 64  # boxes of a group in a round, at least; where groups are few, as many as make a part
NONE = -1


@torch.no_grad()
def suppress(
    boxes: Float[Tensor, "box 4"], scores: Float[Tensor, " box"], classes: Num[Tensor, " box"] | None = None, *, iou: float, most: int | None = None
) -> Int[Tensor, " kept"]:
    """Indices of the kept corner boxes, best first and at most `most`. A box suppresses only boxes of its own class; without `classes` all.

    Suppressed is what overlaps a kept box by more than `iou`; of equal scores the earlier box is kept. Boxes without area, or with
    coordinates that are not finite, overlap none.
    """
    every = classes if classes is None else classes[None]
    kept = suppress_batch(boxes[None], scores[None], every, iou=iou, most=most)[0]
    return kept[: int((kept != NONE).sum())]


@torch.no_grad()
def suppress_batch(
    boxes: Float[Tensor, "picture box 4"],
    scores: Float[Tensor, "picture box"],
    classes: Num[Tensor, "picture box"] | None = None,
    *,
    iou: float,
    most: int | None = None,
    floor: float = -torch.inf,
) -> Int[Tensor, "picture most"]:
    """As `suppress`, for several pictures: the indices of each one's kept boxes, best first, then NONE = −1.

    Only boxes with a score above `floor` take part, so padding has the score −∞. There are `most` columns, without it as many as boxes.
    """
    pictures, count = scores.shape
    most = count if most is None else most
    result = torch.full((pictures, most), NONE, dtype=torch.int64, device=boxes.device)
    if not scores.numel() or not most or not has_values(result):
        return result
    ranks = scores.argsort(dim=1, descending=True, stable=True)
    taking = scores.gather(1, ranks) > floor
    picture = torch.arange(pictures, device=boxes.device)[:, None].expand(-1, count)[taking]
    index = ranks[taking]
    group = picture
    if classes is not None:
        _, number = classes[picture, index].unique(return_inverse=True)
        group = picture * (number.max() + 1 if len(number) else 1) + number
    kept = _greedy(boxes[picture, index], group, iou)
    picture, index = picture[kept], index[kept]
    # The place of each kept box among those of its picture: they stand picture by picture, best first.
    first = torch.searchsorted(picture, torch.arange(pictures, device=boxes.device))
    place = torch.arange(len(picture), device=boxes.device) - first[picture]
    shown = place < most
    result[picture[shown], place[shown]] = index[shown]
    return result


@torch.no_grad()
def detections(
    boxes: Float[Tensor, "picture box 4"],
    scores: Float[Tensor, "picture box"],
    classes: Num[Tensor, "picture box"],
    *,
    iou: float,
    most: int,
    floor: float = 0.0,
) -> Float[Tensor, "picture most 6"]:
    """What a detector answers: rows (left, top, right, bottom, class, score) of the boxes kept, best first, then rows of zeros."""
    kept = suppress_batch(boxes, scores, classes, iou=iou, most=most, floor=floor)
    found, picture = kept != NONE, torch.arange(len(kept), device=kept.device)[:, None]
    index = kept.clamp(min=0)
    rows = boxes.new_zeros(*kept.shape, 6)
    if boxes.shape[1]:
        rows[..., LEFT : BOTTOM + 1] = boxes[picture, index]
        rows[..., CLASS], rows[..., SCORE] = classes[picture, index].to(rows), scores[picture, index].to(rows)
    return torch.where(found[..., None], rows, 0.0)


def _greedy(boxes: Tensor, group: Tensor, iou: float) -> Tensor:
    """Which stay, bool (box,), of boxes that stand by falling score in each group."""
    kept = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    if not len(boxes):
        return kept
    limit = pairs_at_once(boxes.device)
    values = planes(torch.cat([boxes, boxes.new_zeros(1, 4)]))  # the last is padding, which overlaps nothing
    order = group.argsort(stable=True)
    counts = torch.unique_consecutive(group[order], return_counts=True)[1]
    starts = counts.cumsum(0) - counts
    for chosen, width in _alike(counts, limit):
        place = torch.arange(width, device=boxes.device)
        there = place < counts[chosen, None]
        box = torch.where(there, order[(starts[chosen, None] + place).clamp(max=len(order) - 1)], len(boxes))
        _rounds(values[:, box], box, kept, iou, limit)
    return kept


def _alike(counts: Tensor, limit: int) -> Iterator[tuple[Tensor, int]]:
    """Groups to be worked on side by side, and how many boxes the largest of them has: at least half of what they are padded to is real."""
    by_size = counts.argsort(descending=True, stable=True)
    sizes = counts[by_size].tolist()
    begin = 0
    while begin < len(sizes):
        width = sizes[begin]
        together = max(1, limit // min(width, BLOCK) ** 2)
        end = begin
        while end < min(len(sizes), begin + together) and 2 * sizes[end] >= width:
            end += 1
        yield by_size[begin:end], width
        begin = end


def _rounds(values: Tensor, box: Tensor, kept: Tensor, iou: float, limit: int) -> None:
    """Go through groups side by side, block by block, and write what stays into `kept`.

    `values` (5, group, place) are the boxes, and `box` (group, place) says which of all they are; `len(kept)` is padding.
    """
    none, size = len(kept), min(box.shape[1], max(BLOCK, math.isqrt(limit // len(box))))
    room = values.new_empty(3, max(limit, len(box) * size**2))
    while box.shape[1]:
        block, numbers = values[..., :size], box[:, :size]
        alive = _stay(overlaps(block, block, room).gt_(iou).tril_(-1)) & (numbers < none)
        kept[numbers[alive]] = True
        if box.shape[1] <= size:
            return
        by, _ = _moved_up(block, numbers, alive, none)
        values, box = values[..., size:], box[:, size:]
        alive = box < none
        if by.shape[2]:
            width = max(1, limit // (len(box) * by.shape[2]))
            largest = [overlaps(part, by, room).amax(2) for part in values.split(width, 2)]
            alive &= ~(torch.cat(largest, 1) > iou)
        values, box = _moved_up(values, box, alive, none)


def _stay(overlaps: Tensor) -> Tensor:
    """Which stay, bool (group, n), where overlaps (group, n, before) has a 1 if the second, better box would drop the first."""
    kept = overlaps.new_ones(overlaps.shape[:2])
    while True:
        following = (torch.bmm(overlaps, kept[..., None])[..., 0] == 0).to(kept)
        if torch.equal(following, kept):
            return kept > 0
        kept = following


def _moved_up(values: Tensor, box: Tensor, alive: Tensor, none: int) -> tuple[Tensor, Tensor]:
    """Only the boxes that are `alive`, in their order, moved to the front of their rows."""
    counts = alive.sum(1)
    width = int(counts.max())
    group, place = alive.nonzero(as_tuple=True)
    to = torch.arange(len(group), device=box.device) - (counts.cumsum(0) - counts)[group]
    moved = values.new_zeros(5, len(box), width)
    moved[4] = torch.finfo(values.dtype).tiny
    moved[:, group, to] = values[:, group, place]
    numbers = box.new_full((len(box), width), none)
    numbers[group, to] = box[group, place]
    return moved, numbers
