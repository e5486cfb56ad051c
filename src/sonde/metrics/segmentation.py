"""How well pixels are told: intersection over union, and the share of right ones. Pixels without a target (void, padding) do not count.

All are functions of one table, how many pixels of each class were taken for which, which adds up over batches and processes. A class is
measured over all pictures at once, not picture by picture, as Pascal VOC and CamVid do.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.confusion import confusion
from sonde.metrics.state import Measured, known, zeros
from sonde.ops.losses import NO_TARGET


class PixelCounts:
    """Pixels of each true class (row) by the class that they were given (column). Several measures of a batch count it once."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._last: tuple[weakref.ref[Tensor], weakref.ref[Tensor], Tensor] | None = None

    def of(self, prediction: Tensor, batch: Measured) -> Tensor:
        """Counts float64 (class · class,), from logits (picture, class, height, width) and int64 targets (picture, height, width)."""
        targets = known(batch)
        if self._last is not None and self._last[0]() is prediction and self._last[1]() is targets:
            return self._last[2]
        counts = zeros(self.classes**2, like=prediction)
        counts += counted(prediction.argmax(1), targets, classes=self.classes).flatten().to(counts.device)
        self._last = weakref.ref(prediction), weakref.ref(targets), counts
        return counts


def counted(answers: Int[Tensor, "*places"], targets: Int[Tensor, "*places"], *, classes: int) -> Int[Tensor, "classes classes"]:
    """Pixels of each true class (row) by their answer (column); those with NO_TARGET are left out."""
    there = targets != NO_TARGET
    return confusion(answers[there].long(), targets[there].long(), classes=classes)


def intersection_over_union(counts: Float[Tensor, "classes classes"] | Int[Tensor, "classes classes"]) -> Float[Tensor, " classes"]:
    """|truth ∩ answer| / |truth ∪ answer| of each class from its table of counts; NaN for a class that neither truth nor answers have."""
    both = counts.diagonal().double()
    either = counts.sum(0) + counts.sum(1) - both
    return torch.where(either > 0, both / either.clamp(min=1), torch.nan)


@dataclass(frozen=True)
class MeanIoU:
    """Mean over the classes of intersection over union, 0 … 1. Classes that neither truth nor answers have are left out. State: the table of counts."""

    counts: PixelCounts = field(compare=False)
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return self.counts.of(prediction, batch)

    def value(self, state: Tensor) -> float:
        return float(intersection_over_union(state.view(self.counts.classes, -1)).nanmean())


@dataclass(frozen=True)
class ClassIoU:
    """Intersection over union of class `number`, 0 … 1; NaN where neither truth nor answers have it. State: the table of counts."""

    counts: PixelCounts = field(compare=False)
    number: int
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return self.counts.of(prediction, batch)

    def value(self, state: Tensor) -> float:
        return float(intersection_over_union(state.view(self.counts.classes, -1))[self.number])


@dataclass(frozen=True)
class PixelAccuracy:
    """Share of the pixels that are told rightly, 0 … 1. State: the table of counts."""

    counts: PixelCounts = field(compare=False)
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        return self.counts.of(prediction, batch)

    def value(self, state: Tensor) -> float:
        table = state.view(self.counts.classes, -1)
        return float(table.diagonal().sum() / table.sum())


@dataclass(frozen=True)
class PixelLoss:
    """Mean −ln p of the right class over the pixels. State: (nats, pixels). Guessing uniformly among C classes scores ln C."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state, targets = zeros(2, like=prediction), known(batch)
        state[0] = F.cross_entropy(prediction.float(), targets, reduction="sum", ignore_index=NO_TARGET)
        state[1] = (targets != NO_TARGET).sum()
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


def segmentation_metrics(classes: tuple[str, ...], *, final: bool) -> dict[str, MeanIoU | ClassIoU | PixelAccuracy | PixelLoss]:
    """mean-iou first, pixel-accuracy, loss; finally the intersection over union of each class, `iou:<class>`, too."""
    counts = PixelCounts(len(classes))
    found: dict[str, MeanIoU | ClassIoU | PixelAccuracy | PixelLoss] = {
        "mean-iou": MeanIoU(counts),
        "pixel-accuracy": PixelAccuracy(counts),
        "loss": PixelLoss(),
    }
    return found | ({f"iou:{name}": ClassIoU(counts, number) for number, name in enumerate(classes)} if final else {})
