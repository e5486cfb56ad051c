"""SSD (Liu et al. 2016, "SSD: single shot multibox detector"): anchors on maps of several scales, each judged once.

`ssd300` is the paper's on VGG-16, with torchvision's state keys (ssd300_vgg16), anchors and their order: 38², 19², 10², 5², 3² and 1 places with
4, 6, 6, 6, 4 and 4 anchors, 8,732 in all; its published weights, trained on pictures whose colours stand in 0…255 less the mean, load.
`ssd-resnet50` and `ssd-small` read the maps of a ResNet at 1/8, 1/16 and 1/32 and convolve on from there. The finest map finds the small objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.models import resnet
from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.initialise import initialise, initialise_relu_network
from sonde.nn.prepared import Terms
from sonde.nn.sizes import scaled
from sonde.nn.truths import in_a_crowd, truths_of
from sonde.ops.anchors import level_anchors, ssd_shapes
from sonde.ops.boxes import clip
from sonde.ops.candidates import best_boxes
from sonde.ops.focal import focal
from sonde.ops.matching import match_best, of_matched
from sonde.ops.mining import hard_negatives
from sonde.ops.offsets import decode, encode

# The least sides that leave something on the VGG body's maps, by how many of the six there are; smaller pictures are padded.
VGG_LEAST = {1: 32, 2: 32, 3: 32, 4: 32, 5: 140, 6: 268}
# The published distances of anchors at 300 pixels.
PUBLISHED_SIZE, PUBLISHED_STRIDES = 300, (8.0, 16.0, 32.0, 64.0, 100.0, 300.0)
# A truth is matched with about so many anchors. Known without the model, unlike the number itself, it keeps the loss near the paper's.
MATCHED = 6.0
# Background that a picture without objects is judged by.
LEAST_NEGATIVES = 6
NEGATIVES_TO_POSITIVES = 3.0
# Share of a class in a random place, with which the focal loss starts (Lin et al. 2017, section 4.1).
PRIOR = 0.01

Ratios = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Config:
    """`channels`, `size` (longer side in pixels) and `classes` (without background) come from the data.

    `body` vgg: VGG-16, its channels times `scale`, with as many of the six levels as `ratios`; resnet: stages of `blocks` and `width`,
    then one further level a number in `extras`, its channels. `scales`: sides of the anchors of each level in shares of `size`, and one
    more; `ratios`: of each level beside 1. `negatives`: mined (three of the hardest for one matched anchor, cross-entropy with a class for
    background) or focal (all of them, classes alone).
    Of detections with a score over `score` those are kept that overlap no better one of their class by more than `overlap`, at most `most`.
    `class_weights`: what an object of each class counts in the loss of classes (none: 1); the task fills it.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    body: Literal["vgg", "resnet"] = "vgg"
    scale: float = 1.0
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    bottleneck: bool = False
    width: int = 64
    stem: Literal["photo", "light"] = "photo"
    extras: tuple[int, ...] = ()
    scales: tuple[float, ...] = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
    ratios: Ratios = ((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,))
    negatives: Literal["mined", "focal"] = "mined"
    score: float = 0.01
    overlap: float = 0.45
    most: int = 200
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "ssd300": Config(),
    "ssd-resnet50": Config(
        body="resnet", blocks=(3, 4, 6, 3), bottleneck=True, extras=(512, 256, 256), scales=(0.06, 0.14, 0.3, 0.48, 0.66, 0.84, 1.0)
    ),
    "ssd-small": Config(
        body="resnet", width=32, stem="light", extras=(128,), scales=(0.06, 0.15, 0.35, 0.6, 0.85), ratios=((2.0,), (2.0,), (2.0,), (2.0,)), most=100
    ),
}


