"""Pooling: facts of the field, ties, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch import pooling
from sonde.scratch.tensor import Tensor

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
X = np.arange(9.0).reshape(1, 1, 3, 3)


def test_two_by_two_on_three_by_three() -> None:
    np.testing.assert_array_equal(pooling.max_pool(X, 2, stride=1).data[0, 0], [[4, 5], [7, 8]])
    np.testing.assert_array_equal(pooling.average_pool(X, 2, stride=1).data[0, 0], [[2, 3], [5, 6]])


def test_channels_stay_apart() -> None:
    both = np.concatenate([X, X + 1], axis=1)
    np.testing.assert_array_equal(pooling.max_pool(both, 2, stride=1).data[0], [[[4, 5], [7, 8]], [[5, 6], [8, 9]]])


@given(data=st.data(), axes=st.integers(1, 3), ties=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_agrees_with_pytorch(data: st.DataObject, axes: int, ties: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def lengths(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    kernel, dilation = lengths(1, 3), lengths(1, 2)
    stride = data.draw(st.none() | st.just(lengths(1, 3)))
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    space = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 4)) for k, d in zip(kernel, dilation, strict=True))
    shape = (data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3)), *space)
    x = rng.integers(0, 3, shape).astype(float) if ties else rng.standard_normal(shape)
    compare(
        lambda x: pooling.max_pool(x, kernel, stride=stride, padding=padding, dilation=dilation),
        lambda x: MAX[axes](x, kernel, stride, padding, dilation),
        x,
    )
    compare(lambda x: pooling.average_pool(x, kernel, stride=stride, padding=padding), lambda x: AVERAGE[axes](x, kernel, stride, padding), x)
    compare(pooling.global_average_pool, lambda x: x.mean(tuple(range(2, x.ndim))), x)


def test_global_maximum() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 5))
    compare(pooling.global_max_pool, lambda x: F.adaptive_max_pool2d(x, 1).flatten(1), x)


def test_of_equal_values_the_first_receives_the_gradient() -> None:
    x = Tensor(np.zeros((1, 1, 2, 4)), requires_grad=True)
    pooling.max_pool(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_padding_never_wins() -> None:
    assert (pooling.max_pool(-1 - X, 3, stride=2, padding=1).data < 0).all()


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"padding \(2, 2\) is more than half of the kernel \(3, 3\)"):
        pooling.max_pool(X, 3, padding=2)
    with pytest.raises(ValueError, match=r"kernel \(4, 4\).* finds no place in x \(1, 1, 3, 3\)"):
        pooling.average_pool(X, 4)
