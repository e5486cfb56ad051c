"""Batch normalisation: a known table, running statistics, evaluation one by one, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.batch_norm import batch_norm


def test_two_rows() -> None:
    y, _, _ = batch_norm(np.array([[1.0, 2], [3, 6]]), np.zeros(2), np.ones(2), np.ones(2), np.zeros(2), training=True, eps=0.0)
    np.testing.assert_allclose(y.data, [[-1, -1], [1, 1]], atol=1e-12)


@given(space=st.lists(st.integers(1, 4), max_size=3), batch=st.integers(2, 5), channels=st.integers(1, 4), affine=st.booleans(), training=st.booleans())
@settings(max_examples=40, deadline=None)
def test_agrees_with_pytorch(space: list[int], batch: int, channels: int, affine: bool, training: bool) -> None:
    rng = np.random.default_rng(batch)
    mean, var = rng.standard_normal(channels), rng.uniform(0.5, 2, channels)
    shapes = [(batch, channels, *space), (channels,), (channels,)][: 3 if affine else 1]

    def fast(x: torch.Tensor, *affine: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, torch.tensor(mean, dtype=x.dtype), torch.tensor(var, dtype=x.dtype), *affine, training=training)

    # Numbers without two that nearly agree: with a variance near 0 float32 has no five digits to compare.
    x = rng.permuted(np.linspace(-2, 2, int(np.prod(shapes[0]))).reshape(channels, -1), axis=1).reshape(channels, batch, *space).swapaxes(0, 1)
    compare(
        lambda x, *affine: batch_norm(x, mean.astype(x.dtype), var.astype(x.dtype), *affine, training=training)[0],
        fast,
        x,
        *[rng.standard_normal(shape) for shape in shapes[1:]],
    )


def test_running_statistics_are_pytorchs_and_the_given_ones_stay() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3, 2, 5)) * 3 + 1
    mean, var = np.arange(3.0), np.arange(1.0, 4)
    theirs = torch.nn.BatchNorm2d(3, momentum=0.3, dtype=torch.float64)
    theirs.running_mean, theirs.running_var = torch.tensor(mean), torch.tensor(var)
    theirs(torch.tensor(x))
    _, new_mean, new_var = batch_norm(x, mean, var, training=True, momentum=0.3)
    np.testing.assert_allclose(new_mean, theirs.running_mean.numpy(), atol=1e-12)
    np.testing.assert_allclose(new_var, theirs.running_var.numpy(), atol=1e-12)
    np.testing.assert_array_equal(mean, [0, 1, 2])
    np.testing.assert_array_equal(var, [1, 2, 3])


def test_dense_statistics_are_per_feature_and_convolutional_ones_per_channel() -> None:
    x = np.random.default_rng(1).standard_normal((8, 3, 4, 5)) * 2 + 7
    y = batch_norm(x, np.zeros(3), np.ones(3), training=True, eps=0.0)[0].data
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, atol=1e-12)
    flat = batch_norm(x.reshape(8, 60), np.zeros(60), np.ones(60), training=True, eps=0.0)[0].data
    np.testing.assert_allclose(flat.var(0), 1, atol=1e-12)


def test_in_evaluation_an_example_does_not_depend_on_its_batch() -> None:
    x = np.random.default_rng(2).standard_normal((5, 3, 4, 4))
    mean, var = np.arange(3.0), np.arange(1.0, 4)
    whole, kept, _ = batch_norm(x, mean, var, training=False)
    assert kept is mean
    for i in range(5):
        np.testing.assert_array_equal(batch_norm(x[i : i + 1], mean, var, training=False)[0].data[0], whole.data[i])
    assert batch_norm(x[:0], mean, var, training=False)[0].shape == (0, 3, 4, 4)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"x \(1, 3\) has 1 value\(s\) a channel"):
        batch_norm(np.zeros((1, 3)), np.zeros(3), np.ones(3), training=True)
    with pytest.raises(ValueError, match=r"x \(2, 3\) .*running mean \(4,\)"):
        batch_norm(np.zeros((2, 3)), np.zeros(4), np.ones(4), training=True)
