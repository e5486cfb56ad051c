"""Anchors, matching, offsets, RoI align, generalised overlap: facts that a reader can check by hand. The fast forms are held to them in tests/ops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scratch.layer_parity import compare
from sonde.scratch.anchors import pixel_anchors, unit_anchors
from sonde.scratch.box import generalised_intersection_over_union
from sonde.scratch.box_fusion import weighted_boxes_fusion
from sonde.scratch.matching import IGNORED, NO_TRUTH, match_best, match_thresholds
from sonde.scratch.offsets import decode, encode
from sonde.scratch.roi_align import roi_align

X = np.arange(16.0).reshape(1, 1, 4, 4)


def test_anchors_in_shares_and_in_pixels() -> None:
    boxes = unit_anchors(1, 2, [0.5, 0.25], [1.0, 4.0])
    np.testing.assert_allclose(boxes[:3], [[0.125, 0.25, 0.375, 0.75], [0.1875, 0.375, 0.3125, 0.625], [0, 0.375, 0.5, 0.625]])
    np.testing.assert_allclose(boxes[3:] - boxes[:3], np.tile([0.5, 0, 0.5, 0], (3, 1)))
    np.testing.assert_allclose(pixel_anchors(2, 1, [(4.0, 2.0)], stride=8.0), [[2, 3, 6, 5], [2, 11, 6, 13]])


def test_no_truth_is_lost() -> None:
    anchors = np.array([[0.0, 0, 2, 2], [0, 0, 2, 1], [9, 9, 10, 10]])
    truths = np.array([[0.0, 0, 2, 2], [0, 0, 2, 2], [30, 30, 31, 31]])
    assert match_best(anchors, truths).tolist() == [0, 1, 2], "the second gets what the first leaves, the third what is left"
    assert match_best(anchors, truths[:0]).tolist() == [NO_TRUTH] * 3


def test_two_thresholds() -> None:
    anchors, truths = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 2]]), np.array([[0.0, 0, 10, 10], [40, 40, 41, 41]])
    assert match_thresholds(anchors, truths, low=0.3, high=0.7).tolist() == [0, IGNORED, NO_TRUTH]
    assert match_thresholds(anchors[1:], truths, low=0.3, high=0.7).tolist() == [0, NO_TRUTH]
    assert match_thresholds(anchors[1:], truths, low=0.3, high=0.7, rescue=False).tolist() == [IGNORED, NO_TRUTH]


def test_offsets_and_back() -> None:
    anchors, boxes = np.array([[0.0, 0, 2, 4]]), np.array([[1.0, 1, 5, 9]])
    offsets = encode(boxes, anchors)
    np.testing.assert_allclose(offsets.data, [[10, 7.5, 5 * np.log(2), 5 * np.log(2)]])
    np.testing.assert_allclose(decode(offsets, anchors).data, boxes)


def test_generalised_overlap_of_boxes_that_are_apart() -> None:
    a = np.array([[0.0, 0, 2, 2]])
    b = np.array([[0.0, 0, 2, 2], [2, 0, 4, 2], [6, 0, 8, 2]])
    np.testing.assert_allclose(generalised_intersection_over_union(a, b), [[1, 0, -0.5]])


@pytest.mark.parametrize(("aligned", "middle"), [(False, 5.0), (True, 2.5)])
def test_align_reads_between_the_places(aligned: bool, middle: float) -> None:
    assert roi_align(X, np.array([[0.0, 0, 0, 2, 2]]), (1, 1), sampling=1, aligned=aligned).item() == middle


@pytest.mark.parametrize("sampling", [0, 3])
def test_align_of_a_region_inside_is_the_mean_of_interpolated_samples(sampling: int) -> None:
    """Against PyTorch's own interpolation at the samples' places."""
    boxes = np.array([[0, 1.2, 0.7, 5.1, 4.9], [1, 0.5, 1.0, 2.5, 3.0]])
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))

    def fast(x: torch.Tensor) -> torch.Tensor:
        found = []
        for image, x1, y1, x2, y2 in boxes.tolist():
            axes = []
            for start, extent, bins, length in ((y1, y2 - y1, 2, 7), (x1, x2 - x1, 3, 8)):
                samples = sampling or int(np.ceil(extent / bins))
                at = start + (torch.arange(bins)[:, None] + (torch.arange(samples).double() + 0.5) / samples) * extent / bins
                axes.append(at / (length - 1) * 2 - 1)
            rows, columns = axes
            y, across = torch.meshgrid(rows.flatten(), columns.flatten(), indexing="ij")
            grid = torch.stack([across, y], -1)[None].to(x)
            values = torch.nn.functional.grid_sample(x[int(image)][None], grid, align_corners=True)[0]
            found.append(values.view(3, 2, rows.shape[1], 3, columns.shape[1]).mean((2, 4)))
        return torch.stack(found)

    compare(lambda x: roi_align(x, boxes, (2, 3), sampling=sampling), fast, x)


def test_fusion_of_two_detectors() -> None:
    one, other = np.array([[0.0, 0, 10, 10, 1, 0.9]]), np.array([[0.0, 0, 10, 8, 1, 0.6]])
    np.testing.assert_allclose(weighted_boxes_fusion([one, other]), [[0, 0, 10, 9.2, 1, 0.75]])
    np.testing.assert_allclose(weighted_boxes_fusion([one, other * 0]), [[0, 0, 10, 10, 1, 0.45]], err_msg="seen by one of two")
