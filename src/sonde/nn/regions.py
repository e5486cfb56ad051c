"""What detectors that judge regions have in common (Girshick 2015, "Fast R-CNN", sections 2.2 and 2.3): draws, losses, detections.

A region gets a score for each class, of which 0 is the background, and for each class four offsets from itself to the object's box.
All functions take a batch of pictures, padded to as many regions each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sonde.nn.truths import Truths, in_a_crowd
from sonde.ops.boxes import clip
from sonde.ops.matching import match_thresholds, of_matched
from sonde.ops.offsets import decode, encode
from sonde.ops.random import bits, uniform
from sonde.ops.suppression import detections
from sonde.ops.values import has_values

# A detection with a shorter side, in pixels, is dropped.
LEAST_SIDE = 1e-2
# Of every so many rows and columns one tells pictures apart; see `keys_of`.
STEP = 4


@dataclass(frozen=True)
class Sampling:
    """Of each picture's regions `regions` are learned from, at most the share `positive` of them objects: IoU ≥ `overlap` with one."""

    regions: int = 512
    positive: float = 0.25
    overlap: float = 0.5

    @property
    def most(self) -> int:
        """How many of a picture's regions can be objects; these stand first."""
        return int(self.regions * self.positive)


@dataclass(frozen=True)
class Sampled:
    """Regions to learn from: boxes (picture, region, 4), the slot of each one's object, its label (0: background, else class + 1).

    `weight` (picture, region) is one over the number of regions of the picture, 0 for rows that are none.
    """

    boxes: Float[Tensor, "picture region 4"]
    slots: Int[Tensor, "picture region"]
    labels: Int[Tensor, "picture region"]
    weight: Float[Tensor, "picture region"]

    @property
    def picture(self) -> Int[Tensor, " all_regions"]:
        """The picture of each region, all of a picture one after the other."""
        return torch.arange(len(self.boxes), device=self.boxes.device).repeat_interleave(self.boxes.shape[1])


@dataclass(frozen=True)
class Threshold:
    """Detections below `score` are dropped, and those that overlap a better one of their class by an IoU above `overlap`; `most` are left."""

    score: float = 0.05
    overlap: float = 0.5
    most: int = 100


class DenseHead(nn.Module):
    """Two dense layers over a region's map; torchvision's keys fc6 and fc7."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(inputs, width)
        self.fc7 = nn.Linear(width, width)

    def forward(self, regions: Float[Tensor, "region channel height width"]) -> Float[Tensor, "region feature"]:
        """relu(fc7(relu(fc6(x))))."""
        return F.relu(self.fc7(F.relu(self.fc6(regions.flatten(1)))))


class Predictor(nn.Module):
    """Scores of the background and each class, and four offsets for each; torchvision's keys cls_score and bbox_pred."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(features, classes + 1)
        self.bbox_pred = nn.Linear(features, 4 * (classes + 1))
        for layer, spread in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):  # section 2.3
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Float[Tensor, "region feature"]) -> tuple[Tensor, Tensor]:
        """Logits (region, class + 1) and offsets (region, class + 1, 4), in float32 at least."""
        logits, offsets = self.cls_score(features), self.bbox_pred(features)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(dtype), offsets.to(dtype).unflatten(1, (-1, 4))


def one_by_one(
    find: Callable[[Tensor], Tensor], images: Float[Tensor, "picture channel height width"], *, most: int
) -> Float[Tensor, "picture most 6"]:
    """What `find` gives for each picture by itself, since a picture may have thousands of regions."""
    found = [find(image) for image in images.split(1)] if len(images) else []
    return torch.cat(found) if found else images.new_zeros(0, most, 6)


@torch.no_grad()
def keys_of(images: Float[Tensor, "picture channel height width"]) -> Int[Tensor, " picture"]:
    """A number for each picture, made from its pixels: what draws for it depend on, wherever in a batch or on which process it stands."""
    pixels = (images[:, :, ::STEP, ::STEP] * 256).round().long().flatten(1)
    return (pixels * bits(0, 0, torch.arange(pixels.shape[1], device=pixels.device), 0)).sum(1)


