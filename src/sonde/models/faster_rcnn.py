"""Faster R-CNN (Ren et al. 2015) on a feature pyramid (Lin et al. 2017): proposals, then a closer look at each proposed region.

`faster-rcnn` is torchvision's fasterrcnn_resnet50_fpn: the same keys and shapes, anchors, thresholds and outputs, so that its published
weights load (with one class more than Sonde counts: the background is not one of `classes`). `faster-rcnn-small` has basic blocks of an
eighth of the width, and smaller anchors, and trains on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.frozen_norm import freeze_norms
from sonde.nn.prepared import Terms
from sonde.nn.two_stage import Sizes, find, learn, look, own_name, parts


@dataclass(frozen=True)
class Config:
    """A residual body (`blocks`, `bottleneck`, `width`), whose batch norms are `frozen` as pretrained, with `eps`, or learn (`batch`).

    `pyramid`: channels of each level. `dense`: units of the two dense layers. `anchor`: side in pixels of the anchors of the finest level,
    twice as many at each of the four further ones. `before`, `after`: proposals of a level before suppression and of a picture after it,
    in training and in prediction. `regions`: sampled from a picture in training. Detections below `score` are dropped, and those that
    overlap a better one of their class by more than `overlap`; `most` are left. `channels`, `size`, `classes` come from the data.
    `class_weights`: what an object of each class counts in the loss of classes (none: 1); the task fills it.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    bottleneck: bool = True
    width: int = 64
    norm: Literal["frozen", "batch"] = "frozen"
    eps: float = 0.0
    pyramid: int = 256
    dense: int = 1024
    anchor: int = 32
    before: tuple[int, int] = (2000, 1000)
    after: tuple[int, int] = (2000, 1000)
    regions: int = 512
    score: float = 0.05
    overlap: float = 0.5
    most: int = 100
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "faster-rcnn": Config(),
    "faster-rcnn-small": Config(
        blocks=(2, 2, 2, 2), bottleneck=False, width=16, norm="batch", eps=1e-5, pyramid=64, dense=256, anchor=16,
        before=(500, 300), after=(300, 150), regions=64,
    ),
}  # fmt: skip


class FasterRCNN(nn.Module):
    """A residual body, a pyramid on its four stages, proposals from five levels, and a head of two dense layers."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("backbone.body.conv1", "backbone.body.bn1"),
        **{f"stage{number}": (f"backbone.body.layer{number}",) for number in range(1, 5)},
        "head": ("backbone.fpn", "rpn", "roi_heads"),
    }
    classifiers: ClassVar[tuple[str, ...]] = ("roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred")

    def __init__(self, config: Config) -> None:
        super().__init__()
        frozen = config.norm == "frozen"
        form = resnet.Config(config.channels, config.size, 0, config.blocks, config.bottleneck, config.width, stem="photo", zero_last=not frozen)
        body = resnet.ResNet(form, head=False)
        if frozen:
            freeze_norms(body, eps=config.eps)
        sizes = Sizes(
            config.classes, config.pyramid, config.dense, config.anchor, config.before, config.after, config.regions,
            config.score, config.overlap, config.most, config.class_weights,
        )  # fmt: skip
        self.backbone, self.rpn, self.roi_heads = parts(body, sizes)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Map pictures, whose sides are multiples of 32, to detections: left, top, right, bottom in pixels, class, score; best first."""
        return find(self, look(self, images))

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """Four terms: objectness and offsets of anchors, class and offsets of regions, each a picture's mean; no detections."""
        (images,) = inputs
        terms, *_ = learn(self, images, targets)
        return terms, images.new_zeros(len(images), 0, 6)

    def own_name(self, name: str) -> str:
        """The name of a weight that an older published file calls `name`."""
        return own_name(name)

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in a residual network for classification."""
        prefix = "backbone.body."
        return {key: key.removeprefix(prefix) for key in self.state_dict() if key.startswith(prefix)}


def smallest(config: Config) -> int:
    """Least height and width in pixels: one place of the coarsest stage."""
    return 32


def build(config: Config) -> FasterRCNN:
    """The model with fresh weights."""
    return FasterRCNN(config)
