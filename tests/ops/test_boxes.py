"""Boxes on the fast side: forms, overlap and its gradient, cutting, the way back to the original picture."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops import boxes as box
from sonde.ops.overlaps import overlaps, planes


def drawn(seed: int, *shape: int, grid: bool = False) -> Tensor:
    """Corner boxes; on a grid many touch, are equal or have no area."""
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(*shape, 2, generator=generator) * 10, torch.rand(*shape, 2, generator=generator) * 5
    boxes = torch.cat([low, low + size], -1)
    return boxes.round() if grid else boxes


def test_columns_of_a_target_and_a_detection() -> None:
    assert tuple(range(box.COLUMNS)) == (box.LEFT, box.TOP, box.RIGHT, box.BOTTOM, box.CLASS, box.CROWD, box.AREA, box.SCALE)
    assert box.SCORE == 5


def test_forms_of_a_known_box() -> None:
    corners = torch.tensor([[1.0, 2.0, 5.0, 4.0]])
    assert box.corners_to_centre(corners).tolist() == [[3, 3, 4, 2]]
    assert box.corners_to_size(corners).tolist() == [[1, 2, 4, 2]]
    assert box.area(corners).tolist() == [8]


@given(st.integers(0, 999), st.integers(0, 6), st.booleans())
@settings(max_examples=30, deadline=None)
def test_forms_are_inverse_to_each_other(seed: int, n: int, grid: bool) -> None:
    boxes = drawn(seed, 2, n, grid=grid)
    torch.testing.assert_close(box.centre_to_corners(box.corners_to_centre(boxes)), boxes)
    torch.testing.assert_close(box.size_to_corners(box.corners_to_size(boxes)), boxes)


@given(st.integers(0, 999), st.integers(0, 6), st.integers(0, 6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_iou_is_symmetric_between_0_and_1_and_1_with_itself(seed: int, n: int, m: int, grid: bool) -> None:
    a, b = drawn(seed, n, grid=grid), drawn(seed + 1, m, grid=grid)
    overlap, generalised = box.iou(a, b), box.generalised_iou(a, b)
    assert overlap.shape == generalised.shape == (n, m)
    assert torch.equal(overlap, box.iou(b, a).T)
    assert torch.equal(generalised, box.generalised_iou(b, a).T)
    assert ((overlap >= 0) & (overlap <= 1)).all()
    assert ((generalised >= -1) & (generalised <= overlap + 1e-6)).all()
    torch.testing.assert_close(box.iou(a, a).diagonal(), (box.area(a) > 0).float())
    room = torch.empty(3, max(1, n * m))
    assert torch.equal(overlaps(planes(a), planes(b), room), overlap), "both forms of it are equal bit by bit"


def test_known_overlaps() -> None:
    a = torch.tensor([[0.0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [5, 5, 5, 5], [3, 0, 4, 2]])
    torch.testing.assert_close(box.iou(a, b), torch.tensor([[1, 1 / 7, 0, 0, 0]]))
    torch.testing.assert_close(box.generalised_iou(a, b), torch.tensor([[1, 1 / 7 - 2 / 9, 0, 4 / 25 - 1, -2 / 8]]))
    assert box.iou(b[3:4], b[3:4]) == 0, "two boxes without area share nothing"
    assert box.generalised_iou(b[3:4], b[3:4]) == 0


def test_huge_boxes_and_batches() -> None:
    boxes = torch.tensor([[-1e9, -1e9, 1e9, 1e9], [0.0, 0, 1, 1]]).expand(3, 2, 4)
    overlap = box.iou(boxes, boxes)
    assert overlap.shape == (3, 2, 2)
    assert overlap.isfinite().all()
    torch.testing.assert_close(overlap[0].diagonal(), torch.ones(2))


def test_pairs_stand_place_by_place_and_have_gradients() -> None:
    a, b = drawn(0, 2, 5).double().requires_grad_(), drawn(1, 2, 5).double().requires_grad_()
    assert torch.equal(box.paired_iou(a, b), box.iou(a, b).diagonal(dim1=1, dim2=2))
    assert torch.equal(box.paired_generalised_iou(a, b), box.generalised_iou(a, b).diagonal(dim1=1, dim2=2))
    assert torch.autograd.gradcheck(box.paired_generalised_iou, (a, b))
    assert torch.autograd.gradcheck(box.iou, (a, b))


def test_boxes_without_area_have_a_finite_gradient() -> None:
    a, b = torch.tensor([[1.0, 1, 1, 1]], requires_grad=True), torch.tensor([[1.0, 1, 1, 1]])
    (box.paired_iou(a, b) + box.paired_generalised_iou(a, b)).sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_cutting_at_the_edges() -> None:
    boxes = torch.tensor([[-1.0, -2, 3, 4], [5, 5, 20, 20], [30, 30, 40, 40]])
    assert box.clip(boxes, height=10, width=15).tolist() == [[0, 0, 3, 4], [5, 5, 15, 10], [15, 10, 15, 10]]


def test_back_to_the_original_picture() -> None:
    boxes = torch.tensor([[[10.0, 20, 30, 40], [0, 0, 200, 200]], [[10, 20, 30, 40], [-5, -5, 1, 1]]])
    back = box.to_original(boxes, torch.tensor([0.5, 2.0]), height=torch.tensor([100.0, 50.0]), width=torch.tensor([90.0, 60.0]))
    assert back.tolist() == [[[20, 40, 60, 80], [0, 0, 90, 100]], [[5, 10, 15, 20], [0, 0, 0.5, 0.5]]]


@pytest.mark.parametrize("value", [torch.inf, torch.nan, 1e30])
def test_planes_without_a_finite_area_overlap_nothing(value: float) -> None:
    a = planes(torch.tensor([[0.0, 0, value, value], [0, 0, 1, 1]]))
    assert overlaps(a, a, torch.empty(3, 4)).tolist() == [[0, 0], [0, 1]]
