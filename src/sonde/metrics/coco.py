"""COCO's evaluation of detections (Lin et al. 2014), computed by faster-coco-eval.

Of each class the detections of a picture, the surest first and at most 100, are given to the truths that they overlap most, by at least
an IoU of 0.50, 0.55 … 0.95; a truth is given once. What finds nothing is a false alarm, except where it overlaps a crowd. AP is the mean
over 101 recalls of the best precision at that recall or beyond. By size only truths of that area are asked for; areas are in pixels of the
original picture: small below 32², large above 96².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

IOUS: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
SIZES: Final = ("all", "small", "medium", "large")
AREAS: Final = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
MOST: Final = 100  # detections of a class in a picture that count
RECALLS: Final = np.linspace(0.0, 1.0, 101)

Size = Literal["all", "small", "medium", "large"]
Annotation = dict[str, Any]


@dataclass(frozen=True)
class Curves:
    """What was found: `precision` float64 (iou, recall, class, size), at `RECALLS`, and `recall` (iou, class, size); NaN where there is no truth.

    `ious` and `sizes` name the axes.
    """

    precision: np.ndarray
    recall: np.ndarray
    ious: tuple[float, ...] = IOUS
    sizes: tuple[str, ...] = SIZES

    def average_precision(self, *, iou: float | None = None, size: Size = "all", label: int | None = None) -> float:
        """AP, 0 … 1, over all IoU thresholds or at one of them, over all classes or of one; NaN without a truth."""
        some = self.precision[..., self.sizes.index(size)]
        return _mean(_chosen(some, self.ious, iou) if label is None else _chosen(some, self.ious, iou)[..., label])

    def average_recall(self, *, iou: float | None = None, size: Size = "all") -> float:
        """The share of truths that are found by at most `MOST` detections a class and picture, meaned over classes (and thresholds)."""
        return _mean(_chosen(self.recall[..., self.sizes.index(size)], self.ious, iou))


def _chosen(values: np.ndarray, ious: tuple[float, ...], iou: float | None) -> np.ndarray:
    return values if iou is None else values[ious.index(iou)]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def truth(picture: int, label: int, box: Sequence[float], area: float, *, crowd: bool = False, outline: Any = None) -> Annotation:
    """A true object: picture and class numbers from 0, box (left, top, width, height); `outline` as COCO has it: polygons or a run-length code."""
    found = {"image_id": picture + 1, "category_id": label + 1, "bbox": list(box), "area": area, "iscrowd": int(crowd)}
    return found if outline is None else found | {"segmentation": outline}


def detection(picture: int, label: int, box: Sequence[float], score: float, *, outline: Any = None, area: float | None = None) -> Annotation:
    """A detection, as `truth`; its area is the box's where none is given (that of its mask)."""
    found = {"image_id": picture + 1, "category_id": label + 1, "bbox": list(box), "score": score, "iscrowd": 0}
    found["area"] = box[2] * box[3] if area is None else area
    return found if outline is None else found | {"segmentation": outline}


def curves(
    truths: list[Annotation],
    detections: list[Annotation],
    *,
    pictures: int,
    classes: int,
    sizes: Sequence[tuple[int, int]] | None = None,
    ious: tuple[float, ...] = IOUS,
    by_size: bool = True,
) -> Curves:
    """Evaluate `detections` of pictures 0 … `pictures` − 1.

    With `sizes`, (width, height) of each picture, outlines are compared instead of boxes. `by_size` False leaves out small, medium and large.
    """
    from faster_coco_eval import COCO, COCOeval_faster  # 0.1 s, which runs without boxes need not wait for

    whole = [{"id": number + 1} | ({} if sizes is None else dict(zip(("width", "height"), sizes[number], strict=True))) for number in range(pictures)]
    given = []
    for listed in (truths, detections):
        store = COCO()
        numbered = [annotation | {"id": number} for number, annotation in enumerate(listed, start=1)]
        store.dataset = {"images": whole, "annotations": numbered, "categories": [{"id": number + 1} for number in range(classes)]}
        store.createIndex()
        given.append(store)
    evaluation = COCOeval_faster(*given, iouType="bbox" if sizes is None else "segm")
    names = SIZES if by_size else SIZES[:1]
    evaluation.params.iouThrs = np.asarray(ious)
    evaluation.params.maxDets = [MOST]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(area) for area in AREAS[: len(names)]], list(names)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = np.asarray(evaluation.eval["precision"])[..., 0], np.asarray(evaluation.eval["recall"])[..., 0]
    return Curves(np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall), ious, names)
