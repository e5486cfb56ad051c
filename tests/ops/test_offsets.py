"""Offsets: known ones, identity there and back, boxes without area, growth that is bounded."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops.offsets import LARGEST_GROWTH, decode, encode
from sonde.scratch import offsets as scratch


def test_known_offsets_on_both_twins() -> None:
    anchors, boxes = torch.tensor([[0.0, 0, 2, 4]]), torch.tensor([[1.0, 1, 5, 9]])
    expected = torch.tensor([[10 * (3 - 1) / 2, 10 * (5 - 2) / 4, 5 * math.log(4 / 2), 5 * math.log(8 / 4)]])
    torch.testing.assert_close(encode(boxes, anchors), expected)
    torch.testing.assert_close(torch.from_numpy(scratch.encode(boxes.numpy(), anchors.numpy()).data), expected)


@given(st.integers(0, 9999), st.integers(0, 8), st.sampled_from([(10.0, 10.0, 5.0, 5.0), (1.0, 1.0, 1.0, 1.0)]))
@settings(max_examples=50, deadline=None)
def test_back_is_identity(seed: int, n: int, weights: tuple[float, float, float, float]) -> None:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(2, 2, n, 2, generator=generator) * 50, torch.rand(2, 2, n, 2, generator=generator) * 30 + 1
    boxes, anchors = torch.cat([low, low + size], -1).double()
    torch.testing.assert_close(decode(encode(boxes, anchors, weights=weights), anchors, weights=weights), boxes)
    # The largest offset that is drawn stays under the bound of growth.
    offsets = torch.randn(2, n, 4, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(encode(decode(offsets, anchors, weights=weights), anchors, weights=weights), offsets)


def test_anchors_are_shared_by_pictures() -> None:
    anchors = torch.tensor([[0.0, 0, 2, 4], [1, 1, 2, 2]])
    assert decode(torch.zeros(3, 2, 4), anchors).tolist() == [anchors.tolist()] * 3


def test_a_box_without_area_has_a_finite_offset() -> None:
    found = encode(torch.tensor([[3.0, 3, 3, 3]]), torch.tensor([[0.0, 0, 2, 2]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0, 2:], torch.full((2,), 5 * math.log(1e-6)))


def test_growth_is_bounded() -> None:
    anchors = torch.tensor([[0.0, 0, 16, 16]])
    boxes = decode(torch.tensor([[0.0, 0, 1e4, 1e4]]), anchors)
    torch.testing.assert_close(boxes, torch.tensor([[-492.0, -492, 508, 508]]))
    assert decode(torch.tensor([[0.0, 0, 1e4, 1e4]]), anchors, largest_growth=math.inf).isinf().all()
    assert math.log(1000 / 16) == LARGEST_GROWTH
