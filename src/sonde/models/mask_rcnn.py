"""Mask R-CNN (He et al. 2017): Faster R-CNN with a third answer for each region, which of its pixels belong to the object.

`mask-rcnn` is torchvision's maskrcnn_resnet50_fpn: the same keys and shapes and outputs, so that its published weights load.
`mask-rcnn-small` trains on two cores.

The mask head reads a region as 14×14 bins, four 3×3 convolutions and one transposed one make 28×28, and for each class there is a map
of its own: which class it is, is the box head's business (section 3). Its targets are read from the instance map of the picture, in which
the smaller of two objects that overlap owns the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.frozen_norm import freeze_norms
from sonde.nn.prepared import Terms
from sonde.nn.pyramid import Maps
from sonde.nn.regions import Sampled
from sonde.nn.two_stage import Sizes, find, learn, look, own_name, parts
from sonde.ops.boxes import CLASS, SCORE
from sonde.ops.values import has_values

# A region of 14×14 bins gives a mask twice as large.
BINS, SIDE = 14, 28
# Of each bin of a target so many by so many points are read from the instance map.
POINTS = 2


@dataclass(frozen=True)
class Config:
    """Faster R-CNN's values (models/faster_rcnn.py), and `mask`: channels of the mask head's convolutions."""

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
    mask: int = 256
    anchor: int = 32
    before: tuple[int, int] = (2000, 1000)
    after: tuple[int, int] = (2000, 1000)
    regions: int = 512
    score: float = 0.05
    overlap: float = 0.5
    most: int = 100
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "mask-rcnn": Config(),
    "mask-rcnn-small": Config(
        blocks=(2, 2, 2, 2), bottleneck=False, width=16, norm="batch", eps=1e-5, pyramid=64, dense=256, mask=64, anchor=16,
        before=(500, 300), after=(300, 150), regions=64,
    ),
}  # fmt: skip


class MaskPredictor(nn.Module):
    """A transposed convolution to twice the size, and a map for the background and each class; torchvision's keys."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(inputs, width, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(width, classes + 1, 1)

    def forward(self, x: Float[Tensor, "region channel 14 14"]) -> Float[Tensor, "region klass 28 28"]:
        """Logits of every pixel and class."""
        logits: Tensor = self.mask_fcn_logits(F.relu(self.conv5_mask(x)))
        return logits


