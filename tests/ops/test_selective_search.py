"""Segments and proposals from the picture alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sonde.nn.selective_proposals import SelectiveProposals
from sonde.ops.boxes import iou
from sonde.ops.graph_segments import blur, graph_segments
from sonde.ops.selective_search import selective_search


def scene(*, height: int = 60, width: int = 90, noise: float = 4.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two discs' worth of rectangles of different colours on grey, in noise, and their boxes."""
    boxes = torch.tensor([[8.0, 10, 34, 40], [50, 20, 84, 52]])
    picture = torch.full((3, height, width), 120.0)
    picture[:, 10:40, 8:34] = torch.tensor([200.0, 60, 60])[:, None, None]
    picture[:, 20:52, 50:84] = torch.tensor([40.0, 90, 190])[:, None, None]
    drawn = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + noise * drawn).clamp(0, 255), boxes


def test_segments_are_the_areas_of_one_colour() -> None:
    picture, boxes = scene(noise=0)
    segments = graph_segments(picture, k=100.0, sigma=0.0)
    assert segments.unique().tolist() == [0, 1, 2]
    for left, top, right, bottom in boxes.int().tolist():
        inside = segments[top:bottom, left:right]
        assert len(inside.unique()) == 1
        assert int((segments == inside[0, 0]).sum()) == inside.numel()


def test_a_larger_k_makes_larger_segments_and_none_is_smaller_than_the_least() -> None:
    picture = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(1)) * 255
    counts = [int(graph_segments(picture, k=k, least=1).max()) + 1 for k in (10.0, 100.0, 1000.0)]
    assert counts[0] > counts[1] > counts[2]
    sizes = torch.bincount(graph_segments(picture, k=10.0, least=30).flatten())
    assert int(sizes.min()) >= 30


def test_a_slow_change_of_brightness_is_one_segment_and_a_step_as_high_is_not() -> None:
    """The paper's point: what counts is the contrast across a border against the contrast inside."""
    ramp = torch.linspace(0, 60, 80).expand(1, 40, 80)
    step = torch.where(torch.arange(80) < 40, 0.0, 60.0).expand(1, 40, 80)
    assert int(graph_segments(ramp, k=100.0, sigma=0.0).max()) == 0
    assert int(graph_segments(step, k=100.0, sigma=0.0).max()) == 1


def test_blurring_keeps_a_constant_and_the_mean() -> None:
    constant = torch.full((2, 9, 7), 3.0)
    torch.testing.assert_close(blur(constant, 1.5), constant)
    point = torch.zeros(1, 21, 21)
    point[0, 10, 10] = 1
    smooth = blur(point, 1.0)
    assert float(smooth.sum()) == pytest.approx(1)
    torch.testing.assert_close(smooth, smooth.transpose(1, 2))


def test_objects_and_the_whole_picture_are_among_the_proposals() -> None:
    picture, boxes = scene()
    found = selective_search(picture)
    assert iou(boxes, found).amax(1).min() > 0.9
    assert float(iou(torch.tensor([[0.0, 0, 90, 60]]), found).max()) == 1
    assert len(found.unique(dim=0)) == len(found)
    assert (found[:, 2:] - found[:, :2]).min() >= 8
    assert found.min() >= 0
    assert (found.amax(0) <= torch.tensor([90, 60, 90, 60])).all()
    assert torch.equal(found, selective_search(picture))
    assert torch.equal(found[:5], selective_search(picture, most=5))


def test_large_pictures_are_reduced_and_boxes_are_in_their_own_pixels() -> None:
    picture, boxes = scene()
    large = torch.nn.functional.interpolate(picture[None], scale_factor=8, mode="nearest")[0]
    found = selective_search(large)
    assert iou(8 * boxes, found).amax(1).min() > 0.85


@pytest.mark.parametrize("size", [(1, 5000), (16, 16), (9, 3)])
def test_empty_and_odd_pictures_have_few_proposals_or_none(size: tuple[int, int]) -> None:
    found = selective_search(torch.full((3, *size), 70.0))
    assert found.shape[0] <= 1
    assert found.shape[1] == 4


def test_proposals_of_a_batch_are_padded_kept_and_know_pictures_by_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.stack([(scene()[0] - 115) / 60, torch.zeros(3, 60, 90)])
    propose = SelectiveProposals(50)
    found = propose(pictures)
    assert found.boxes.shape[0] == 2
    assert found.real[0].sum() > found.real[1].sum()
    alone = SelectiveProposals(50)(pictures[1:])
    assert torch.equal(found.boxes[1][found.real[1]], alone.boxes[0][alone.real[0]])
    monkeypatch.setattr("sonde.nn.selective_proposals.selective_search", lambda picture, most: pytest.fail("these pictures were seen"))
    again = propose(pictures.flip(0))
    assert torch.equal(again.boxes.flip(0), found.boxes)
    assert propose(pictures[:0]).boxes.shape == (0, 1, 4)
