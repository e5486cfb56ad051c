"""The dense layer against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.dense import dense


@given(front=st.lists(st.integers(0, 4), max_size=3), n_in=st.integers(0, 6), n_out=st.integers(1, 5), bias=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_agrees_with_pytorch(front: list[int], n_in: int, n_out: int, bias: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [(*front, n_in), (n_out, n_in), (n_out,)][: 3 if bias else 2]
    compare(dense, F.linear, *[rng.standard_normal(shape) for shape in shapes])


def test_takes_arrays() -> None:
    np.testing.assert_array_equal(dense(np.array([[1.0, 2]]), np.array([[3.0, 4]]), np.array([5.0])).data, [[16]])


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"dense: .*\(3, 5\).*\(4, 6\)"):
        dense(np.zeros((3, 5)), np.zeros((4, 6)))
