"""Boxes: forms and their inverses, overlap against counted pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.scratch import box


def _boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    low = rng.integers(0, 12, (n, 2))
    return np.concatenate([low, low + rng.integers(0, 9, (n, 2))], axis=1).astype(float)


@given(n=st.integers(0, 5), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_forms_are_inverse_to_each_other(n: int, seed: int) -> None:
    boxes = _boxes(np.random.default_rng(seed), n)
    np.testing.assert_allclose(box.centre_to_corners(box.corners_to_centre(boxes)), boxes)
    np.testing.assert_allclose(box.size_to_corners(box.corners_to_size(boxes)), boxes)


def test_forms_of_a_known_box() -> None:
    corners = np.array([[1.0, 2.0, 5.0, 4.0]])
    np.testing.assert_array_equal(box.corners_to_centre(corners), [[3, 3, 4, 2]])
    np.testing.assert_array_equal(box.corners_to_size(corners), [[1, 2, 4, 2]])


@given(n=st.integers(0, 6), m=st.integers(0, 6), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_overlap_is_the_share_of_counted_pixels(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = _boxes(rng, n), _boxes(rng, m)

    def pixels(boxes: np.ndarray) -> np.ndarray:
        y, x = np.mgrid[:24, :24]
        x1, y1, x2, y2 = boxes.T[..., None, None]
        return (x >= x1) & (x < x2) & (y >= y1) & (y < y2)

    one, other = pixels(a)[:, None], pixels(b)[None]
    shared, union = (one & other).sum((-2, -1)), (one | other).sum((-2, -1))
    np.testing.assert_allclose(box.intersection_over_union(a, b), shared / np.maximum(union, 1))


def test_known_overlaps() -> None:
    a = np.array([[0, 0, 2, 2]], dtype=np.float32)
    b = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [5, 5, 5, 5]], dtype=np.float32)
    overlap = box.intersection_over_union(a, b)
    assert overlap.dtype == np.float32
    np.testing.assert_allclose(overlap, [[1, 1 / 7, 0, 0]], rtol=1e-6)
    assert box.intersection_over_union(b[3:], b[3:]) == 0, "two empty boxes share nothing"


def test_area_of_swapped_corners_is_zero() -> None:
    assert box.area(np.array([[3.0, 3.0, 1.0, 5.0]])) == 0
