"""An anchor-free YOLO: one answer a place of three maps, from which a box's four sides are told.

Each place of the maps at 1/8, 1/16 and 1/32 says how far left, top, right and bottom of its object's box are (Tian et al. 2019, "FCOS"), with
separate towers for what and where (Ge et al. 2021, "YOLOX"); there is no further objectness, as a class's score is trained to be the
IoU of its box (Li et al. 2020, "Generalized focal loss"). Which places learn an object is decided by how well they answer it
(ops/assignment.py). Body and pyramid are a ResNet and Lin et al.'s feature pyramid (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.prepared import Terms
from sonde.nn.pyramid import FeaturePyramid
from sonde.nn.truths import Truths, truths_of
from sonde.ops.anchors import points
from sonde.ops.assignment import candidates, task_aligned
from sonde.ops.boxes import clip, paired_generalised_iou
from sonde.ops.candidates import best_boxes
from sonde.ops.focal import focal
from sonde.ops.matching import of_matched

STRIDES = (8, 16, 32)
# A score starts at this, so that the first steps are not all background (Lin et al. 2017, "Focal loss", section 4.1).
PRIOR = 0.01
# A side starts at so many strides; none is longer than e⁶ of them.
FIRST_SIDE, LARGEST = 2.0, 6.0
# What the box of an object weighs beside its class, and how many places learn an object, about. A number that is known without the model.
BOX_WEIGHT, PLACES = 2.0, 4.0
# Added to the quality of a place where the places of one object are weighed, so that an object that none overlaps yet is learnt too.
LEAST_QUALITY = 0.05


@dataclass(frozen=True)
class Config:
    """`channels`, `size` (longer side in pixels) and `classes` come from the data.

    The ResNet has `blocks` of `width` and `stem` as in models/resnet.py; the pyramid has `pyramid` channels, and `towers` 3×3 convolutions
    stand before the answers. `places`: how many learn an object at most; `focus`: γ of the focal loss, 0: cross-entropy. Of detections with
    a score over `score` those are kept that overlap no better one of their class by more than `overlap`, at most `most` a picture.
    `class_weights`: what an object of each class counts in the loss of classes (none: 1); the task fills it.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    bottleneck: bool = False
    width: int = 32
    stem: Literal["photo", "light"] = "light"
    pyramid: int = 64
    towers: int = 2
    places: int = 10
    focus: float = 2.0
    score: float = 0.01
    overlap: float = 0.6
    most: int = 100
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "yolo-small": Config(),
    "yolo-large": Config(blocks=(3, 4, 6, 3), bottleneck=True, width=64, stem="photo", pyramid=256, towers=3),
}


