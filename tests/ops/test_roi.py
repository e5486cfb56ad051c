"""Regions of interest: the course's example, gradients, pyramids, regions outside, maps in either memory order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.roi import levels, roi_align, roi_align_levels, roi_max_pool

X = torch.arange(16.0).reshape(1, 1, 4, 4)
FIRST = torch.zeros(1, dtype=torch.int64)


def drawn(seed: int, regions: int, *, reach: float = 12.0, pictures: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(regions, 2, generator=generator) * reach - 2, torch.rand(regions, 2, generator=generator) * reach
    return torch.cat([low, low + size], 1).double(), torch.randint(0, pictures, (regions,), generator=generator)


def test_top_left_three_by_three() -> None:
    """Bins overlap where two do not divide three: both hold row and column 1, so each gives its lower right corner's value."""
    assert roi_max_pool(X, torch.tensor([[0.0, 0, 2, 2]]), FIRST, (2, 2)).tolist() == [[[[5, 6], [9, 10]]]]


def test_corners_are_scaled_and_rounded() -> None:
    boxes = torch.tensor([[0.0, 0, 20, 20], [0, 10, 30, 30]])
    y = roi_max_pool(X, boxes, torch.zeros(2, dtype=torch.int64), (2, 2), scale=0.1)[:, 0]
    assert y.tolist() == [[[5, 6], [9, 10]], [[9, 11], [13, 15]]]


def test_outside_counts_for_nothing_and_empty_bins_give_zero() -> None:
    boxes = torch.tensor([[2.0, 2, 9, 9], [6, 6, 9, 9], [-9, -9, -5, -5]])
    y = roi_max_pool(X - 20, boxes, torch.zeros(3, dtype=torch.int64), (2, 2))[:, 0]
    assert y.tolist() == [[[-5, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert roi_max_pool(X - 20, boxes[1:], torch.zeros(2, dtype=torch.int64), (2, 2)).count_nonzero() == 0


@given(st.integers(0, 9999), st.integers(1, 9), st.integers(1, 9), st.tuples(st.integers(1, 4), st.integers(1, 4)), st.booleans())
@settings(max_examples=40, deadline=None)
def test_pooling_agrees_with_adaptive_pooling_of_each_region(seed: int, height: int, width: int, size: tuple[int, int], ties: bool) -> None:
    rng = np.random.default_rng(seed)
    x1, x2 = np.sort(rng.integers(0, width, (2, 6)), axis=0)
    y1, y2 = np.sort(rng.integers(0, height, (2, 6)), axis=0)
    boxes, picture = torch.from_numpy(np.stack([x1, y1, x2, y2], 1)), torch.from_numpy(rng.integers(0, 3, 6))
    values = rng.integers(0, 3, (3, 2, height, width)) if ties else rng.standard_normal((3, 2, height, width))
    one, other = (torch.tensor(values, dtype=torch.float64, requires_grad=True) for _ in range(2))
    found = roi_max_pool(one, boxes.double(), picture, size)
    regions = [other[i, :, b : d + 1, a : c + 1] for i, (a, b, c, d) in zip(picture.tolist(), boxes.tolist(), strict=True)]
    expected = torch.stack([F.adaptive_max_pool2d(region, size) for region in regions])
    assert torch.equal(found, expected)
    above = torch.from_numpy(rng.standard_normal(tuple(found.shape)))
    for y, x in ((found, one), (expected, other)):
        y.backward(above)
        assert x.grad is not None
    torch.testing.assert_close(one.grad, other.grad)


def test_align_reads_between_the_places() -> None:
    """One sample in the middle of a region, which is a plane's value there; with `aligned` half a place further up and left."""
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 0, 2, 3]])
    picture = torch.zeros(2, dtype=torch.int64)
    assert roi_align(X, boxes, picture, (1, 1), sampling=1).flatten().tolist() == [5.0, 7.5]
    assert roi_align(X, boxes, picture, (1, 1), sampling=1, aligned=True).flatten().tolist() == [2.5, 5.0]


