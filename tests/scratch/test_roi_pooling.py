"""RoI pooling: a known picture, overlapping bins, and PyTorch's adaptive pooling of each region, cut out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.roi_pooling import roi_max_pool

X = np.arange(16.0).reshape(1, 1, 4, 4)


def test_top_left_three_by_three() -> None:
    np.testing.assert_array_equal(roi_max_pool(X, np.array([[0.0, 0, 0, 2, 2]]), (2, 2)).data[0, 0], [[5, 6], [9, 10]])


def test_corners_are_scaled_and_rounded() -> None:
    boxes = np.array([[0, 0, 0, 20, 20], [0, 0, 10, 30, 30]], dtype=float)
    y = roi_max_pool(X, boxes, (2, 2), scale=0.1).data[:, 0]
    np.testing.assert_array_equal(y, [[[5, 6], [9, 10]], [[9, 11], [13, 15]]])


@given(data=st.data(), seed=st.integers(0, 999), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_agrees_with_adaptive_pooling_of_each_region(data: st.DataObject, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    n, m, height, width = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    size = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    x1, x2 = np.sort(rng.integers(0, width, (2, m)), axis=0)
    y1, y2 = np.sort(rng.integers(0, height, (2, m)), axis=0)
    boxes = np.stack([rng.integers(0, n, m), x1, y1, x2, y2], axis=1)
    shape = (n, 2, height, width)
    x = rng.integers(0, 3, shape).astype(float) if ties else rng.standard_normal(shape)

    def fast(x: torch.Tensor) -> torch.Tensor:
        regions = [x[i, :, b : d + 1, a : c + 1] for i, a, b, c, d in boxes.tolist()]
        return torch.stack([F.adaptive_max_pool2d(region, size) for region in regions])

    compare(lambda x: roi_max_pool(x, boxes.astype(float), size), fast, x)


def test_outside_counts_for_nothing_and_empty_bins_give_zero() -> None:
    outside = roi_max_pool(X - 20, np.array([[0.0, 2, 2, 9, 9], [0, 6, 6, 9, 9]]), (2, 2)).data[:, 0]
    np.testing.assert_array_equal(outside, [[[-5, 0], [0, 0]], [[0, 0], [0, 0]]])


def test_no_boxes() -> None:
    assert roi_max_pool(X, np.zeros((0, 5)), (2, 3)).shape == (0, 1, 2, 3)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"boxes \(1, 4\) are \(m, 5\)"):
        roi_max_pool(X, np.zeros((1, 4)), (2, 2))
    with pytest.raises(ValueError, match=r"outside the 1 of x"):
        roi_max_pool(X, np.array([[1.0, 0, 0, 2, 2]]), (2, 2))
