"""Dense descriptors: what they do not see, what they are on a picture whose answer is known, and where they stand."""

from __future__ import annotations

import math

import pytest
import torch

from sonde.ops.descriptors import CELLS, DIRECTIONS, LARGEST, dense_descriptors, places


def picture(*, size: int = 24, planes: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, planes, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("planes", [1, 3])
def test_brightness_and_contrast_are_not_seen(planes: int) -> None:
    images = picture(planes=planes)
    found = dense_descriptors(images, patch=16, stride=4)
    assert found.shape == (2, 9, 128 * planes)
    torch.testing.assert_close(dense_descriptors(0.3 * images + 5, patch=16, stride=4), found)
    torch.testing.assert_close(found.square().sum(2), torch.ones(2, 9, dtype=torch.float64))
    assert found.amax() <= LARGEST * 2


def test_a_flat_picture_has_none() -> None:
    assert not dense_descriptors(torch.full((1, 1, 16, 16), 0.7), patch=16, stride=4).any()


@pytest.mark.parametrize("turn", range(4))
def test_a_slope_points_one_way(turn: int) -> None:
    """Rising to the right, down, left or up: all energy in that direction and its neighbours, by the cosine of the angle between."""
    slope = torch.arange(16.0).repeat(16, 1)
    rising = torch.rot90(slope, -turn)[None, None]
    (found,) = dense_descriptors(rising, patch=8, stride=4)[:, 4]
    inner = found.view(CELLS, CELLS, DIRECTIONS)[1:3, 1:3].mean((0, 1))
    expected = [math.cos(2 * math.pi * (number - 2 * turn) / DIRECTIONS) for number in range(DIRECTIONS)]
    assert [value > 1e-6 for value in inner.tolist()] == [value > 1e-6 for value in expected]
    assert int(inner.argmax()) == 2 * turn
    beside = inner[(2 * turn + 1) % DIRECTIONS] / inner[2 * turn]
    assert math.cos(math.pi / 4) - 1e-5 < beside <= 1  # of the cosine, or nearer to 1 where the largest are cut


def test_each_patch_is_described_by_itself() -> None:
    images = picture(size=32)
    found = dense_descriptors(images, patch=12, stride=4)
    where = places(32, patch=12, stride=4)
    assert len(where) == found.shape[1] == 36
    assert where[0].tolist() == pytest.approx([6 / 32, 6 / 32])
    assert where[-1].tolist() == pytest.approx([26 / 32, 26 / 32])
    place = 6 * 2 + 3  # the patch whose corner is (8, 12); a margin of a pixel serves the gradient, and of one cell the neighbours
    alone = dense_descriptors(images[:, :, 4:24, 8:28], patch=12, stride=4)
    torch.testing.assert_close(alone[:, 3 * 1 + 1], found[:, place])