def test_a_region_is_at_least_one_place_unless_aligned() -> None:
    box = torch.tensor([[1.0, 1, 1, 1]])
    assert roi_align(X, box, FIRST, (1, 1), sampling=1).item() == 7.5
    assert roi_align(X, box, FIRST, (1, 1), sampling=1, aligned=True).item() == 2.5
    assert roi_align(X, box, FIRST, (1, 1), aligned=True).item() == 0, "a region without a size has no samples"


def test_samples_outside_are_zero_and_those_at_the_edge_are_not() -> None:
    one = torch.ones(1, 1, 4, 4)
    boxes = torch.tensor([[-1.5, 0, -0.5, 1], [-3.5, 0, -2.5, 1], [3.4, 3.4, 4.4, 4.4], [4.6, 0, 5.6, 1]])
    y = roi_align(one, boxes, torch.zeros(4, dtype=torch.int64), (1, 1), sampling=1)
    assert y.flatten().tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling", [0, 2])
def test_align_has_gradients(sampling: int, aligned: bool) -> None:
    boxes, picture = drawn(0, 4)
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: roi_align(x, boxes, picture, (2, 3), sampling=sampling, aligned=aligned), (x,))


@pytest.mark.parametrize("pool", [roi_max_pool, roi_align])
def test_no_regions_and_memory_orders(pool: object) -> None:
    assert callable(pool)
    x = torch.randn(2, 3, 5, 6, requires_grad=True)
    empty = pool(x, torch.zeros(0, 4), FIRST[:0], (2, 3))
    assert empty.shape == (0, 3, 2, 3)
    empty.sum().backward()
    assert x.grad is not None
    assert x.grad.count_nonzero() == 0
    boxes, picture = drawn(0, 7)
    assert torch.equal(pool(x, boxes.float(), picture, (2, 3)), pool(x.to(memory_format=torch.channels_last), boxes.float(), picture, (2, 3)))


def test_levels_of_a_pyramid() -> None:
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    sides = torch.tensor([1.0, 111, 112, 223, 224, 447, 448, 5000])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), sides, sides], 1)
    assert levels(boxes, scales=scales).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert levels(torch.zeros(1, 4), scales=scales).tolist() == [0], "also without an area"


@pytest.mark.parametrize("sampling", [0, 2])
def test_over_a_pyramid_each_region_is_read_from_its_level(sampling: int) -> None:
    scales = [1 / 4, 1 / 8, 1 / 16]
    maps = [torch.randn(2, 3, round(400 * s), round(600 * s), dtype=torch.float64, requires_grad=True) for s in scales]
    boxes, picture = drawn(1, 40, reach=450.0)
    found = roi_align_levels(maps, boxes, picture, (3, 3), scales=scales, sampling=sampling)
    chosen = levels(boxes, scales=scales)
    assert set(chosen.tolist()) == {0, 1, 2}
    for level, (x, scale) in enumerate(zip(maps, scales, strict=True)):
        own = chosen == level
        torch.testing.assert_close(found[own], roi_align(x, boxes[own], picture[own], (3, 3), scale=scale, sampling=sampling))
    found.sum().backward()
    assert all(x.grad is not None and x.grad.count_nonzero() for x in maps)


def test_half_precision_maps_keep_their_format() -> None:
    x = torch.randn(2, 3, 5, 6)
    boxes, picture = drawn(0, 7)
    for pool in (roi_max_pool, roi_align):
        y = pool(x.bfloat16(), boxes.float(), picture, (2, 2))
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y.float(), pool(x, boxes.float(), picture, (2, 2)), atol=0.05, rtol=0.05)


def test_shapes_alone_are_known_without_values() -> None:
    x, boxes, picture = (t.to("meta") for t in (torch.zeros(2, 3, 5, 6), torch.zeros(7, 4), torch.zeros(7, dtype=torch.int64)))
    assert roi_max_pool(x, boxes, picture, (2, 3)).shape == (7, 3, 2, 3)
    assert roi_align(x, boxes, picture, (2, 3), sampling=2).shape == (7, 3, 2, 3)
