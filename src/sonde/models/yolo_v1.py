"""YOLO as in its first paper (Redmon et al. 2016, "You only look once: unified, real-time object detection"): one dense answer for S × S cells.

The cell in which the centre of an object lies has to find it. Each cell gives B boxes, (x, y) within the cell, (√w, √h) in shares of the
picture and a confidence that is to be the box's IoU, and one distribution over C classes: S × S × (5B + C) numbers. `yolo-v1` has the paper's 24
convolutions and two dense layers, for 448 pixels; `yolo-v1-small` puts the same answer and loss on a small ResNet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sonde.models import resnet
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.prepared import Terms
from sonde.nn.sizes import scaled
from sonde.nn.truths import Truths, truths_of
from sonde.ops.boxes import area, clip, corners_to_centre, paired_iou
from sonde.ops.candidates import best_boxes

# λ_coord and λ_noobj of the loss (section 2.2), and the slope of the leaky ReLU.
COORDINATES, NO_OBJECT, SLOPE = 5.0, 0.5, 0.1
# (kernel, channels, stride), "pool": figure 3 of the paper, from the first convolution to the last.
Layer = tuple[int, int, int] | Literal["pool"]
LAYERS: tuple[Layer, ...] = (
    (7, 64, 2), "pool", (3, 192, 1), "pool", (1, 128, 1), (3, 256, 1), (1, 256, 1), (3, 512, 1), "pool",
    *(((1, 256, 1), (3, 512, 1)) * 4), (1, 512, 1), (3, 1024, 1), "pool",
    *(((1, 512, 1), (3, 1024, 1)) * 2), (3, 1024, 1), (3, 1024, 2), (3, 1024, 1), (3, 1024, 1),
)  # fmt: skip
# The layers of each stage: what stands before the first pooling, and between the poolings.
ENDS = (1, 2, 6, 16, 24)


@dataclass(frozen=True)
class Config:
    """`grid` is S, `boxes` B. `channels`, `size` (longer side in pixels; pictures are padded to squares) and `classes` come from the data.

    `body` paper: 24 convolutions, their channels times `scale`; resnet: `blocks` and `width` of a ResNet with the light stem (models/resnet.py), and a
    1×1 convolution to `neck` channels. Maps that are not S × S (other sizes than the paper's) are brought to it by means. `dense`:
    units before the answer; their `dropout`. Of detections with a score over `score` those are kept that overlap no better one of their
    class by more than `overlap`, at most `most`.
    `class_weights`: what an object of each class counts in the loss of classes (none: 1); the task fills it.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    body: Literal["paper", "resnet"] = "paper"
    scale: float = 1.0
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    width: int = 32
    neck: int = 128
    grid: int = 7
    boxes: int = 2
    dense: int = 4096
    dropout: float = 0.5
    score: float = 0.005
    overlap: float = 0.5
    most: int = 98
    class_weights: tuple[float, ...] = ()


VARIANTS: dict[str, Config] = {"yolo-v1": Config(), "yolo-v1-small": Config(body="resnet", dense=512)}


class YoloV1(nn.Module):
    """A body to S × S places, two dense layers, S·S·(5B + C) numbers: first the boxes' (x, y, √w, √h, confidence), then the classes."""

    classifiers: ClassVar[tuple[str, ...]] = ("output",)

    weights: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # No state: it belongs to training alone.
        self.register_buffer("weights", torch.tensor(config.class_weights or (1.0,) * config.classes), persistent=False)
        if config.body == "paper":
            self.body: nn.Module = nn.ModuleList(_convolutions(config))
            channels = scaled(1024, config.scale)
            numbers = [(0, *ENDS)[stage : stage + 2] for stage in range(len(ENDS))]
            names = [tuple(f"body.{place}" for place in range(first, last)) for first, last in numbers]
            self.stages = {f"stage{stage}" if stage else "stem": parts for stage, parts in enumerate(names)}
            self.neck = None
        else:
            table = resnet.Config(config.channels, resnet.LARGE, 0, config.blocks, width=config.width, stem="light")
            self.body = resnet.ResNet(table, head=False)
            self.stages = {"stem": ("body.conv1", "body.bn1")} | {f"stage{number}": (f"body.layer{number}",) for number in range(1, 5)}
            self.neck = nn.Conv2d(self.body.widths[3], config.neck, 1)
            channels = config.neck
        self.stages["head"] = ("neck", "dense", "output")
        self.dense = nn.Linear(channels * config.grid**2, scaled(config.dense, config.scale))
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(self.dense.out_features, config.grid**2 * (5 * config.boxes + config.classes))
        for weight, bias in [(self.dense.weight, self.dense.bias)] + ([] if self.neck is None else [(self.neck.weight, self.neck.bias)]):
            initialise(weight, "he-normal")
            nn.init.zeros_(bias)  # type: ignore[arg-type]
        initialise(self.output.weight, "normal")
        nn.init.zeros_(self.output.bias)

    def answers(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """Numbers of the boxes (batch, cell, box, 5) and of the classes (batch, cell, class); cells row by row."""
        height, width = images.shape[-2:]
        side = max(height, width)
        x = F.pad(images, (0, side - width, 0, side - height))
        if isinstance(self.body, nn.ModuleList):
            convolutions = iter(self.body)
            for layer in LAYERS:
                x = F.max_pool2d(x, 2, ceil_mode=True) if layer == "pool" else F.leaky_relu(next(convolutions)(x), SLOPE)
        else:
            x = self.body.maps(x)[3]  # type: ignore[operator]
        if self.neck is not None:
            x = F.leaky_relu(self.neck(x), SLOPE)
        cells = self.config.grid
        if x.shape[-2:] != (cells, cells):
            x = F.adaptive_avg_pool2d(x, cells)
        found = self.output(self.dropout(F.leaky_relu(self.dense(x.flatten(1)), SLOPE)))
        found = found if found.dtype in (torch.float32, torch.float64) else found.float()
        found = found.unflatten(1, (cells**2, -1))
        boxes = 5 * self.config.boxes
        return found[..., :boxes].unflatten(2, (-1, 5)), found[..., boxes:]

    def placed(self, numbers: Float[Tensor, "batch cell box 5"], side: float) -> Float[Tensor, "batch cell box 4"]:
        """Corner boxes in pixels of a square picture of `side`."""
        cells = self.config.grid
        number = torch.arange(cells**2, device=numbers.device)
        corner = torch.stack([number % cells, number // cells], 1).to(numbers)[:, None]
        centre = (numbers[..., :2] + corner) * (side / cells)
        half = numbers[..., 2:4].square() * (side / 2)
        return torch.cat([centre - half, centre + half], -1)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch most 6"]:
        """Detections of each picture, best first: left, top, right, bottom in pixels, class, score = confidence · P(class); 0 where there is none."""
        boxes, scores = self.scored(images)
        return best_boxes(boxes, scores, iou=self.config.overlap, most=self.config.most, floor=self.config.score)

    def scored(self, images: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """All boxes in pixels (batch, place, 4), and scores confidence · P(class) (batch, place, class), before suppression; S·S·B places."""
        numbers, classes = self.answers(images)
        height, width = float(images.shape[-2]), float(images.shape[-1])
        boxes = clip(self.placed(numbers, max(height, width)), height=height, width=width)
        scores = numbers[..., 4:].clamp(0, 1) * classes.clamp(0, 1)[:, :, None]
        return boxes.flatten(1, 2), scores.flatten(1, 2)

    def losses(self, inputs: tuple[Tensor, ...], targets: Float[Tensor, "batch slot 8"]) -> tuple[Terms, Tensor]:
        """The three lines of the paper's sum of squares by "objects": 5·(centre and √size), confidence, classes.

        In a cell with an object the box of the highest IoU is responsible for it. Where several centres lie in one cell, the largest object
        is learnt: a cell has one set of classes.
        """
        (images,) = inputs
        numbers, classes = self.answers(images)
        side = float(max(images.shape[-2:]))
        truths = truths_of(targets.to(numbers))
        slot, there = self.owners(truths, side)
        picture = torch.arange(len(slot), device=slot.device)[:, None]
        wanted = truths.boxes[picture, slot][:, :, None]
        overlap = paired_iou(self.placed(numbers, side).detach(), wanted)
        best = F.one_hot(overlap.argmax(2), self.config.boxes).bool() & there[..., None]
        middle = corners_to_centre(wanted) / side
        cells = self.config.grid
        place = (middle[..., :2] * cells) - (middle[..., :2] * cells).floor()
        target = torch.cat([place, middle[..., 2:].clamp(min=0).sqrt()], -1)
        apart = (numbers[..., :4] - target).square().sum(3)
        box = torch.where(best, apart, 0.0).sum()
        wrong = (numbers[..., 4] - torch.where(best, overlap, 0.0)).square()
        confidence = torch.where(best, wrong, NO_OBJECT * wrong).sum()
        own = truths.classes[picture, slot]
        ones = F.one_hot(own, self.config.classes).to(classes)
        kind = torch.where(there, (classes - ones).square().sum(2) * self.weights.to(classes)[own], 0.0).sum()
        terms = {"box": (COORDINATES * box, "objects"), "confidence": (confidence, "objects"), "class": (kind, "objects")}
        return terms, images.new_zeros(len(images), 0, 6)

    def owners(self, truths: Truths, side: float) -> tuple[Int[Tensor, "picture cell"], Bool[Tensor, "picture cell"]]:
        """The slot of the object that each cell has to find, and whether there is one."""
        cells = self.config.grid
        middle = corners_to_centre(truths.boxes)[..., :2]
        column, row = (middle * (cells / side)).floor().clamp(0, cells - 1).long().unbind(2)
        inside = (row * cells + column)[:, None] == torch.arange(cells**2, device=row.device)[:, None]
        sizes = torch.where(inside & truths.real[:, None], area(truths.boxes)[:, None], -1.0)
        largest, slot = sizes.max(2)
        return slot, largest >= 0

    def body_keys(self) -> dict[str, str]:
        """Own names of a ResNet's weights → their names in the ResNet for classification; the paper's body has no classifier here."""
        return {} if isinstance(self.body, nn.ModuleList) else {f"body.{name}": name for name in self.body.state_dict()}


def _convolutions(config: Config) -> list[nn.Conv2d]:
    found, channels = [], config.channels
    for layer in LAYERS:
        if layer != "pool":
            kernel, width, stride = layer
            found.append(nn.Conv2d(channels, scaled(width, config.scale), kernel, stride, kernel // 2))
            channels = found[-1].out_channels
            initialise(found[-1].weight, "he-normal")
            nn.init.zeros_(found[-1].bias)  # type: ignore[arg-type]
    return found


def smallest(config: Config) -> int:
    """Least length of the longer side in pixels: one place after all that halves."""
    return 64 if config.body == "paper" else 32


def build(config: Config) -> YoloV1:
    """The model with fresh weights."""
    return YoloV1(config)
