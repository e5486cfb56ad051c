"""The region proposal network (Ren et al. 2015, "Faster R-CNN", section 3.1): where in the picture something stands.

At every place of every level of a pyramid stand a few anchors. A small network, the same for all levels, says of each how likely it
is to hold an object, and by which offsets its box is better. State keys are torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.nn.pyramid import Maps
from sonde.nn.truths import Truths, in_a_crowd
from sonde.ops.anchors import crossed_shapes, level_anchors
from sonde.ops.boxes import clip
from sonde.ops.matching import NO_TRUTH, match_thresholds, of_matched
from sonde.ops.offsets import decode, encode
from sonde.ops.suppression import suppress_batch
from sonde.ops.values import has_values

# Proposals with a shorter side, in pixels, are dropped.
LEAST_SIDE = 1e-3
WEIGHTS = (1.0, 1.0, 1.0, 1.0)  # of the four offsets from an anchor
# Where the squared part of the smooth L1 distance ends: the paper's code has σ = 3.
BETA = 1 / 9


@dataclass(frozen=True)
class Numbers:
    """How many: of the best anchors of a level so many go `before` suppression, so many are left `after` it, in all levels.

    `overlap` is the IoU of suppression. An anchor is `positive` from that IoU with an object on, `negative` below this one; the loss of a
    picture counts `sampled` anchors, of which at most `share` are positive.
    """

    before: int = 1000
    after: int = 1000
    overlap: float = 0.7
    positive: float = 0.7
    negative: float = 0.3
    sampled: int = 256
    share: float = 0.5


@dataclass(frozen=True)
class Scored:
    """What the network says of the anchors (anchor, 4) of pictures of `size` (height, width).

    `objectness` (picture, anchor) are logits, `offsets` (picture, anchor, 4); `levels` says how many anchors each level has.
    """

    objectness: Tensor
    offsets: Tensor
    anchors: Tensor
    levels: tuple[int, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class Proposals:
    """The best boxes of each picture, best first: (picture, proposal, 4), and which of the rows are boxes at all."""

    boxes: Float[Tensor, "picture proposal 4"]
    real: Bool[Tensor, "picture proposal"]


class ProposalHead(nn.Module):
    """A 3×3 convolution, then for each anchor of a place one logit and four offsets."""

    def __init__(self, width: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()))
        self.cls_logits = nn.Conv2d(width, anchors, 1)
        self.bbox_pred = nn.Conv2d(width, 4 * anchors, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """Objectness (picture, anchor) and offsets (picture, anchor, 4), in the order level, row, column, anchor of the place."""
        hidden = [self.conv(x) for x in maps]
        logits = torch.cat([self.cls_logits(x).permute(0, 2, 3, 1).flatten(1) for x in hidden], 1)
        offsets = [self.bbox_pred(x).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4)) for x in hidden]
        return logits, torch.cat(offsets, 1)


class RegionProposals(nn.Module):
    """The network and its anchors: `side` pixels at the finest level, twice as many at each further one, of every aspect `ratios`."""

    def __init__(self, width: int, *, side: int, ratios: tuple[float, ...], training: Numbers, testing: Numbers) -> None:
        super().__init__()
        self.head = ProposalHead(width, len(ratios))
        self.side, self.ratios = side, ratios
        self.numbers = {True: training, False: testing}

    def forward(self, maps: Maps, size: tuple[int, int]) -> Scored:
        """Score the anchors of pictures of `size` (height, width) by the levels of their pyramid."""
        objectness, offsets = self.head(maps)
        shapes = tuple((x.shape[-2], x.shape[-1]) for x in maps)
        # The stride as torchvision rounds it, where a map does not divide the picture.
        strides = tuple((float(size[0] // rows), float(size[1] // columns)) for rows, columns in shapes)
        kinds = [crossed_shapes((self.side * 2**level,), self.ratios, rounded=True) for level in range(len(maps))]
        # What is to be compared and exponentiated keeps float32 where the network computes in half of it.
        dtype = torch.promote_types(offsets.dtype, torch.float32)
        anchors = level_anchors(shapes, kinds, strides=strides, centre=0.0, device=offsets.device, dtype=dtype)
        counts = tuple(rows * columns * len(self.ratios) for rows, columns in shapes)
        return Scored(objectness.to(dtype), offsets.to(dtype), anchors, counts, size)

    @torch.no_grad()
    def propose(self, scored: Scored) -> Proposals:
        """The best boxes: of each level the best anchors, moved by their offsets, suppressed level by level."""
        numbers = self.numbers[self.training]
        chosen, levels, first = [], [], 0
        for level, count in enumerate(scored.levels):
            best = scored.objectness[:, first : first + count].topk(min(count, numbers.before), dim=1).indices
            chosen.append(best + first)
            levels.append(torch.full_like(best, level))
            first += count
        index, level_of = torch.cat(chosen, 1), torch.cat(levels, 1)
        scores = scored.objectness.gather(1, index)
        boxes = decode(scored.offsets.gather(1, index[..., None].expand(-1, -1, 4)), scored.anchors[index], weights=WEIGHTS)
        boxes = clip(boxes, height=scored.size[0], width=scored.size[1])
        real = (boxes[..., 2:] - boxes[..., :2]).amin(-1) >= LEAST_SIDE
        kept = suppress_batch(boxes, scores.masked_fill(~real, -torch.inf), level_of, iou=numbers.overlap, most=numbers.after)
        if has_values(kept):
            kept = kept[:, : max(1, int((kept >= 0).sum(1).max()))] if len(kept) else kept[:, :1]  # no further than the fullest row
        rows = kept.clamp(min=0)
        return Proposals(boxes.gather(1, rows[..., None].expand(-1, -1, 4)), kept >= 0)

    def losses(self, scored: Scored, truths: Truths) -> tuple[Tensor, Tensor]:
        """Of objectness and of offsets: sums over the pictures.

        The paper draws 256 anchors a picture, at most half of them positive. Here every anchor counts with the probability that it would
        be drawn: the same expectation, without the noise of a draw.
        """
        numbers = self.numbers[self.training]
        with torch.no_grad():
            matched = match_thresholds(scored.anchors[None], truths.boxes, truths.real, low=numbers.negative, high=numbers.positive)
            positive, negative = matched >= 0, (matched == NO_TRUTH) & ~in_a_crowd(scored.anchors[None], truths)
            weight, drawn = shares(positive, negative, numbers)
            wanted = encode(of_matched(truths.boxes, matched), scored.anchors, weights=WEIGHTS)
        each = F.binary_cross_entropy_with_logits(scored.objectness, positive.to(scored.objectness), reduction="none")
        objectness = ((each * weight).sum(1) / drawn).sum()
        wanted = torch.where(positive[..., None], wanted, scored.offsets.detach())
        distance = F.smooth_l1_loss(scored.offsets, wanted, beta=BETA, reduction="none").sum(2)
        return objectness, ((distance * weight * positive).sum(1) / drawn).sum()


def shares(positive: Tensor, negative: Tensor, numbers: Numbers) -> tuple[Tensor, Tensor]:
    """The probability (picture, anchor) that an anchor is drawn, and how many are drawn (picture,), at least 1."""
    positives, negatives = positive.sum(1), negative.sum(1)
    taken = positives.clamp(max=int(numbers.sampled * numbers.share))
    rest = torch.minimum(negatives, numbers.sampled - taken)
    weight = positive * (taken / positives.clamp(min=1))[:, None] + negative * (rest / negatives.clamp(min=1))[:, None]
    return weight, (taken + rest).clamp(min=1)
