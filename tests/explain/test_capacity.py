"""The Vapnik–Chervonenkis dimension of a line in the plane is 3."""

from __future__ import annotations

import torch

from sonde.explain.capacity import is_separable, realised, shatters

TRIANGLE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
SQUARE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_a_line_realises_all_eight_labellings_of_three_points() -> None:
    assert len(realised(TRIANGLE)) == 8
    assert shatters(TRIANGLE)


def test_a_line_realises_fourteen_of_sixteen_labellings_of_the_square() -> None:
    found = realised(SQUARE)
    assert len(found) == 14
    # The two that are missing are XOR and its opposite.
    assert (0, 1, 1, 0) not in found
    assert (1, 0, 0, 1) not in found
    assert not shatters(SQUARE)


def test_three_points_on_a_line_cannot_be_labelled_at_will() -> None:
    line = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    assert not is_separable(line, (1, 0, 1))
    assert len(realised(line)) == 6


def test_a_plane_realises_all_sixteen_labellings_of_four_points_in_space() -> None:
    assert shatters(torch.cat([torch.zeros(1, 3), torch.eye(3)]))
