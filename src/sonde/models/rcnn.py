"""R-CNN (Girshick et al. 2014, "Rich feature hierarchies for accurate object detection and semantic segmentation").

Four steps, one after the other. Selective search proposes regions; a convolutional network makes a vector of each, warped to one size; a
linear support vector machine a class, by scikit-learn, judges the vectors; a linear regression a class, from the same vectors, moves the
box. Nothing needs a gradient but the network, and that can come with `--weights` (VGG-16, section 3.3, for `rcnn`) or be trained first: in
epochs of gradient descent it learns to classify warped regions (section 2.3), and until the machines are fitted that classifier answers.

The machines are fitted when the epochs are over, of which there may be none: on the objects' own boxes against regions with an IoU below
0.3, at first some of each picture, then also those of one pass over all of them that lie within the margin ("hard negatives").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.models import vgg
from sonde.nn.initialise import initialise_relu_network
from sonde.nn.prepared import Terms
from sonde.nn.regions import Sampling, Threshold, best_of_regions, keys_of, label_weights, one_by_one, sample
from sonde.nn.selective_proposals import SelectiveProposals
from sonde.nn.sizes import scaled
from sonde.nn.truths import in_a_crowd, truths_of
from sonde.ops.boxes import iou
from sonde.ops.least_squares import solve
from sonde.ops.offsets import encode
from sonde.ops.random import uniform
from sonde.ops.roi import roi_align

Batches = Iterable[tuple[tuple[Tensor, ...], Tensor]]

# Around a region so much more is shown, in shares of its warped size: 16 pixels of 227 (appendix A).
CONTEXT = 16 / 227
# What overlaps an object more teaches the regression.
NEAR = 0.6
# Vectors are scaled to this mean length, for which the paper's C and λ are meant (its code; appendix C).
LENGTH = 20.0
# Background regions of each picture that the machines see first; the others only if they lie within the margin.
FIRST = 40
# Regions that go through the network at a time.
BLOCK = 256
# The margin of a machine that has seen no object of its class.
NEVER = -30.0


@dataclass(frozen=True)
class Config:
    """A VGG body (`blocks`, `batch_norm`, widths times `scale`) over regions warped to `warp` pixels, of whose poolings `halvings` are made.

    `dense`: units of the two dense layers, times `scale`; the second gives a region's vector; `dropout` after each. `proposals`: of a
    picture at most. `regions`: sampled from a picture where the network is trained. `c`: what the machines' errors cost; what overlaps
    the objects of a class by less than `background` is background to its machine. `ridge`: λ of the regression. Detections below `score`
    (the sigmoid of the margin) are dropped, and those that overlap a better one of their class by more than `overlap`; `most` are left.
    `channels`, `size`, `classes` come from the data. `class_weights`: what an object of each class counts where the network is trained
    (none: 1); the task fills it. Each machine tells its own class from the rest, so that none needs them.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    blocks: tuple[int, int, int, int, int] = (2, 2, 3, 3, 3)
    batch_norm: bool = False
    scale: float = 1.0
    halvings: int = 5
    warp: int = 224
    dense: int = 4096
    dropout: float = 0.5
    proposals: int = 2000
    regions: int = 64
    c: float = 1e-3
    background: float = 0.3
    ridge: float = 1000.0
    score: float = 0.05
    overlap: float = 0.3
    most: int = 100
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {
    "rcnn": Config(),
    "rcnn-small": Config(
        blocks=(1, 1, 1, 1, 1), batch_norm=True, scale=0.25, halvings=3, warp=32, dense=1024, dropout=0.0, proposals=500, c=0.1
    ),
}  # fmt: skip