class MaskRCNN(nn.Module):
    """Faster R-CNN and a mask head."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {
        "stem": ("backbone.body.conv1", "backbone.body.bn1"),
        **{f"stage{number}": (f"backbone.body.layer{number}",) for number in range(1, 5)},
        "head": ("backbone.fpn", "rpn", "roi_heads"),
    }
    classifiers: ClassVar[tuple[str, ...]] = (
        "roi_heads.box_predictor.cls_score",
        "roi_heads.box_predictor.bbox_pred",
        "roi_heads.mask_predictor.mask_fcn_logits",
    )
    learns_masks: ClassVar[bool] = True

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
        widths = (config.pyramid, config.mask, config.mask, config.mask, config.mask)
        self.roi_heads.mask_head = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in pairwise(widths))
        )
        self.roi_heads.mask_predictor = MaskPredictor(config.mask, config.mask, config.classes)
        for part in (self.roi_heads.mask_head, self.roi_heads.mask_predictor):
            for module in part.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most numbers"]:
        """Map pictures, whose sides are multiples of 32, to detections: left, top, right, bottom in pixels, class, score, then 28·28
        probabilities that a pixel of the box is the object's, row by row; best first."""
        seen = look(self, images)
        found = find(self, seen)
        there = found[..., SCORE] > 0
        shown = _fullest(there, found.shape[1]) if there.numel() else 0
        logits = self._masks(seen.maps, found[:, :shown, :4])
        kind = found[:, :shown, CLASS].long().flatten() + 1
        probabilities = _own(logits, kind).sigmoid().flatten(1).unflatten(0, (len(images), shown))
        masks = F.pad(probabilities * there[:, :shown, None], (0, 0, 0, found.shape[1] - shown))
        return torch.cat([found, masks.to(found)], -1)

    def losses(
        self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"], masks: Int[Tensor, "batch height width"] | None = None
    ) -> tuple[Terms, Tensor]:
        """Faster R-CNN's four terms, and of the masks the mean over a picture's regions that are objects; no detections."""
        (images,) = inputs
        terms, seen, sampled, _ = learn(self, images, targets)
        if masks is not None:
            terms["mask"] = (self._mask_loss(seen.maps, sampled, masks), "examples")
        return terms, images.new_zeros(len(images), 0, 6)

    def own_name(self, name: str) -> str:
        """The name of a weight that an older published file calls `name`."""
        return own_name(name)

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in a residual network for classification."""
        prefix = "backbone.body."
        return {key: key.removeprefix(prefix) for key in self.state_dict() if key.startswith(prefix)}

    def _masks(self, maps: Maps, boxes: Float[Tensor, "picture region 4"]) -> Float[Tensor, "all_regions klass 28 28"]:
        logits: Tensor = self.roi_heads.mask_predictor(self.roi_heads.mask_head(self.roi_heads.pool(maps, boxes, BINS)))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _mask_loss(self, maps: Maps, sampled: Sampled, masks: Tensor) -> Tensor:
        """The cross-entropy of the pixels, each mask in the map of its own class."""
        # Regions that are objects stand first. Only so many columns are looked at as the fullest picture has of them.
        most = _fullest(sampled.labels > 0, sampled.labels.shape[1] // 4) if len(masks) else 0
        boxes, slots, labels = sampled.boxes[:, :most], sampled.slots[:, :most], sampled.labels[:, :most]
        with torch.no_grad():
            wanted = mask_targets(masks, boxes, slots)
            # An object of which no outline is known has no pixel in the map, and nothing to say.
            counts = (labels > 0) & drawn_slots(masks, int(slots.max()) + 1 if slots.numel() and has_values(slots) else 1).gather(1, slots)
            weight = counts / counts.sum(1, keepdim=True).clamp(min=1)
        logits = _own(self._masks(maps, boxes), labels.flatten())
        each = F.binary_cross_entropy_with_logits(logits, wanted.flatten(0, 1).to(logits), reduction="none").mean((1, 2))
        return (each * weight.flatten()).sum()


def mask_targets(
    masks: Int[Tensor, "picture height width"], boxes: Float[Tensor, "picture region 4"], slots: Int[Tensor, "picture region"]
) -> Float[Tensor, "picture region 28 28"]:
    """What share of each of 28×28 bins of a box belongs to the object of slot k, that is to pixels k + 1 of the instance map.

    Of each bin four points are read, each from the pixel it lies in; points outside the picture belong to nothing.
    """
    height, width = masks.shape[1:]
    step = (torch.arange(SIDE * POINTS, device=boxes.device) + 0.5) / (SIDE * POINTS)
    left, top, right, bottom = boxes[..., None].unbind(2)
    x, y = (left + (right - left) * step).floor().long(), (top + (bottom - top) * step).floor().long()
    inside = ((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]
    place = y.clamp(0, height - 1)[..., :, None] * width + x.clamp(0, width - 1)[..., None, :]
    owner = masks.flatten(1).gather(1, place.flatten(1)).view(place.shape)
    own = (owner == slots[..., None, None] + 1) & inside
    return F.avg_pool2d(own.float(), POINTS)


def drawn_slots(masks: Int[Tensor, "picture height width"], slots: int) -> Tensor:
    """Which of the first `slots` slots own a pixel of the instance map: bool (picture, slot)."""
    seen = torch.zeros(len(masks), slots + 1, dtype=torch.bool, device=masks.device)
    owner = masks.flatten(1).long()
    seen.scatter_(1, torch.where(owner <= slots, owner, 0), True)
    return seen[:, 1:]


def _own(logits: Float[Tensor, "region klass 28 28"], labels: Int[Tensor, " region"]) -> Float[Tensor, "region 28 28"]:
    """Of each region the map of its class."""
    return logits[torch.arange(len(labels), device=labels.device), labels]


def _fullest(there: Tensor, usual: int) -> int:
    """How many are there in the row that has most, at least 1; `usual` where nothing has values."""
    return max(1, int(there.sum(1).max())) if has_values(there) else usual


def smallest(config: Config) -> int:
    """Least height and width in pixels: one place of the coarsest stage."""
    return 32


def build(config: Config) -> MaskRCNN:
    """The model with fresh weights."""
    return MaskRCNN(config)
