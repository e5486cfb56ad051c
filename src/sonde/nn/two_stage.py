"""What Faster and Mask R-CNN share: a pyramid, region proposals on all its levels, and a head that judges the proposed regions.

State keys are torchvision's: backbone.body.…, backbone.fpn.…, rpn.head.…, roi_heads.box_head.…, roi_heads.box_predictor.…
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.prepared import Terms
from sonde.nn.pyramid import Backbone, Maps, PyramidBody
from sonde.nn.region_proposals import BETA, Numbers, Proposals, RegionProposals, Scored
from sonde.nn.regions import (
    DenseHead,
    Predictor,
    Sampled,
    Sampling,
    Threshold,
    best_of_regions,
    keys_of,
    label_weights,
    region_losses,
    sample,
)
from sonde.nn.truths import Truths, truths_of
from sonde.ops.roi import roi_align_levels

# A region is read as so many by so many bins, each the mean of 2×2 samples.
BINS, SAMPLES = 7, 2
# A region of so many sides of the smallest anchor is read from the third level: 224 pixels for the published 32.
CANONICAL = 7
RATIOS = (0.5, 1.0, 2.0)


# Names in the files of 2019, which torchvision still publishes and reads, and those of today.
_OLD = (
    (re.compile(r"(fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)"), r"\1.0.\2"),
    (re.compile(r"rpn\.head\.conv\.(weight|bias)"), r"rpn.head.conv.0.0.\1"),
    (re.compile(r"mask_head\.mask_fcn1\.(weight|bias)"), r"mask_head.0.0.\1"),
    (re.compile(r"mask_head\.mask_fcn2\.(weight|bias)"), r"mask_head.1.0.\1"),
    (re.compile(r"mask_head\.mask_fcn3\.(weight|bias)"), r"mask_head.2.0.\1"),
    (re.compile(r"mask_head\.mask_fcn4\.(weight|bias)"), r"mask_head.3.0.\1"),
)


def own_name(name: str) -> str:
    """Today's name of a weight in an older published file; any other name as it is."""
    for old, new in _OLD:
        name = old.sub(new, name)
    return name


@dataclass(frozen=True)
class Sizes:
    """The numbers of a two-stage detector; the Configs of models/faster_rcnn.py and models/mask_rcnn.py say what they are."""

    classes: int
    pyramid: int
    dense: int
    anchor: int
    before: tuple[int, int]
    after: tuple[int, int]
    regions: int
    score: float
    overlap: float
    most: int
    class_weights: tuple[float, ...] = ()


class RegionHeads(nn.Module):
    """The second stage: what a region shows, and where exactly it is. Keys box_head.… and box_predictor.…

    Mask R-CNN puts its further head beside them.
    """

    weights: Tensor
    mask_head: nn.Module
    mask_predictor: nn.Module

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        # No state: it belongs to training alone.
        self.register_buffer("weights", label_weights(sizes.classes, sizes.class_weights), persistent=False)
        self.sampling = Sampling(sizes.regions)
        self.threshold = Threshold(sizes.score, sizes.overlap, sizes.most)
        self.canonical = float(CANONICAL * sizes.anchor)
        self.box_head = DenseHead(sizes.pyramid * BINS**2, sizes.dense)
        self.box_predictor = Predictor(sizes.dense, sizes.classes)

    def pool(self, maps: Maps, boxes: Float[Tensor, "picture region 4"], bins: int) -> Float[Tensor, "all_regions channel bins bins"]:
        """Each region from its level of the pyramid, which has the level of every second place besides (that one is for proposals alone)."""
        picture = torch.arange(boxes.shape[0], device=boxes.device).repeat_interleave(boxes.shape[1])
        levels = maps[:-1]
        scales = [2.0 ** -(2 + level) for level in range(len(levels))]
        flat = boxes.flatten(0, 1)
        return roi_align_levels(levels, flat, picture, (bins, bins), scales=scales, sampling=SAMPLES, canonical_size=self.canonical)

    def forward(self, maps: Maps, boxes: Float[Tensor, "picture region 4"]) -> tuple[Tensor, Tensor]:
        """Logits (picture · region, class + 1) and offsets (picture · region, class + 1, 4) of regions."""
        logits, offsets = self.box_predictor(self.box_head(self.pool(maps, boxes, BINS)))
        return logits, offsets


@runtime_checkable
class TwoStage(Protocol):
    """A model that is made of these parts."""

    backbone: PyramidBody
    rpn: RegionProposals
    roi_heads: RegionHeads


@dataclass(frozen=True)
class Seen:
    """What the first stage makes of pictures of `size` (height, width)."""

    maps: Maps
    scored: Scored
    proposals: Proposals
    size: tuple[int, int]


def parts(body: Backbone, sizes: Sizes) -> tuple[PyramidBody, RegionProposals, RegionHeads]:
    """The modules for `body`. Both thresholds and draws are the paper's."""
    training, testing = (Numbers(before=before, after=after) for before, after in zip(sizes.before, sizes.after, strict=True))
    rpn = RegionProposals(sizes.pyramid, side=sizes.anchor, ratios=RATIOS, training=training, testing=testing)
    return PyramidBody(body, sizes.pyramid), rpn, RegionHeads(sizes)


def look(model: TwoStage, images: Float[Tensor, "picture channel height width"]) -> Seen:
    """The first stage."""
    size = (images.shape[2], images.shape[3])
    maps: Maps = model.backbone(images)
    scored: Scored = model.rpn(maps, size)
    return Seen(maps, scored, model.rpn.propose(scored), size)


def find(model: TwoStage, seen: Seen) -> Float[Tensor, "picture most 6"]:
    """The second stage: detections of each picture, best first."""
    boxes = seen.proposals.boxes
    logits, offsets = model.roi_heads(seen.maps, boxes)
    probabilities, offsets = (x.unflatten(0, boxes.shape[:2]) for x in (F.softmax(logits, 1), offsets))
    return best_of_regions(probabilities, offsets, boxes, seen.proposals.real, size=seen.size, threshold=model.roi_heads.threshold)


def learn(model: TwoStage, images: Float[Tensor, "picture channel height width"], targets: Tensor) -> tuple[Terms, Seen, Sampled, Truths]:
    """The four terms of both stages, each a sum over pictures, with the regions that were sampled."""
    truths = truths_of(targets)
    seen = look(model, images)
    objectness, moved = model.rpn.losses(seen.scored, truths)
    sampled = sample(seen.proposals.boxes, seen.proposals.real, truths, keys_of(images), model.roi_heads.sampling)
    logits, offsets = model.roi_heads(seen.maps, sampled.boxes)
    classification, box = region_losses(logits, offsets, sampled, truths, weights=model.roi_heads.weights, beta=BETA)
    terms: Terms = {
        "objectness": (objectness, "examples"),
        "proposal": (moved, "examples"),
        "class": (classification, "examples"),
        "box": (box, "examples"),
    }
    return terms, seen, sampled, truths
