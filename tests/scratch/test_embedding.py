"""Rows of a table, and the gradient of rows used more than once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.embedding import embedding


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (0,), (2, 0)])
def test_agrees_with_pytorch(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 5, shape)
    compare(lambda w: embedding(tokens, w), lambda w: F.embedding(torch.as_tensor(tokens), w), rng.standard_normal((5, 3)))


def test_it_is_a_one_hot_row_times_the_table() -> None:
    weight = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_array_equal(embedding(np.array([3, 0, 3]), weight).data, np.eye(5)[[3, 0, 3]] @ weight)


def test_bad_tokens_are_named() -> None:
    with pytest.raises(TypeError, match="whole numbers, not float64"):
        embedding(np.array([1.0]), np.zeros((5, 3)))
    with pytest.raises(IndexError, match=r"tokens -1 … 5 do not all lie in 0 … 4"):
        embedding(np.array([-1, 5]), np.zeros((5, 3)))