class Fitted(nn.Module):
    """A linear map a class that is fitted and not descended to: `weight` and `bias`, kept as tensors."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: tuple[int, ...], bias: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(weight))
        self.register_buffer("bias", torch.zeros(bias))


class RCNN(nn.Module):
    """VGG's layers (`features`, `classifier`), their last one for training alone (`cls_score`), and what is fitted:

    the machines (`svm`), the regression (`box`), the factor of the vectors (`length`), and whether all this was done (`fitted`).
    """

    classifiers = ("cls_score", "svm", "box")

    length: Tensor
    fitted: Tensor
    weights: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        form = vgg.Config(config.channels, max(config.warp, vgg.WHOLE), 0, config.blocks, config.batch_norm, scale=config.scale)
        self.features, ends = vgg.body(form)
        self.stages = vgg.stages_of_body(self.features, ends) | {"head": ("classifier", "cls_score", "svm", "box", "length", "fitted")}
        self.background, self.ridge = config.background, config.ridge
        self.c, self.warp, self.halvings = config.c, config.warp, config.halvings
        dense, classes = scaled(config.dense, config.scale), config.classes
        inputs = scaled(vgg.WIDTHS[-1], config.scale) * (config.warp // 2**config.halvings) ** 2
        self.classifier = nn.Sequential(*vgg.dense_layers(inputs, dense, config.dropout))
        self.cls_score = nn.Linear(dense, classes + 1)
        initialise_relu_network(self, last=self.cls_score)
        self.svm = Fitted((classes, dense), (classes,))
        self.box = Fitted((classes, dense, 4), (classes, 4))
        self.register_buffer("length", torch.ones(()))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.proposals = SelectiveProposals(config.proposals)
        self.register_buffer("weights", label_weights(classes, config.class_weights), persistent=False)
        self.sampling = Sampling(config.regions)
        self.threshold = Threshold(config.score, config.overlap, config.most)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Map pictures to detections: left, top, right, bottom in pixels, class, score; best first."""
        return one_by_one(self._find, images, most=self.threshold.most)

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """One term, the class of warped regions, each a picture's mean; no detections."""
        (images,) = inputs
        proposals = self.proposals(images)
        sampled = sample(proposals.boxes, proposals.real, truths_of(targets), keys_of(images), self.sampling)
        logits = self.cls_score(self._vectors(images, sampled.boxes.flatten(0, 1), sampled.picture))
        each = F.cross_entropy(logits, sampled.labels.flatten(), self.weights.to(logits), reduction="none")
        return {"class": ((each * sampled.weight.flatten()).sum(), "examples")}, images.new_zeros(len(images), 0, 6)

    @torch.no_grad()
    def finish(self, batches: Batches, emit: Callable[[dict[str, Any]], None]) -> None:
        """Fit the machines and the regression to all training pictures. Emits one `model` event."""
        self.eval()
        self.length.fill_(1.0)
        seen = _Seen(len(self.svm.bias))
        for picture in self._pictures(batches):
            seen.take(picture)
        self.length.copy_(seen.scale())
        self._fit_machines(seen)
        hard = 0
        for picture in self._pictures(batches):
            margins = torch.addmm(self.svm.bias, picture.vectors, self.svm.weight.T)
            hard += seen.add(picture, picture.background & (margins > -1) & ~picture.first[:, None])
        self._fit_machines(seen)
        self._fit_boxes(seen)
        self.fitted.fill_(True)
        objects = sum(len(vectors) for kind in seen.objects for vectors in kind)
        message = f"a linear SVM and a box regression a class on {objects} objects, and {hard} times a background region that was hard to tell"
        emit({"event": "model", "name": "rcnn", "objects": objects, "hard": hard, "message": message})

    def body_keys(self) -> dict[str, str]:
        """Own names of the body's weights → their names in a VGG for classification, the dense layers included."""
        return {key: key for key in self.state_dict() if key.startswith(("features.", "classifier."))}

    def _vectors(
        self, images: Float[Tensor, "batch channel height width"], boxes: Float[Tensor, "region 4"], picture: Int[Tensor, " region"]
    ) -> Float[Tensor, "region feature"]:
        """The vectors of regions; what lies outside their picture is 0, the mean colour."""
        border = (boxes[:, 2:] - boxes[:, :2]) * (CONTEXT / (1 - 2 * CONTEXT))
        around = torch.cat([boxes[:, :2] - border, boxes[:, 2:] + border], 1)
        warped = roi_align(images, around, picture, (self.warp, self.warp), sampling=1)
        x = vgg.last_map(self.features, warped, halvings=self.halvings)
        vectors: Tensor = self.classifier(x.flatten(1))
        return vectors

    def _all_vectors(self, image: Float[Tensor, "1 channel height width"], boxes: Float[Tensor, "region 4"]) -> Float[Tensor, "region feature"]:
        """Those of regions of one picture, block by block, scaled."""
        parts = [self._vectors(image, part, torch.zeros(len(part), dtype=torch.int64, device=part.device)) for part in boxes.split(BLOCK)]
        return torch.cat(parts) * self.length

    def _find(self, image: Float[Tensor, "1 channel height width"]) -> Float[Tensor, "1 most 6"]:
        proposals = self.proposals(image)
        vectors = self._all_vectors(image, proposals.boxes[0])
        offsets = torch.einsum("rf,cfo->rco", vectors, self.box.weight) + self.box.bias
        machines = torch.addmm(self.svm.bias, vectors, self.svm.weight.T).sigmoid()
        # Before the machines are fitted the classifier that trains the network answers.
        classes = F.softmax(self.cls_score(vectors), 1)[:, 1:]
        scores = torch.where(self.fitted, machines, classes)
        probabilities, offsets = F.pad(scores, (1, 0)), F.pad(offsets, (0, 0, 1, 0))
        size = (image.shape[2], image.shape[3])
        return best_of_regions(probabilities[None], offsets[None], proposals.boxes, proposals.real, size=size, threshold=self.threshold)

    def _pictures(self, batches: Batches) -> Iterator[_Picture]:
        """Every training picture with the vectors of its proposals and of its objects."""
        for (images,), targets in batches:
            truths, proposals, keys = truths_of(targets), self.proposals(images), keys_of(images)
            alone = ~in_a_crowd(proposals.boxes, truths)
            for number, image in enumerate(images.split(1)):
                rows, real = proposals.real[number], truths.real[number]
                boxes, objects, kinds = proposals.boxes[number][rows], truths.boxes[number][real].to(image), truths.classes[number][real]
                vectors = self._all_vectors(image, torch.cat([boxes, objects]))
                overlap = iou(boxes, objects)
                most = overlap.new_zeros(len(boxes), len(self.svm.bias)).scatter_reduce_(1, kinds.expand(len(boxes), -1), overlap, "amax")
                drawn = uniform(0, 0, keys[number], torch.arange(len(boxes), device=boxes.device))
                first = drawn.argsort().argsort() < FIRST
                background = (most < self.background) & alone[number][rows, None]
                yield _Picture(boxes, objects, kinds, overlap, vectors[: len(boxes)], vectors[len(boxes) :], background, first)

    def _fit_machines(self, seen: _Seen) -> None:
        """One machine a class, on its objects against its background."""
        from sklearn.svm import LinearSVC

        others, background = torch.cat(seen.others), torch.cat(seen.background)
        for kind, objects in enumerate(seen.objects):
            negative = others[background[:, kind]]
            if not objects or not len(negative):
                self.svm.weight[kind], self.svm.bias[kind] = 0.0, NEVER
                continue
            positive = torch.cat(objects)
            x = torch.cat([positive, negative]).double().cpu().numpy()
            y = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
            machine = LinearSVC(C=self.c, dual="auto", random_state=0).fit(x, y)
            self.svm.weight[kind] = torch.from_numpy(machine.coef_[0]).to(self.svm.weight)
            self.svm.bias[kind] = float(machine.intercept_[0])

    def _fit_boxes(self, seen: _Seen) -> None:
        """For each class the offsets from regions near its objects to these, linear in the vector."""
        self.box.weight.zero_()
        self.box.bias.zero_()
        for kind, (vectors, offsets) in enumerate(zip(seen.near, seen.offsets, strict=True)):
            if vectors:
                x, y = torch.cat(vectors).double().cpu(), torch.cat(offsets).double().cpu()
                weight, bias, _ = solve(x, y, ridge=self.ridge / len(x))
                self.box.weight[kind], self.box.bias[kind] = weight.to(self.box.weight), bias.to(self.box.bias)


