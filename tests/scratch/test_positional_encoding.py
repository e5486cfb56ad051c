"""The sinusoidal encoding: its values, and that a shift is a rotation."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.positional_encoding import positional_encoding, rotation


def test_values_are_the_formula() -> None:
    encoding = positional_encoding(7, 6)
    for i, j in np.ndindex(7, 3):
        assert encoding[i, 2 * j] == pytest.approx(np.sin(i / 10000 ** (2 * j / 6)))
        assert encoding[i, 2 * j + 1] == pytest.approx(np.cos(i / 10000 ** (2 * j / 6)))


@pytest.mark.parametrize("shift", [-3, 1, 17])
def test_a_shift_is_a_rotation_that_does_not_depend_on_the_position(shift: int) -> None:
    turn = rotation(shift, 8)
    np.testing.assert_allclose(turn @ turn.T, np.eye(8), atol=1e-15)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(positional_encoding(50, 8, start=5) @ turn, positional_encoding(50, 8, start=5 + shift), atol=1e-13)


def test_start_continues_and_odd_and_empty_shapes_stand() -> None:
    np.testing.assert_array_equal(positional_encoding(3, 4, start=2), positional_encoding(5, 4)[2:])
    assert positional_encoding(0, 4).shape == (0, 4)
    assert positional_encoding(4, 5, dtype=np.float32).shape == (4, 5)
    assert positional_encoding(4, 5, dtype=np.float32).dtype == np.float32


def test_a_rotation_needs_pairs() -> None:
    with pytest.raises(ValueError, match="width of 5 leaves one without its pair"):
        rotation(1, 5)