class VGGBody(nn.Module):
    """Maps of the six levels. Fully connected layers 6 and 7 of VGG-16 are convolutions here, the first with dilation 6 (section 3)."""

    blocks: ClassVar[tuple[tuple[int, ...], ...]] = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))

    def __init__(self, channels: int, scale: float, count: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.stages: dict[str, tuple[str, ...]] = {}
        for number, block in enumerate(self.blocks):
            if number:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=number == 3))  # 75 places become 38
            places = []
            for wide in block:
                width = scaled(wide, scale)
                places.append(f"features.{len(layers)}")
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.stages[f"stage{number}" if number else "stem"] = tuple(places)
        self.stages["stage4"] = ("extra.0.1", "extra.0.3", "extra.0.5")
        self.features = nn.Sequential(*layers)
        first, dense, halves = channels, scaled(1024, scale), [scaled(width, scale) for width in (256, 128, 128, 128)][: max(count - 2, 0)]
        fifth: list[nn.Module] = [nn.MaxPool2d(2, 2)]
        for _ in range(3):
            fifth += [nn.Conv2d(first, first, 3, padding=1), nn.ReLU()]
        after = (nn.MaxPool2d(3, 1, 1), nn.Conv2d(first, dense, 3, padding=6, dilation=6), nn.ReLU(), nn.Conv2d(dense, dense, 1), nn.ReLU())
        levels = [nn.Sequential(*fifth, nn.Sequential(*after))]
        self.widths = (first, dense, *(2 * half for half in halves))
        for number, half in enumerate(halves):
            stride, padding = (2, 1) if number < 2 else (1, 0)
            further = nn.Conv2d(half, 2 * half, 3, stride, padding)
            levels.append(nn.Sequential(nn.Conv2d(self.widths[number + 1], half, 1), nn.ReLU(), further, nn.ReLU()))
        self.extra = nn.ModuleList(levels)
        # The finest map has larger values than the others: each place to length 1, times a weight of each channel that begins at 20.
        self.scale_weight = nn.Parameter(torch.full((first,), 20.0))
        initialise_relu_network(self, last=self)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> list[Tensor]:
        """The maps, the finest first."""
        x = self.features(images)
        maps = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return maps

    def body_keys(self) -> dict[str, str]:
        """Own names → those in VGG-16, whose fifth block stands in `extra` here."""
        keys = {f"features.{place}": f"features.{place}" for place in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)}
        keys |= {f"extra.0.{place}": f"features.{place + 23}" for place in (1, 3, 5)}
        return {f"{own}.{kind}": f"{theirs}.{kind}" for own, theirs in keys.items() for kind in ("weight", "bias")}


