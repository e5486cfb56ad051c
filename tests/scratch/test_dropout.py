"""Dropout: what is kept, how much, and the gradient through the same mask."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.dropout import dropout
from sonde.scratch.tensor import Tensor


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expectation_stays_and_the_gradient_passes_the_same_mask(dtype) -> None:
    x = Tensor(np.ones((400, 500), dtype=dtype), requires_grad=True)
    y = dropout(x, 0.3, np.random.default_rng(0))
    assert y.dtype == dtype
    np.testing.assert_allclose(np.unique(y.data), [0, 1 / 0.7], rtol=1e-6)
    assert (y.data == 0).mean() == pytest.approx(0.3, abs=0.01)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)


def test_no_dropout_in_prediction_nor_at_p_0_and_nothing_left_at_p_1() -> None:
    x, rng = Tensor(np.arange(6.0).reshape(2, 3)), np.random.default_rng(0)
    assert dropout(x, 0.9, rng, training=False) is x
    assert dropout(x, 0.0, rng) is x
    np.testing.assert_array_equal(dropout(x, 1.0, rng).data, np.zeros((2, 3)))
    assert dropout(np.zeros((0, 3)), 0.5, rng).shape == (0, 3)


def test_same_generator_same_mask() -> None:
    x = np.ones(50)
    np.testing.assert_array_equal(dropout(x, 0.5, np.random.default_rng(4)).data, dropout(x, 0.5, np.random.default_rng(4)).data)


def test_probability_outside_its_range() -> None:
    with pytest.raises(ValueError, match=r"p is in \[0, 1\], not 1.5"):
        dropout(np.ones(3), 1.5, np.random.default_rng(0))
