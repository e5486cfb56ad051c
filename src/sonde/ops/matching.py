"""Matching: which truth each anchor has to find.

Truths of a batch stand in slots (picture, slot, 4) of which `present` says which hold one. An answer is int64 (picture, anchor): the slot
of an anchor's truth, NO_TRUTH (it is background) or IGNORED (it is neither, and no loss hears of it).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from sonde.ops.boxes import iou

NO_TRUTH, IGNORED = -1, -2


@torch.no_grad()
def match_best(
    anchors: Float[Tensor, "*#picture anchor 4"],
    truths: Float[Tensor, "picture slot 4"],
    present: Bool[Tensor, "picture slot"],
    *,
    threshold: float = 0.5,
) -> Int[Tensor, "picture anchor"]:
    """Each truth gets an anchor of its own, and every other anchor the truth that it overlaps most, from `threshold` on (Liu et al. 2016, section 2.2).

    The first is by falling IoU over all pairs: the best pair is matched, its anchor and truth leave, and so on (of equal pairs the one
    with the first anchor, then the first slot). So no truth is lost, also when two want the same anchor or one overlaps none, unless
    there are more truths than anchors. Reads one boolean a round from the device; rounds are as many as truths contend, mostly two.
    """
    overlap = _overlaps(anchors, truths, present)
    best, slot = overlap.max(1) if overlap.shape[1] else (overlap.new_full((len(truths), overlap.shape[2]), -1.0), None)
    if slot is None:
        return torch.full_like(best, NO_TRUTH, dtype=torch.int64)
    matched = torch.where(best >= threshold, slot, NO_TRUTH)
    return _own(overlap, present, matched)


@torch.no_grad()
def match_thresholds(
    anchors: Float[Tensor, "*#picture anchor 4"],
    truths: Float[Tensor, "picture slot 4"],
    present: Bool[Tensor, "picture slot"],
    *,
    low: float,
    high: float,
    rescue: bool = True,
) -> Int[Tensor, "picture anchor"]:
    """Region proposals' rule (Ren et al. 2015, section 3.1.2): each anchor goes to the truth that it overlaps most.

    From IoU `high` on it is matched, below `low` it is background, between them it is ignored. With `rescue` the anchors that a truth
    overlaps most (all that tie) keep their match however small it is, but not at 0; such a match is with the anchor's own best truth.
    """
    overlap = _overlaps(anchors, truths, present)
    if not overlap.shape[1]:
        return overlap.new_full((len(truths), overlap.shape[2]), NO_TRUTH, dtype=torch.int64)
    best, slot = overlap.max(1)
    matched = torch.where(best >= high, slot, torch.where(best < low, NO_TRUTH, IGNORED))
    if rescue:
        most = overlap.amax(2, keepdim=True)
        matched = torch.where(((overlap == most) & (most > 0)).any(1), slot, matched)
    return matched


def of_matched(values: Shaped[Tensor, "picture slot *rest"], matched: Int[Tensor, "picture anchor"]) -> Shaped[Tensor, "picture anchor *rest"]:
    """What each anchor's truth has: its box, its class. Slot 0's stands where there is no truth. There must be a slot."""
    picture = torch.arange(len(matched), device=matched.device)[:, None]
    return values[picture, matched.clamp(min=0)]


def _overlaps(anchors: Tensor, truths: Tensor, present: Tensor) -> Tensor:
    """IoU (picture, slot, anchor), −1 for empty slots."""
    overlap = iou(truths, anchors.expand(len(truths), -1, -1))
    return overlap.masked_fill_(~present[..., None], -1.0)


def _own(overlap: Tensor, present: Tensor, matched: Tensor) -> Tensor:
    """`matched` with an anchor for each truth.

    In each round every truth that waits asks for its best free anchor, and gets it if none that waits overlaps that anchor more. Such
    a pair is the best left for both of its sides, so going by falling IoU would match it too; the best of all pairs is always one.
    """
    pictures, slots, anchors = overlap.shape
    waiting = present.clone()
    slot = torch.arange(slots, device=overlap.device)
    for _ in range(min(slots, anchors)):
        if not bool(waiting.any()):
            break
        best, wanted = overlap.max(2)  # the first of equals
        rivals = overlap.gather(2, wanted[:, None].expand(-1, slots, -1))  # (picture, rival, slot): the rival's IoU with what the slot wants
        rivals = rivals.masked_fill_(~waiting[..., None], -2.0)
        gets = waiting & (rivals.argmax(1) == slot) & (best >= 0)
        # Those that get nothing write where nothing is read.
        place = torch.where(gets, wanted, anchors)
        padded = torch.cat([matched, matched.new_zeros(pictures, 1)], 1)
        matched = padded.scatter_(1, place, slot.expand(pictures, -1))[:, :anchors]
        waiting = waiting & ~gets
        taken = torch.zeros(pictures, anchors + 1, dtype=torch.bool, device=overlap.device).scatter_(1, place, True)[:, None, :anchors]
        overlap = overlap.masked_fill(taken, -1.0)
    return matched
