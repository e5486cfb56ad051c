"""Sliding windows: every pixel is covered, a function of single pixels comes out as it is, and a picture that fits is predicted as it is."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops.sliding_window import sliding_window, starts


@given(window=st.integers(1, 40), more=st.integers(0, 200), overlap=st.floats(0, 0.9))
def test_windows_cover_everything_and_share_what_is_asked(window: int, more: int, overlap: float) -> None:
    found = starts(window + more, window, overlap)
    assert (found[0], found[-1]) == (0, more)
    assert found == sorted(set(found))
    for here, there in pairwise(found):
        assert 0 < there - here <= max(1, window - round(overlap * window) + 1)


@pytest.mark.parametrize("size", [(8, 12), (9, 12), (21, 30), (40, 13)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_what_sees_single_pixels_is_not_changed(size: tuple[int, int], overlap: float) -> None:
    torch.manual_seed(0)
    picture, seen = torch.randn(3, *size, dtype=torch.float64), []

    def predict(windows: Tensor) -> Tensor:
        seen.append(tuple(windows.shape))
        return torch.stack([windows.sum(1), windows[:, 0].square()], 1)

    found = sliding_window(predict, picture, window=(8, 12), overlap=overlap, batch=3)
    torch.testing.assert_close(found, predict(picture[None])[0])
    assert all(count <= 3 and shape == (3, 8, 12) for count, *rest in seen[:-1] for shape in [tuple(rest)])


def test_a_picture_that_fits_is_predicted_as_it_is() -> None:
    picture = torch.randn(1, 8, 12)
    assert torch.equal(sliding_window(lambda x: x.exp(), picture, window=(8, 12)), picture.exp())


def test_neighbours_are_blended_towards_their_edges() -> None:
    """Two windows that say 0 and 1 give a ramp where they overlap."""
    answers = iter([0.0, 1.0])
    found = sliding_window(lambda x: torch.full((1, 1, 1, 8), next(answers)), torch.zeros(1, 1, 12), window=(1, 8), overlap=0.5, batch=1)
    torch.testing.assert_close(found[0, 0], torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]))


def test_what_makes_no_sense_is_said() -> None:
    with pytest.raises(ValueError, match=r"an overlap of 0\.95: give a share of the window from 0 to 0\.9"):
        starts(20, 10, 0.95)
    with pytest.raises(ValueError, match="5 pixels hold no window of 10"):
        starts(5, 10, 0.25)
