"""Pairs of box operations: forms, overlap, anchors, matching, offsets, suppression, regions of interest, fusion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonde.ops import anchors as fast_anchors
from sonde.ops import boxes as fast_boxes
from sonde.ops import fusion as fast_fusion
from sonde.ops import matching as fast_matching
from sonde.ops import offsets as fast_offsets
from sonde.ops import roi as fast_roi
from sonde.ops import suppression as fast_suppression
from sonde.scratch import anchors as scratch_anchors
from sonde.scratch import box as scratch_box
from sonde.scratch import matching as scratch_matching
from sonde.scratch import offsets as scratch_offsets
from sonde.scratch.box_fusion import weighted_boxes_fusion
from sonde.scratch.non_maximum_suppression import non_maximum_suppression as scratch_suppression
from sonde.scratch.roi_align import roi_align as scratch_roi_align
from sonde.scratch.roi_pooling import roi_max_pool as scratch_roi_max_pool
from sonde.verify.cases import draw, draws, tied, whole
from sonde.verify.pair import Array, Case, Pair

EDGES = np.array([[1.0, 1, 1, 1], [0, 0, 2, 2], [2, 0, 4, 2], [0, 0, 2, 2], [3, 3, 1, 5], [-1e6, -1e6, 1e6, 1e6]])
"""Without area, touching, twice the same, swapped corners, huge."""


def scattered(name: str, n: int, least: float = 0.0) -> Array:
    """Corner boxes (n, 4), sides of at least `least`."""
    corner = np.abs(draw(name, (n, 2)))
    return np.concatenate([corner, corner + least + np.abs(draw(name + "size", (n, 2)))], axis=1)


def box_forms() -> Pair:
    """Corners to centre and size, and back, and areas."""

    def scratch(boxes: Array) -> tuple[Array, ...]:
        centre, size = scratch_box.corners_to_centre(boxes), scratch_box.corners_to_size(boxes)
        return centre, size, scratch_box.centre_to_corners(centre), scratch_box.size_to_corners(size), scratch_box.area(boxes)

    def fast(boxes: Tensor) -> tuple[Tensor, ...]:
        centre, size = fast_boxes.corners_to_centre(boxes), fast_boxes.corners_to_size(boxes)
        return centre, size, fast_boxes.centre_to_corners(centre), fast_boxes.size_to_corners(size), fast_boxes.area(boxes)

    cases = [
        Case("9", {"boxes": scattered("a", 9)}),
        Case("pictures × boxes", {"boxes": scattered("b", 6).reshape(2, 3, 4)}),
        Case("edges", {"boxes": EDGES}),
        Case("none", {"boxes": np.zeros((0, 4))}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.boxes", gradients=False)


def _overlap_cases() -> list[Case]:
    return [
        Case("9 × 7", {"a": scattered("a", 9), "b": scattered("b", 7)}),
        Case("none", {"a": scattered("a", 0), "b": scattered("b", 3)}),
        Case("edges", {"a": EDGES, "b": EDGES}),
    ]


def intersection_over_union() -> Pair:
    """Overlap of every box with every other."""
    return Pair(scratch_box.intersection_over_union, fast_boxes.iou, _overlap_cases(), "sonde.ops.boxes", gradients=False)


def generalised_intersection_over_union() -> Pair:
    """The same, less the share of the box around both that neither covers."""
    fast = fast_boxes.generalised_iou
    return Pair(scratch_box.generalised_intersection_over_union, fast, _overlap_cases(), "sonde.ops.boxes", gradients=False)


def anchors() -> Pair:
    """N + m − 1 a place in shares of the picture; given shapes in pixels."""

    def scratch(height: int, width: int, sizes: list[float], ratios: list[float], stride: float, centre: float) -> tuple[Array, Array]:
        shapes = fast_anchors.book_shapes(sizes, ratios)
        pixels = scratch_anchors.pixel_anchors(height, width, shapes, stride=stride, centre=centre)
        return scratch_anchors.unit_anchors(height, width, sizes, ratios), pixels

    def fast(height: int, width: int, sizes: list[float], ratios: list[float], stride: float, centre: float) -> tuple[Tensor, Tensor]:
        shapes = fast_anchors.book_shapes(sizes, ratios)
        pixels = fast_anchors.anchors(height, width, shapes, stride=stride, centre=centre, dtype=torch.float64)
        return fast_anchors.unit_anchors(height, width, sizes, ratios, dtype=torch.float64), pixels

    plain: dict[str, Any] = {"sizes": [0.75, 0.5, 0.25], "ratios": [1.0, 2.0, 0.5], "stride": 16.0, "centre": 0.5}
    cases = [
        Case("5 × 7", {}, {"height": 5, "width": 7, **plain}),
        Case("one place, one shape", {}, {"height": 1, "width": 1, "sizes": [0.9], "ratios": [3.0], "stride": 8.0, "centre": 0.0}),
        Case("no place", {}, {"height": 0, "width": 4, **plain}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.anchors", gradients=False)


def matching() -> Pair:
    """Each truth its best anchor, and the rest by a threshold; region proposals' two thresholds, with and without rescue."""

    def scratch(anchors: Array, truths: Array) -> tuple[Array, ...]:
        by_thresholds = [scratch_matching.match_thresholds(anchors, truths, low=0.3, high=0.7, rescue=rescue) for rescue in (True, False)]
        return scratch_matching.match_best(anchors, truths, threshold=0.5), *by_thresholds

    def fast(anchors: Tensor, truths: Tensor) -> tuple[Tensor, ...]:
        # Two slots more than truths, in a batch of two: what stands beside must not matter.
        beside = torch.cat([truths, anchors[:2].to(truths)])[None].expand(2, -1, -1)
        present = (torch.arange(beside.shape[1]) < len(truths)).expand(2, -1)
        by_thresholds = [
            fast_matching.match_thresholds(anchors[None], beside, present, low=0.3, high=0.7, rescue=rescue)[1] for rescue in (True, False)
        ]
        return fast_matching.match_best(anchors[None], beside, present, threshold=0.5)[1], *by_thresholds

    cases = [
        Case("40 × 5", {"anchors": scattered("a", 40, 0.5), "truths": scattered("t", 5, 0.5)}),
        Case("truths that want the same anchor", {"anchors": scattered("a", 12, 0.5), "truths": np.repeat(scattered("t", 2, 0.5), 3, axis=0)}),
        Case("ties", {"anchors": EDGES, "truths": EDGES[:4]}),
        Case("more truths than anchors", {"anchors": scattered("a", 2, 0.5), "truths": scattered("t", 5, 0.5)}),
        Case("no truth", {"anchors": scattered("a", 6), "truths": np.zeros((0, 4))}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.matching", gradients=False)


def offsets() -> Pair:
    """From boxes to offsets and from offsets to boxes, with both gradients."""

    def scratch(boxes: Any, anchors: Any, offsets: Any, weights: tuple[float, ...]) -> tuple[Any, Any]:
        return scratch_offsets.encode(boxes, anchors, weights=weights), scratch_offsets.decode(offsets, anchors, weights=weights)

    def fast(boxes: Tensor, anchors: Tensor, offsets: Tensor, weights: fast_offsets.Weights) -> tuple[Tensor, Tensor]:
        decoded = fast_offsets.decode(offsets, anchors, weights=weights, largest_growth=math.inf)
        return fast_offsets.encode(boxes, anchors, weights=weights), decoded

    def data(n: int) -> dict[str, Array]:
        return {"boxes": scattered("b", n, 0.5), "anchors": scattered("a", n, 0.5), "offsets": draw("o", (n, 4))}

    cases = [
        Case("9", data(9), {"weights": (10.0, 10.0, 5.0, 5.0)}),
        Case("plain", data(5), {"weights": (1.0, 1.0, 1.0, 1.0)}),
        Case("none", data(0), {"weights": (1.0, 1.0, 1.0, 1.0)}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.offsets")


def non_maximum_suppression() -> Pair:
    """Which boxes stay, by falling score."""

    def fast(boxes: Tensor, scores: Tensor, threshold: float, classes: Tensor | None = None) -> Tensor:
        return fast_suppression.suppress(boxes, scores, classes, iou=threshold)

    boxes, many = scattered("corner", 20, 0.5), scattered("many", 300, 0.5)
    cases = [
        Case("300 boxes", {"boxes": many, "scores": tied("many", (300,), 60)}, {"threshold": 0.5}),
        Case("7 classes", {"boxes": many, "scores": tied("more", (300,), 60), "classes": whole("classes", (300,), 7)}, {"threshold": 0.4}),
        Case("equal scores", {"boxes": boxes, "scores": np.ones(20)}, {"threshold": 0.3}),
        Case("edges", {"boxes": EDGES, "scores": np.ones(6)}, {"threshold": 0.5}),
        Case("any overlap", {"boxes": EDGES, "scores": np.ones(6)}, {"threshold": 0.0}),
        Case("one", {"boxes": boxes[:1], "scores": np.ones(1)}, {"threshold": 0.5}),
        Case("none", {"boxes": boxes[:0], "scores": np.ones(0)}, {"threshold": 0.5}),
    ]
    return Pair(scratch_suppression, fast, cases, "sonde.ops.suppression", gradients=False)


WHOLE_BOXES = np.array([[0, 0, 0, 5, 3], [1, 2, 1, 6, 6], [0, 3, 3, 3, 3], [1, -2, -2, 2, 9], [0, 12, 12, 14, 14]])


def roi_pooling() -> Pair:
    """Regions of any size as a grid, bins that overlap, regions that reach outside or lie there."""

    def fast(x: Tensor, boxes: Tensor, size: tuple[int, int], scale: float = 1.0) -> Tensor:
        return fast_roi.roi_max_pool(x, boxes[:, 1:].to(x), boxes[:, 0].long(), size, scale=scale)

    cases = [
        Case("2 × 2", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (2, 2)}),
        Case("bins that overlap", draws(x=(2, 1, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (3, 4)}),
        Case("ties", {"x": tied("x", (2, 2, 7, 8)), "boxes": WHOLE_BOXES}, {"size": (2, 3)}),
        Case("half the size", draws(x=(2, 2, 4, 4)) | {"boxes": WHOLE_BOXES}, {"size": (2, 2), "scale": 0.5}),
        Case("none", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES[:0]}, {"size": (2, 2)}),
    ]
    return Pair(scratch_roi_max_pool, fast, cases, "sonde.ops.roi")


def roi_align() -> Pair:
    """Regions as a grid of means of interpolated samples, in both conventions."""

    def fast(x: Tensor, boxes: Tensor, size: tuple[int, int], scale: float = 1.0, sampling: int = 0, aligned: bool = False) -> Tensor:
        return fast_roi.roi_align(x, boxes[:, 1:].to(x), boxes[:, 0].long(), size, scale=scale, sampling=sampling, aligned=aligned)

    cases = [
        Case("two samples", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (2, 2), "sampling": 2, "scale": 0.7}),
        Case("aligned", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (3, 2), "sampling": 2, "aligned": True}),
        Case("samples by size", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (2, 3)}),
        Case("by size, aligned", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES}, {"size": (2, 3), "aligned": True, "scale": 0.5}),
        Case("none", draws(x=(2, 3, 7, 8)) | {"boxes": WHOLE_BOXES[:0]}, {"size": (2, 2)}),
    ]
    return Pair(scratch_roi_align, fast, cases, "sonde.ops.roi")