@dataclass(frozen=True)
class _Picture:
    """Proposals (region, 4) of a picture and its objects (object, 4) with their classes, the vectors of both, the IoU of each pair; which

    regions are background to which class (region, class), and which of them the machines see first.
    """

    boxes: Tensor
    objects: Tensor
    kinds: Tensor
    overlap: Tensor
    vectors: Tensor
    object_vectors: Tensor
    background: Tensor
    first: Tensor


class _Seen:
    """What is fitted to: vectors of objects by class; of other regions, and to which classes each is background; of regions near objects."""

    def __init__(self, classes: int) -> None:
        self.objects: list[list[Tensor]] = [[] for _ in range(classes)]
        self.others: list[Tensor] = []
        self.background: list[Tensor] = []
        self.near: list[list[Tensor]] = [[] for _ in range(classes)]
        self.offsets: list[list[Tensor]] = [[] for _ in range(classes)]

    def take(self, picture: _Picture) -> None:
        """All objects, the regions near them, and the first of the others."""
        self.add(picture, picture.background & picture.first[:, None])
        for kind in picture.kinds.unique().tolist():
            self.objects[kind].append(picture.object_vectors[picture.kinds == kind])
        if not picture.overlap.numel():
            return
        best, which = picture.overlap.max(1)
        offsets = encode(picture.objects[which], picture.boxes)
        for kind in picture.kinds.unique().tolist():
            near = (best > NEAR) & (picture.kinds[which] == kind)
            if bool(near.any()):
                self.near[kind].append(picture.vectors[near])
                self.offsets[kind].append(offsets[near])

    def add(self, picture: _Picture, background: Tensor) -> int:
        """Regions that are `background` (region, class) to some class; returns how many times."""
        rows = background.any(1)
        self.others.append(picture.vectors[rows])
        self.background.append(background[rows])
        return int(background.sum())

    def scale(self) -> Tensor:
        """Bring all vectors to a mean length of LENGTH; returns the factor."""
        groups = [self.others, *self.objects, *self.near]
        lengths = torch.cat([vectors.norm(dim=1) for vectors in self.others + [v for kind in self.objects for v in kind]])
        factor = LENGTH / lengths.mean().clamp(min=1e-12) if len(lengths) else lengths.new_ones(())
        for group in groups:
            group[:] = [vectors * factor for vectors in group]
        return factor


def smallest(config: Config) -> int:
    """Least height and width in pixels: a region that can be proposed."""
    return 16


def build(config: Config) -> RCNN:
    """The model with fresh weights; its machines wait for `finish`."""
    return RCNN(config)