class ResNetBody(nn.Module):
    """The maps of a ResNet's last three stages, and of further levels, each half the size of the one before."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        table = resnet.Config(config.channels, resnet.LARGE, 0, config.blocks, config.bottleneck, config.width, stem=config.stem)
        self.body = resnet.ResNet(table, head=False)
        self.widths = (*self.body.widths[1:], *config.extras)
        self.extra = nn.ModuleList(
            nn.Sequential(ConvolutionNorm(before, after // 2, 1), ConvolutionNorm(after // 2, after, 3, stride=2))
            for before, after in zip(self.widths[2:], config.extras, strict=False)
        )
        self.stages = {"stem": ("body.conv1", "body.bn1")} | {f"stage{number}": (f"body.layer{number}",) for number in range(1, 5)}

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> list[Tensor]:
        """The maps, the finest first."""
        maps = list(self.body.maps(images)[1:])
        for block in self.extra:
            maps.append(block(maps[-1]))
        return maps

    def body_keys(self) -> dict[str, str]:
        """Own names → those in a ResNet for classification."""
        return {f"body.{name}": name for name in self.body.state_dict()}


class LevelHeads(nn.Module):
    """A 3×3 convolution a level to `outputs` numbers an anchor: keys module_list.…"""

    def __init__(self, widths: Sequence[int], counts: Sequence[int], outputs: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.outputs = outputs
        layers = [nn.Conv2d(width, count * outputs, 3, padding=1) for width, count in zip(widths, counts, strict=True)]
        for layer in layers:
            initialise(layer.weight, "xavier-uniform")
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
        self.module_list = nn.ModuleList(layers)

    def forward(self, maps: list[Tensor]) -> Float[Tensor, "batch anchor output"]:
        """One row an anchor, place by place as ops/anchors.py counts them."""
        found = [layer(x).permute(0, 2, 3, 1).flatten(1) for layer, x in zip(self.module_list, maps, strict=True)]
        return torch.cat(found, 1).unflatten(1, (-1, self.outputs))


class Heads(nn.Module):
    """Classes and offsets of all anchors."""

    def __init__(self, widths: Sequence[int], counts: Sequence[int], classes: int, *, bias: float) -> None:
        super().__init__()
        self.classification_head = LevelHeads(widths, counts, classes, bias=bias)
        self.regression_head = LevelHeads(widths, counts, 4)


class SSD(nn.Module):
    """Body and heads. Class 0 of the heads is background."""

    weights: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # Of background first. No state: it belongs to training alone.
        self.register_buffer("weights", torch.tensor([1.0, *(config.class_weights or (1.0,) * config.classes)]), persistent=False)
        self.backbone = VGGBody(config.channels, config.scale, len(config.ratios)) if config.body == "vgg" else ResNetBody(config)
        ratios = config.ratios
        if len(ratios) != len(self.backbone.widths) or len(config.scales) != len(ratios) + 1:
            levels = len(self.backbone.widths)
            what = f"model.ratios has {len(ratios)} entries and model.scales {len(config.scales)}; this model has {levels} levels"
            raise RecipeError(what, where="model.config", remedy=f"give {levels} ratios, one list a level, and {levels + 1} scales")
        self.shapes = ssd_shapes(config.scales, ratios, size=float(config.size))
        bias = 0.0 if config.negatives == "mined" else float(torch.tensor(PRIOR).logit())
        self.head = Heads(self.backbone.widths, [len(level) for level in self.shapes], config.classes + 1, bias=bias)
        self.stages = {stage: tuple(f"backbone.{name}" for name in names) for stage, names in self.backbone.stages.items()}
        body = ("backbone.scale_weight", "backbone.extra.0.7") if config.body == "vgg" else ()
        first = 1 if config.body == "vgg" else 0
        self.stages["head"] = (*body, *(f"backbone.extra.{level}" for level in range(first, len(self.backbone.extra))), "head")
        self.classifiers = tuple(f"head.classification_head.module_list.{level}" for level in range(len(ratios)))

    def judged(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (batch, anchor, 1 + class), offsets (batch, anchor, 4) and the anchors (anchor, 4) in pixels."""
        if self.config.body == "vgg":
            height, width = images.shape[-2:]
            least = smallest(self.config)
            images = F.pad(images, (0, max(least - width, 0), 0, max(least - height, 0)))
        maps = self.backbone(images)
        logits, offsets = self.head.classification_head(maps), self.head.regression_head(maps)
        return _wide(logits), _wide(offsets), self.anchors((images.shape[-2], images.shape[-1]), maps)

    def anchors(self, size: tuple[int, int], maps: Sequence[Tensor]) -> Float[Tensor, "anchor 4"]:
        """The anchors of maps of a picture of `size` (height, width)."""
        places = [(x.shape[-2], x.shape[-1]) for x in maps]
        strides: Sequence[float | tuple[float, float]] = [8.0 * 2**level for level in range(len(maps))]
        if self.config.body == "vgg":
            published = size == (PUBLISHED_SIZE, PUBLISHED_SIZE)
            strides = PUBLISHED_STRIDES[: len(maps)] if published else [(size[0] / rows, size[1] / columns) for rows, columns in places]
        dtype = torch.float64 if maps[0].dtype == torch.float64 else torch.float32
        return level_anchors(places, self.shapes, strides=strides, device=maps[0].device, dtype=dtype)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Detections of each picture, best first: left, top, right, bottom in pixels, class, score; 0 where there is none."""
        boxes, scores = self.scored(images)
        return best_boxes(boxes, scores, iou=self.config.overlap, most=self.config.most, floor=self.config.score)

    def scored(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """Boxes of all anchors in pixels (batch, anchor, 4), and scores 0…1 (batch, anchor, class), before suppression."""
        logits, offsets, anchors = self.judged(images)
        boxes = clip(decode(offsets, anchors), height=float(images.shape[-2]), width=float(images.shape[-1]))
        return boxes, logits.softmax(2)[..., 1:] if self.config.negatives == "mined" else logits[..., 1:].sigmoid()

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """Two terms by "objects", both over MATCHED: the classes of all that was chosen, and smooth L1 of the matched anchors' offsets."""
        (images,) = inputs
        logits, offsets, anchors = self.judged(images)
        truths = truths_of(targets.to(logits))
        matched = match_best(anchors[None], truths.boxes, truths.real)
        positive = matched >= 0
        wanted = encode(of_matched(truths.boxes, matched), anchors)
        box = torch.where(positive, F.smooth_l1_loss(offsets, wanted, reduction="none").sum(2), 0.0).sum()
        labels = torch.where(positive, of_matched(truths.classes, matched) + 1, 0)
        clear = ~in_a_crowd(anchors[None], truths)
        if self.config.negatives == "focal":
            ones = F.one_hot(labels, logits.shape[2])[..., 1:].to(logits)
            kind = ((focal(logits[..., 1:], ones) * self.weights[1:]).sum(2) * (clear | positive)).sum()
        else:
            entropy = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
            negative = hard_negatives(entropy, positive, ratio=NEGATIVES_TO_POSITIVES, least=LEAST_NEGATIVES, eligible=clear)
            kind = (entropy * self.weights[labels] * (positive | negative)).sum()
        return {"class": (kind / MATCHED, "objects"), "box": (box / MATCHED, "objects")}, images.new_zeros(len(images), 0, 6)

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in VGG-16 or a ResNet for classification."""
        return {f"backbone.{own}": theirs for own, theirs in self.backbone.body_keys().items()}


def _wide(x: Tensor) -> Tensor:
    """At least float32: boxes in half precision would be some pixels off."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def smallest(config: Config) -> int:
    """Least length of the longer side in pixels."""
    return VGG_LEAST.get(len(config.ratios), 32) if config.body == "vgg" else 32


def build(config: Config) -> SSD:
    """The model with fresh weights."""
    return SSD(config)
