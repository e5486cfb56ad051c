"""Fast R-CNN (Girshick 2015): one pass over the picture, and each proposed region is read from its map by RoI max pooling.

Proposals come from selective search (ops/selective_search.py), not from the network; they are made when a picture is first seen, and
kept. `fast-rcnn` has VGG-16 without its last pooling, 7×7 bins and its two dense layers of 4,096 units: weights of `vgg16` fill all of
that. `fast-rcnn-small` is a narrow body of five convolutions with batch norm, whose map is eight times smaller than the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.models import vgg
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.prepared import Terms
from sonde.nn.regions import Predictor, Sampling, Threshold, best_of_regions, keys_of, label_weights, one_by_one, region_losses, sample
from sonde.nn.selective_proposals import SelectiveProposals
from sonde.nn.sizes import scaled
from sonde.nn.truths import truths_of
from sonde.ops.roi import roi_max_pool

BINS = 7
# Where the squared part of the smooth L1 distance ends (section 2.3, equation 3).
BETA = 1.0


@dataclass(frozen=True)
class Config:
    """A VGG body (`blocks`, `batch_norm`, widths times `scale`), of whose five poolings `halvings` are made.

    `dense`: units of the two dense layers, times `scale`, and `dropout` after each. `proposals`: of a picture at most. `regions`: sampled
    from a picture in training, a quarter of them objects; the others overlap some object by at least `lowest`, since what is near
    objects is hard to tell from them (section 2.3), but pictures with few proposals then teach nothing of the rest. Detections below
    `score` are dropped, and those that overlap a better one of their class by more than `overlap`; `most` are left. `channels`, `size`,
    `classes` come from the data.
    `class_weights`: what an object of each class counts in the loss of classes (none: 1); the task fills it.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int, int] = (2, 2, 3, 3, 3)
    batch_norm: bool = False
    scale: float = 1.0
    halvings: int = 4
    dense: int = 4096
    dropout: float = 0.5
    proposals: int = 2000
    regions: int = 64
    lowest: float = 0.1
    score: float = 0.05
    overlap: float = 0.3
    most: int = 100
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "fast-rcnn": Config(),
    "fast-rcnn-small": Config(blocks=(1, 1, 1, 1, 1), batch_norm=True, scale=0.25, halvings=3, dense=1024, dropout=0.0, proposals=500, lowest=0.0),
}


class FastRCNN(nn.Module):
    """VGG's convolutions (`features`) and dense layers (`classifier`), with scores and offsets for each class."""

    classifiers = ("predictor.cls_score", "predictor.bbox_pred")

    weights: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        form = vgg.Config(config.channels, max(config.size, vgg.WHOLE), 0, config.blocks, config.batch_norm, scale=config.scale)
        self.features, ends = vgg.body(form)
        self.stages = vgg.stages_of_body(self.features, ends) | {"head": ("classifier", "predictor")}
        self.halvings = config.halvings
        dense = scaled(config.dense, config.scale)
        inputs = scaled(vgg.WIDTHS[-1], config.scale) * BINS**2
        self.classifier = nn.Sequential(*vgg.dense_layers(inputs, dense, config.dropout))
        initialise_relu_network(self, last=self.classifier[-1])
        self.predictor = Predictor(dense, config.classes)
        self.proposals = SelectiveProposals(config.proposals)
        self.register_buffer("weights", label_weights(config.classes, config.class_weights), persistent=False)
        self.sampling = Sampling(config.regions)
        self.lowest = config.lowest
        self.threshold = Threshold(config.score, config.overlap, config.most)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Map pictures to detections: left, top, right, bottom in pixels, class, score; best first."""
        return one_by_one(self._find, images, most=self.threshold.most)

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """Two terms: class and offsets of regions, each a picture's mean; no detections."""
        (images,) = inputs
        truths = truths_of(targets)
        proposals = self.proposals(images)
        sampled = sample(proposals.boxes, proposals.real, truths, keys_of(images), self.sampling, lowest=self.lowest)
        logits, offsets = self._judge(self._map(images), sampled.boxes.flatten(0, 1), sampled.picture)
        classification, box = region_losses(logits, offsets, sampled, truths, weights=self.weights, beta=BETA)
        return {"class": (classification, "examples"), "box": (box, "examples")}, images.new_zeros(len(images), 0, 6)

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in a VGG for classification, the dense layers included."""
        return {key: key for key in self.state_dict() if key.startswith(("features.", "classifier."))}

    def _map(self, images: Tensor) -> Tensor:
        return vgg.last_map(self.features, images, halvings=self.halvings)

    def _judge(self, x: Tensor, boxes: Float[Tensor, "region 4"], picture: Int[Tensor, " region"]) -> tuple[Tensor, Tensor]:
        """Logits (region, class + 1) and offsets (region, class + 1, 4) of regions on the map `x`."""
        pooled = roi_max_pool(x, boxes, picture, (BINS, BINS), scale=0.5**self.halvings)
        logits, offsets = self.predictor(self.classifier(pooled.flatten(1)))
        return logits, offsets

    def _find(self, image: Float[Tensor, "1 channel height width"]) -> Float[Tensor, "1 most 6"]:
        proposals = self.proposals(image)
        boxes = proposals.boxes
        logits, offsets = self._judge(self._map(image), boxes[0], torch.zeros(boxes.shape[1], dtype=torch.int64, device=image.device))
        size = (image.shape[2], image.shape[3])
        return best_of_regions(F.softmax(logits, 1)[None], offsets[None], boxes, proposals.real, size=size, threshold=self.threshold)


def smallest(config: Config) -> int:
    """Least height and width in pixels: one place of the map."""
    return max(vgg.WHOLE, 2**config.halvings)


def build(config: Config) -> FastRCNN:
    """The model with fresh weights."""
    return FastRCNN(config)