def boxes_fusion() -> Pair:
    """Three detectors' boxes of one picture as one set."""

    def found(name: str, n: int) -> Array:
        # Around the same five objects, so that detectors agree here and there.
        boxes = np.tile(scattered("objects", 5, 1.0), (n // 5 + 1, 1))[:n] + 0.15 * draw(name, (n, 4))
        return np.column_stack([boxes, whole(name, (n,), 2), np.abs(draw(name + "score", (n,))) + 0.01])

    def scratch(a: Array, b: Array, c: Array, threshold: float = 0.55, weights: list[float] | None = None) -> Array:
        return weighted_boxes_fusion([a, b, c], threshold=threshold, weights=weights)

    def fast(a: Tensor, b: Tensor, c: Tensor, threshold: float = 0.55, weights: list[float] | None = None) -> Tensor:
        # The same picture stands second in a batch, behind one in which nothing was found.
        found = [torch.stack([torch.zeros_like(rows), rows]) for rows in (a, b, c)]
        fused = fast_fusion.fuse(found, threshold=threshold, weights=weights)[1]
        return fused[: int((fused[:, 5] > 0).sum())]

    cases = [
        Case("20, 15 and 10", {"a": found("a", 20), "b": found("b", 15), "c": found("c", 10)}),
        Case("weights", {"a": found("a", 20), "b": found("b", 15), "c": found("c", 10)}, {"weights": [2.0, 1.0, 0.5], "threshold": 0.4}),
        Case("one has found nothing", {"a": found("a", 6), "b": found("b", 0), "c": np.zeros((3, 6))}),
    ]
    return Pair(scratch, fast, cases, "sonde.ops.fusion", gradients=False)