@torch.no_grad()
def sample(
    boxes: Float[Tensor, "picture box 4"],
    real: Bool[Tensor, "picture box"],
    truths: Truths,
    keys: Int[Tensor, " picture"],
    sampling: Sampling,
    *,
    lowest: float = 0.0,
) -> Sampled:
    """Draw the regions to learn from: `boxes` that are `real`, and the objects' own boxes.

    Background is what overlaps every object by an IoU below `sampling.overlap`, and the best one by at least `lowest`, unless it lies in a
    crowd. Draws are by hash of a picture's key and the box's place in the list.
    """
    boxes = torch.cat([boxes, truths.boxes.to(boxes)], 1)
    real = torch.cat([real, truths.real], 1)
    matched = match_thresholds(boxes, truths.boxes.to(boxes), truths.real, low=sampling.overlap, high=sampling.overlap, rescue=False)
    positive = real & (matched >= 0)
    negative = real & (matched < 0) & ~in_a_crowd(boxes, truths)
    if lowest > 0:
        negative &= match_thresholds(boxes, truths.boxes.to(boxes), truths.real, low=lowest, high=lowest, rescue=False) >= 0
    drawn = uniform(0, 0, keys[:, None], torch.arange(boxes.shape[1], device=boxes.device))
    # Ranks among the positive ones; the first of them come before all others, which follow in the order of their draws.
    rank = drawn.masked_fill(~positive, 2).argsort(1).argsort(1)
    taken = positive & (rank < sampling.most)
    order = torch.where(taken, drawn - 1, torch.where(negative, drawn, 2.0))
    values, index = order.topk(min(sampling.regions, order.shape[1]), dim=1, largest=False)
    chosen = values < 2
    slots = matched.gather(1, index).clamp(min=0)
    labels = torch.where(values < 0, truths.classes.gather(1, slots) + 1, 0)
    weight = chosen / chosen.sum(1, keepdim=True).clamp(min=1)
    return Sampled(boxes.gather(1, index[..., None].expand(-1, -1, 4)), slots, labels, weight)


def label_weights(classes: int, given: Sequence[float]) -> Float[Tensor, " klass"]:
    """What each label counts in the loss of classes: the background, which is label 0, and without `given` all others count 1."""
    return torch.tensor([1.0, *(given or (1.0,) * classes)])


def region_losses(
    logits: Tensor, offsets: Tensor, sampled: Sampled, truths: Truths, *, weights: Float[Tensor, " klass"], beta: float
) -> tuple[Tensor, Tensor]:
    """The cross-entropy of the labels, and the smooth L1 distance of an object's offsets: sums over pictures of means over regions.

    `logits` (picture · region, class + 1) and `offsets` (picture · region, class + 1, 4) are of the sampled regions, `weights` what each
    label counts, `beta` is where the squared part of the distance ends.
    """
    labels, weight = sampled.labels.flatten(), sampled.weight.flatten()
    classification = (F.cross_entropy(logits, labels, weights.to(logits), reduction="none") * weight).sum()
    own = offsets.gather(1, labels[:, None, None].expand(-1, 1, 4))[:, 0]
    positive = labels > 0
    # What is no object may be a box without area, from which there are no offsets.
    boxes = torch.where(positive[:, None], sampled.boxes.flatten(0, 1), sampled.boxes.new_tensor([0.0, 0.0, 1.0, 1.0]))
    wanted = encode(of_matched(truths.boxes, sampled.slots).flatten(0, 1).to(boxes), boxes)
    wanted = torch.where(positive[:, None], wanted, own.detach())
    distance = F.smooth_l1_loss(own, wanted.detach(), beta=beta, reduction="none").sum(1)
    return classification, (distance * weight).sum()


@torch.no_grad()
def best_of_regions(
    probabilities: Float[Tensor, "picture region klass"],
    offsets: Float[Tensor, "picture region klass 4"],
    boxes: Float[Tensor, "picture region 4"],
    real: Bool[Tensor, "picture region"],
    *,
    size: tuple[int, int],
    threshold: Threshold,
) -> Float[Tensor, "picture most 6"]:
    """The best detections of each picture of `size` (height, width), best first: left, top, right, bottom, class, score; 0 where there are none.

    Each region stands for one candidate of each class but the background. Reads one number from the device: how many scores pass.
    """
    pictures, classes = probabilities.shape[0], probabilities.shape[2]
    scores = probabilities[..., 1:].masked_fill(~real[..., None], 0).flatten(1)
    passing = int((scores > threshold.score).sum(1).max()) if scores.numel() and has_values(scores) else 0
    if passing == 0:
        return boxes.new_zeros(pictures, threshold.most, 6)
    scores, index = (x[:, :passing] for x in scores.sort(dim=1, descending=True, stable=True))
    region, kind = index // (classes - 1), index % (classes - 1)
    flat = (region * classes + kind + 1)[..., None].expand(-1, -1, 4)
    found = decode(offsets.flatten(1, 2).gather(1, flat), boxes.gather(1, region[..., None].expand(-1, -1, 4)))
    found = clip(found, height=size[0], width=size[1])
    good = (found[..., 2:] - found[..., :2]).amin(-1) >= LEAST_SIDE
    scores = scores.masked_fill(~good, -torch.inf)
    return detections(found, scores, kind, iou=threshold.overlap, most=threshold.most, floor=threshold.score)
