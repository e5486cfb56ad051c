"""Weighted boxes fusion: known boxes by hand on both twins, detectors that agree, pictures side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops.fusion import fuse
from sonde.scratch.box_fusion import weighted_boxes_fusion

A = [[0.0, 0, 10, 10, 1, 0.9]]
B = [[0.0, 0, 10, 8, 1, 0.6], [20, 20, 30, 30, 2, 0.5]]
# The first two are one box, 0.6 of it the first's; the third was seen by one of two detectors.
FUSED = [[0.0, 0, 10, 0.6 * 10 + 0.4 * 8, 1, 0.75], [20, 20, 30, 30, 2, 0.25]]


def test_by_hand_on_both_twins() -> None:
    np.testing.assert_allclose(weighted_boxes_fusion([np.array(A), np.array(B)]), FUSED)
    torch.testing.assert_close(fuse([torch.tensor([A]), torch.tensor([B])], most=2), torch.tensor([FUSED]))
    # Weights of 2 and 1: the mean of 1.8 and 0.6, over 3 in place of 2 detectors.
    fused = fuse([torch.tensor([A]), torch.tensor([B])], weights=[2.0, 1.0])
    torch.testing.assert_close(fused[0, 0, 5], torch.tensor(1.2 * 2 / 3))
    torch.testing.assert_close(fused[0, 0, 3], torch.tensor((1.8 * 10 + 0.6 * 8) / 2.4))


def test_other_classes_and_distant_boxes_stay_apart() -> None:
    rows = torch.tensor([[[0.0, 0, 10, 10, 1, 0.9], [0, 0, 10, 10, 2, 0.8], [6, 0, 16, 10, 1, 0.7]]])
    torch.testing.assert_close(fuse([rows]), rows)


@given(st.integers(0, 999))
@settings(max_examples=6, deadline=None)
def test_detectors_that_agree_change_nothing(seed: int) -> None:
    rows = drawn(seed, 1, 12)
    alone = fuse([rows], threshold=0.5)
    torch.testing.assert_close(fuse([rows, rows, rows], threshold=0.5)[:, : alone.shape[1], 5].sum(), alone[..., 5].sum(), rtol=0.3, atol=0)
    apart = rows.clone()
    apart[..., :4] += torch.arange(12)[:, None] * 100  # no two overlap
    torch.testing.assert_close(fuse([apart, apart, apart], most=12), fuse([apart]))


def drawn(seed: int, pictures: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(pictures, n, 2, generator=generator) * 10, torch.rand(pictures, n, 2, generator=generator) * 5 + 3
    number, score = torch.randint(0, 2, (pictures, n, 1), generator=generator), torch.rand(pictures, n, 1, generator=generator)
    rows = torch.cat([low, low + size, number, score], 2)
    return torch.where(score > 0.2, rows, 0.0)


@given(st.integers(0, 999), st.integers(1, 3), st.integers(0, 15), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_pictures_are_as_alone_and_both_twins_agree(seed: int, detectors: int, n: int, pictures: int) -> None:
    found = [drawn(seed + k, pictures, n).double() for k in range(detectors)]
    fused = fuse(found, threshold=0.4)
    assert fused.shape == (pictures, detectors * n, 6)
    for picture, rows in enumerate(fused):
        expected = weighted_boxes_fusion([one[picture].numpy() for one in found], threshold=0.4)
        np.testing.assert_allclose(rows[: len(expected)], expected)
        assert rows[len(expected) :].count_nonzero() == 0


def test_as_many_rows_as_asked_for() -> None:
    rows = drawn(0, 2, 9)
    assert torch.equal(fuse([rows], most=3), fuse([rows])[:, :3])
    assert fuse([rows], most=20).shape == (2, 20, 6)
    assert fuse([torch.zeros(2, 0, 6)], most=4).tolist() == torch.zeros(2, 4, 6).tolist()


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="0 detectors and no weights"):
        fuse([])
    with pytest.raises(ValueError, match="1 detectors and 2 weights"):
        fuse([torch.zeros(1, 2, 6)], weights=[1.0, 2.0])
