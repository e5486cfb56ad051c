"""Anchors: how many, in which order, where, kept between calls; shapes of the book, of region proposals and of SSD."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops import anchors as fast
from sonde.ops.boxes import corners_to_centre
from sonde.scratch.anchors import unit_anchors as scratch_anchors

SIZES, RATIOS = [0.75, 0.5, 0.25], [1.0, 2.0, 0.5]


def forms() -> list[np.ndarray]:
    """Both twins' anchors of a 2×3 map."""
    return [scratch_anchors(2, 3, SIZES, RATIOS), fast.unit_anchors(2, 3, SIZES, RATIOS, dtype=torch.float64).numpy()]


@pytest.mark.parametrize("side", [0, 1], ids=["scratch", "fast"])
def test_n_sizes_and_m_ratios_make_n_and_m_less_1_in_the_books_order(side: int) -> None:
    boxes = forms()[side].reshape(2, 3, 5, 4)
    w, h = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    # In pixels of a picture of this shape: ratio = width / height, size = √(width · height) over the height.
    w = w * 3 / 2
    expected = [(0.75, 1), (0.5, 1), (0.25, 1), (0.75, 2), (0.75, 0.5)]
    for k, (size, ratio) in enumerate(expected):
        np.testing.assert_allclose(w[..., k] / h[..., k], ratio)
        np.testing.assert_allclose(np.sqrt(w[..., k] * h[..., k]), size)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    np.testing.assert_allclose(centre[1, 2], np.tile([2.5 / 3, 1.5 / 2], (5, 1)))


def test_the_books_example() -> None:
    """Size 0.75 and ratio 1 on 561×728 pixels around the place (250, 250): the values that the book prints."""
    boxes = fast.unit_anchors(561, 728, SIZES, RATIOS)
    assert boxes.shape == (2_042_040, 4)
    torch.testing.assert_close(boxes.view(561, 728, 5, 4)[250, 250, 0], torch.tensor([0.06, 0.07, 0.63, 0.82]), atol=5e-3, rtol=0)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_as_many_as_places_times_shapes(height: int, width: int, n: int, m: int) -> None:
    assert len(fast.unit_anchors(height, width, [0.1 * k + 0.1 for k in range(n)], [k + 1.0 for k in range(m)])) == height * width * (n + m - 1)


def test_they_are_kept_and_the_same_object_is_given() -> None:
    first = fast.anchors(7, 5, ((8.0, 8.0),), stride=16)
    assert fast.anchors(7, 5, ((8.0, 8.0),), stride=16) is first
    assert fast.anchors(7, 5, ((8.0, 8.0),), stride=8) is not first
    assert fast.anchors(7, 5, ((8.0, 8.0),), stride=16, dtype=torch.float64) is not first


def test_no_more_are_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "KEPT", 3)
    monkeypatch.setattr(fast, "_made", type(fast._made)())
    for k in range(5):
        fast.points(k, 1, stride=1)
    assert [key[1] for key in fast._made] == [2, 3, 4]
    fast.points(2, 1, stride=1)
    fast.points(9, 1, stride=1)
    assert [key[1] for key in fast._made] == [4, 2, 9], "the one that was not asked for longest goes first"


def test_what_was_made_while_predicting_can_be_trained_with() -> None:
    with torch.inference_mode():
        boxes = fast.anchors(3, 3, ((11.0, 7.0),), stride=2.5)
    scale = torch.ones(1, requires_grad=True)
    (boxes * scale).sum().backward()
    assert scale.grad is not None


def test_made_while_a_model_is_traced_they_are_not_kept() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        assert type(fast.anchors(3, 2, ((1.0, 1.5),), stride=3)) is not torch.Tensor
    assert type(fast.anchors(3, 2, ((1.0, 1.5),), stride=3)) is torch.Tensor
    with FakeTensorMode():
        assert type(fast.anchors(3, 2, ((1.0, 1.5),), stride=3)) is not torch.Tensor
    assert fast.anchors(3, 2, ((1.0, 1.5),), stride=3, device="meta").is_meta


def test_pixels_and_centres() -> None:
    boxes = corners_to_centre(fast.anchors(2, 2, ((4.0, 6.0), (2.0, 2.0)), stride=(8, 16)))
    assert boxes.tolist() == [[8, 4, 4, 6], [8, 4, 2, 2], [24, 4, 4, 6], [24, 4, 2, 2], [8, 12, 4, 6], [8, 12, 2, 2], [24, 12, 4, 6], [24, 12, 2, 2]]
    assert corners_to_centre(fast.anchors(1, 2, ((4.0, 4.0),), stride=8, centre=0)).tolist() == [[0, 0, 4, 4], [8, 0, 4, 4]]


def test_levels_stand_one_after_the_other() -> None:
    shapes = (((2.0, 2.0),), ((4.0, 4.0), (8.0, 4.0)))
    boxes = fast.level_anchors([(2, 3), (1, 2)], shapes, strides=[4, 8])
    assert torch.equal(boxes, torch.cat([fast.anchors(2, 3, shapes[0], stride=4), fast.anchors(1, 2, shapes[1], stride=8)]))


def test_shapes_of_region_proposals_are_those_of_the_published_weights() -> None:
    """Base anchors of size 32 with ratios ½, 1, 2, halves rounded: ±23 by ±11, ±16, ±11 by ±23."""
    assert fast.crossed_shapes([32.0], [0.5, 1.0, 2.0], rounded=True) == ((46.0, 22.0), (32.0, 32.0), (22.0, 46.0))
    shapes = fast.crossed_shapes([1.0, 2.0], [4.0, 1.0])
    assert shapes == ((0.5, 2.0), (1.0, 4.0), (1.0, 1.0), (2.0, 2.0))


def test_ssd300_has_8732_anchors_of_known_shapes() -> None:
    scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
    shapes = fast.ssd_shapes(scales, [[2], [2, 3], [2, 3], [2, 3], [2], [2]], size=300)
    assert [len(level) for level in shapes] == [4, 6, 6, 6, 4, 4]
    assert shapes[0][0] == pytest.approx((21, 21))
    assert shapes[0][1] == pytest.approx((300 * (0.07 * 0.15) ** 0.5,) * 2)
    assert shapes[0][2] == pytest.approx((21 * 2**0.5, 21 / 2**0.5))
    assert max(max(shape) for level in shapes for shape in level) == 300, "no side is longer than the picture"
    maps = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
    assert len(fast.level_anchors(maps, shapes, strides=[8, 16, 32, 64, 100, 300])) == 8732


def test_points() -> None:
    assert fast.points(2, 3, stride=8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="there are 1 and 0"):
        fast.book_shapes([0.5], [])
    with pytest.raises(ValueError, match="2 levels of ratios need 3 scales, not 2"):
        fast.ssd_shapes([0.1, 0.2], [[2], [2]], size=300)
