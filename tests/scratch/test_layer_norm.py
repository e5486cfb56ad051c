"""Layer normalisation: a known table, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.layer_norm import layer_norm


def test_two_rows() -> None:
    np.testing.assert_allclose(layer_norm(np.array([[1.0, 2], [3, 6]]), eps=0.0).data, [[-1, 1], [-1, 1]], atol=1e-12)


@given(front=st.lists(st.integers(0, 3), max_size=2), features=st.lists(st.integers(2, 4), min_size=1, max_size=2), given=st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_agrees_with_pytorch(front: list[int], features: list[int], given: int) -> None:
    rng = np.random.default_rng(given)
    shape = (*front, *features)
    x = rng.permuted(np.broadcast_to(np.linspace(-2, 2, int(np.prod(features))), (*front, int(np.prod(features)))), axis=-1).reshape(shape)
    compare(
        lambda x, *affine: layer_norm(x, *affine, axes=len(features)),
        lambda x, *affine: F.layer_norm(x, features, *affine),
        x,
        *[rng.standard_normal(features) for _ in range(given)],
    )


def test_does_not_depend_on_other_examples_and_large_numbers_do_not_overflow() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32) * 1e15
    y = layer_norm(x).data
    assert y.dtype == np.float32
    np.testing.assert_array_equal(layer_norm(x[1:2]).data[0], y[1])
    np.testing.assert_allclose(y.var(axis=1), 1, rtol=1e-5)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"last 1 axes of x \(2, 3\) are not the weight's \(4,\)"):
        layer_norm(np.zeros((2, 3)), np.ones(4))