class LevelHead(nn.Module):
    """What is at each place of one level, and where exactly."""

    def __init__(self, width: int, towers: int, classes: int) -> None:
        super().__init__()
        self.what = nn.Sequential(*(ConvolutionNorm(width, width, 3) for _ in range(towers)))
        self.where = nn.Sequential(*(ConvolutionNorm(width, width, 3) for _ in range(towers)))
        self.classes = nn.Conv2d(width, classes, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        for layer, bias in ((self.classes, -math.log(1 / PRIOR - 1)), (self.sides, math.log(FIRST_SIDE))):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch place numbers"]:
        """Logits of the classes, then logarithms of the four sides in strides."""
        both = torch.cat([self.classes(self.what(x)), self.sides(self.where(x))], 1)
        return both.flatten(2).transpose(1, 2)


class Yolo(nn.Module):
    """Body, pyramid, and a head a level."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("body.conv1", "body.bn1"),
        **{f"stage{number}": (f"body.layer{number}",) for number in range(1, 5)},
        "head": ("pyramid", "heads"),
    }
    classifiers: ClassVar[tuple[str, ...]] = tuple(f"heads.{level}.classes" for level in range(len(STRIDES)))

    weights: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # No state: it belongs to training alone.
        self.register_buffer("weights", torch.tensor(config.class_weights or (1.0,) * config.classes), persistent=False)
        table = resnet.Config(config.channels, resnet.LARGE, 0, config.blocks, config.bottleneck, config.width, stem=config.stem)
        self.body = resnet.ResNet(table, head=False)
        self.pyramid = FeaturePyramid(self.body.widths[1:], config.pyramid)
        self.heads = nn.ModuleList(LevelHead(config.pyramid, config.towers, config.classes) for _ in STRIDES)

    def answers(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (batch, place, class), boxes (batch, place, 4) in pixels, the places' centres (place, 2) and strides (place,)."""
        levels = self.pyramid(list(self.body.maps(images)[1:]))[: len(STRIDES)]
        found = torch.cat([head(x) for head, x in zip(self.heads, levels, strict=True)], 1)
        found = found if found.dtype in (torch.float32, torch.float64) else found.float()
        shapes = [(x.shape[-2], x.shape[-1], stride) for x, stride in zip(levels, STRIDES, strict=True)]
        centres = torch.cat([points(rows, columns, stride=stride, device=found.device, dtype=found.dtype) for rows, columns, stride in shapes])
        strides = torch.cat([found.new_full((rows * columns,), float(stride)) for rows, columns, stride in shapes])
        classes = self.config.classes
        sides = found[..., classes:].clamp(max=LARGEST).exp() * strides[:, None]
        return found[..., :classes], torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], 2), centres, strides

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Detections of each picture, best first: left, top, right, bottom in pixels, class, score; 0 where there is none."""
        boxes, scores = self.scored(images)
        return best_boxes(boxes, scores, iou=self.config.overlap, most=self.config.most, floor=self.config.score)

    def scored(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """Boxes of all places in pixels (batch, place, 4), and scores 0…1 (batch, place, class), before suppression."""
        logits, boxes, _, _ = self.answers(images)
        return clip(boxes, height=float(images.shape[-2]), width=float(images.shape[-1])), logits.sigmoid()

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """Two terms by "objects": the focal loss of all places over PLACES, and 2·(1 − GIoU), for each object the mean over its places."""
        (images,) = inputs
        logits, boxes, centres, strides = self.answers(images)
        truths = truths_of(targets.to(logits))
        matched, quality = task_aligned(
            logits.sigmoid(), boxes, centres, strides, truths.boxes, truths.classes, truths.real, top=self.config.places
        )
        positive = matched >= 0
        wanted = torch.zeros_like(logits).scatter(2, of_matched(truths.classes, matched)[..., None], (quality * positive)[..., None])
        heard = positive | ~_crowded(centres, strides, truths)
        kind = ((focal(logits, wanted, gamma=self.config.focus) * self.weights).sum(2) * heard).sum()
        share = torch.where(positive, quality + LEAST_QUALITY, 0.0)
        whole = torch.zeros_like(targets[..., 0], dtype=share.dtype).scatter_add(1, matched.clamp(min=0), share)
        weight = share / of_matched(whole, matched).clamp(min=LEAST_QUALITY)
        apart = 1 - paired_generalised_iou(boxes, of_matched(truths.boxes, matched))
        box = torch.where(positive, apart * weight, 0.0).sum()
        return {"class": (kind / PLACES, "objects"), "box": (BOX_WEIGHT * box, "objects")}, images.new_zeros(len(images), 0, 6)

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in a ResNet for classification."""
        return {f"body.{name}": name for name in self.body.state_dict()}


def _crowded(centres: Tensor, strides: Tensor, truths: Truths) -> Bool[Tensor, "picture place"]:
    """Which places lie in a crowd, where an answer is neither right nor wrong."""
    return (candidates(centres, strides, truths.boxes) & truths.crowd[..., None]).any(1)


def smallest(config: Config) -> int:
    """Least length of the longer side in pixels: one place of the coarsest map."""
    return STRIDES[-1]


def build(config: Config) -> Yolo:
    """The model with fresh weights."""
    return Yolo(config)
