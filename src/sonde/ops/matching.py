"""Matching: which truth each anchor has to find.

Truths of a batch stand in slots (picture, slot, 4) of which `present` says which hold one. An answer is int64 (picture, anchor): the slot
of an anchor's truth, NO_TRUTH (it is background) or IGNORED (it is neither, and no loss hears of it).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from sonde.ops.overlaps import overlaps, pairs_at_once, planes
from sonde.ops.values import has_values

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
    there are more truths than anchors. Rounds are as many as truths contend for an anchor, mostly two; each waits for the device.
    """
    return _in_parts(lambda overlap, present: _best(overlap, present, threshold), anchors, truths, present)


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
    return _in_parts(lambda overlap, _: _thresholds(overlap, low, high, rescue), anchors, truths, present)


def of_matched(values: Shaped[Tensor, "picture slot *rest"], matched: Int[Tensor, "picture anchor"]) -> Shaped[Tensor, "picture anchor *rest"]:
    """What each anchor's truth has: its box, its class. Slot 0's stands where there is no truth. There must be a slot."""
    picture = torch.arange(len(matched), device=matched.device)[:, None]
    return values[picture, matched.clamp(min=0)]


def _in_parts(match: Callable[[Tensor, Tensor], Tensor], anchors: Tensor, truths: Tensor, present: Tensor) -> Tensor:
    """`match` some pictures at a time, given their IoU (picture, slot, anchor), −1 for empty slots, and which slots hold a truth."""
    (pictures, slots), count = present.shape, anchors.shape[1]
    if not slots or not count or not pictures or not has_values(truths):
        return torch.full((pictures, count), NO_TRUTH, device=truths.device)
    own, others = planes(truths), planes(anchors.to(truths)).expand(-1, pictures, -1)
    at_once = max(1, pairs_at_once(truths.device) // (slots * count))
    room = own.new_empty(3, min(at_once, pictures) * slots * count)
    found = []
    for a, b, there in zip(own.split(at_once, 1), others.split(at_once, 1), present.split(at_once), strict=True):
        found.append(match(overlaps(a, b, room).masked_fill_(~there[..., None], -1.0), there))
    return torch.cat(found)


def _best(overlap: Tensor, present: Tensor, threshold: float) -> Tensor:
    """Every anchor's best truth from `threshold` on, then an anchor for each truth.

    In each round every truth that waits asks for its best free anchor, and gets it if none that waits overlaps that anchor more. Such
    a pair is the best left for both of its sides, so going by falling IoU would match it too; the best of all pairs is always one.
    """
    matched = _nearest(overlap, overlap.amax(1) >= threshold)
    waiting = present.clone()
    picture, slot = waiting.nonzero(as_tuple=True)
    while len(slot):
        best, wanted = overlap[picture, slot].max(1)  # the first of equals
        rivals = overlap[picture, :, wanted].masked_fill_(~waiting[picture], -2.0)
        free = best >= 0
        gets = free & (rivals.argmax(1) == slot)
        taken = picture[gets], wanted[gets]
        matched[taken] = slot[gets]
        overlap[taken[0], :, taken[1]] = -1.0
        waiting[picture[gets], slot[gets]] = False
        again = free & ~gets
        picture, slot = picture[again], slot[again]
    return matched


def _thresholds(overlap: Tensor, low: float, high: float, rescue: bool) -> Tensor:
    largest = overlap.amax(1)
    chosen = largest >= high
    if rescue:
        most = overlap.amax(2, keepdim=True)
        chosen |= ((overlap == most) & (most > 0)).any(1)
    matched = _nearest(overlap, chosen)
    return matched.masked_fill_(~chosen & (largest >= low), IGNORED)


def _nearest(overlap: Tensor, chosen: Tensor) -> Tensor:
    """The best truth of the chosen anchors, NO_TRUTH for the others."""
    matched = torch.full(chosen.shape, NO_TRUTH, device=chosen.device)
    picture, anchor = chosen.nonzero(as_tuple=True)
    matched[picture, anchor] = overlap[picture, :, anchor].argmax(1)
    return matched
