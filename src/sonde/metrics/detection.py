"""Mean average precision of detections: COCO's (metrics/coco.py) and Pascal VOC's (metrics/voc.py).

Predictions are (picture, most, 6 or more): left, top, right, bottom in prepared pixels, class, score, 0 where there is none. Targets are
(picture, slot, 8), columns as `ops/boxes.py` numbers them. Sizes are judged in pixels of the original picture.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor

from sonde.metrics.coco import IOUS, Annotation, Curves, curves, detection, truth
from sonde.metrics.rows import RowMetric
from sonde.metrics.voc import Points, voc_average_precision
from sonde.ops.boxes import AREA, CLASS, CROWD, SCALE

BOX: Final = 6  # what of a prediction's numbers tell box, class and score; those of a mask follow
SHOWN: Final = 20  # classes that have measures of their own


def in_cocos_form(predictions: Tensor, targets: Tensor) -> tuple[list[Annotation], list[Annotation]]:
    """The true and the predicted objects of all pictures, in original pixels, as COCO writes them."""
    # Rows gathered from parts of different widths are filled up with NaN, for which neither comparison holds.
    scale = targets[:, 0, SCALE].double()[:, None, None]
    boxes = targets[..., :4].double() / scale
    truths = [
        truth(picture, int(label), box, area, crowd=crowd > 0)
        for picture, label, box, area, crowd in _rows(targets[..., CLASS] >= 0, targets[..., CLASS], boxes, targets[..., AREA], targets[..., CROWD])
    ]
    found = [
        detection(picture, int(label), box, score)
        for picture, label, box, score in _rows(predictions[..., 5] > 0, predictions[..., 4], predictions[..., :4].double() / scale, predictions[..., 5])
    ]
    return truths, found


def _rows(chosen: Tensor, labels: Tensor, boxes: Tensor, *more: Tensor) -> Iterator[tuple[Any, ...]]:
    """Picture, label, box (left, top, width, height) and the values of `more` where `chosen`."""
    some = boxes[chosen]
    some = torch.cat([some[:, :2], some[:, 2:4] - some[:, :2]], 1)
    return zip(chosen.nonzero()[:, 0].tolist(), labels[chosen].tolist(), some.tolist(), *(values[chosen].tolist() for values in more), strict=True)


@dataclass
class Evaluated:
    """COCO's curves of the predictions that were asked about last, so that eight measures of them take one evaluation."""

    classes: int
    by_size: bool
    _of: tuple[weakref.ref[Tensor], weakref.ref[Tensor]] | None = None
    _curves: Curves | None = None

    def curves(self, predictions: Tensor, targets: Tensor) -> Curves:
        """COCO's evaluation of these predictions; without sizes at an IoU of ½ alone."""
        known = self._of is not None and self._of[0]() is predictions and self._of[1]() is targets
        if not known or self._curves is None:
            truths, found = in_cocos_form(predictions.cpu(), targets.cpu())
            ious = IOUS if self.by_size else (0.5,)
            self._curves = curves(truths, found, pictures=len(targets), classes=self.classes, ious=ious, by_size=self.by_size)
            self._of = weakref.ref(predictions), weakref.ref(targets)
        return self._curves


@dataclass(frozen=True)
class CocoMeasure:
    """One number of COCO's evaluation, 0 … 1; NaN where there is no truth to find."""

    evaluated: Evaluated = field(repr=False)
    number: Callable[[Curves], float]
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    width: ClassVar[int] = BOX

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """From the predictions (picture, most, 6 or more) and targets (picture, slot, 8) of all pictures."""
        return self.number(self.evaluated.curves(predictions, targets))


@dataclass(frozen=True)
class VocMeasure:
    """Pascal VOC's AP at an IoU of ½, the mean over classes that have a truth; see metrics/voc.py."""

    classes: int
    points: Points = "all"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    width: ClassVar[int] = BOX

    def of(self, predictions: Tensor, targets: Tensor) -> float:
        """From the predictions (picture, most, 6 or more) and targets (picture, slot, 8) of all pictures."""
        found = voc_average_precision(predictions[..., :BOX], targets, classes=self.classes, points=self.points)
        return float(found.nanmean())


def detection_metrics(final: bool, classes: tuple[str, ...]) -> dict[str, RowMetric]:
    """The measures of detection, map-50 first, which is all there is before the end.

    `map`: COCO's mean over IoU 0.50 … 0.95 and classes; `map-50`, `map-75` at one IoU; `map-small`, `-medium`, `-large` by the area of objects;
    `recall-100`: the share found with 100 detections of a class a picture, over the IoUs; `voc-ap` and `voc07-ap`: Pascal VOC's;
    `ap-50:<class>` of up to 20 classes.
    """
    evaluated = Evaluated(len(classes), final)
    found: dict[str, RowMetric] = {"map-50": CocoMeasure(evaluated, lambda of: of.average_precision(iou=0.5))}
    if not final:
        return found
    found["map"] = CocoMeasure(evaluated, lambda of: of.average_precision())
    found["map-75"] = CocoMeasure(evaluated, lambda of: of.average_precision(iou=0.75))
    found["map-small"] = CocoMeasure(evaluated, lambda of: of.average_precision(size="small"))
    found["map-medium"] = CocoMeasure(evaluated, lambda of: of.average_precision(size="medium"))
    found["map-large"] = CocoMeasure(evaluated, lambda of: of.average_precision(size="large"))
    found["recall-100"] = CocoMeasure(evaluated, lambda of: of.average_recall())
    found["voc-ap"] = VocMeasure(len(classes))
    found["voc07-ap"] = VocMeasure(len(classes), "11")
    if 1 < len(classes) <= SHOWN:
        for label, name in enumerate(classes):
            found[f"ap-50:{name}"] = CocoMeasure(evaluated, lambda of, label=label: of.average_precision(iou=0.5, label=label))  # type: ignore[misc]
    return found
