"""Transposed convolution: a known product, the transposed matrix, bilinear enlargement, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch.convolution import conv2d
from sonde.scratch.transposed_convolution import bilinear_kernel, transposed_convolution

FAST = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def test_the_kernel_by_itself() -> None:
    k = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(transposed_convolution(k, k).data[0, 0], [[0, 0, 1], [0, 4, 6], [4, 12, 9]])


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (2, 1), (3, 2)])
def test_is_the_transposed_matrix_of_convolution(stride: int, padding: int) -> None:
    w = np.random.default_rng(0).standard_normal((3, 2, 3, 3))  # convolution: 2 channels to 3
    size = 3 * stride + 3 - 2 * padding  # n = 4 places of the kernel
    pictures = np.eye(2 * size * size).reshape(-1, 2, size, size)
    y = conv2d(pictures, w, stride=stride, padding=padding).data
    matrix = y.reshape(len(pictures), -1)  # row i: what number i of the picture gives; so this is convolution's matrix transposed
    x = np.random.default_rng(1).standard_normal((5, *y.shape[1:]))
    back = transposed_convolution(x, w, stride=stride, padding=padding).data
    assert back.shape[2] == stride * y.shape[2] + 3 - 2 * padding - stride == size
    np.testing.assert_allclose(back.reshape(5, -1), x.reshape(5, -1) @ matrix.T, atol=1e-12)


@given(data=st.data(), axes=st.integers(1, 3), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_agrees_with_pytorch(data: st.DataObject, axes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def lengths(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation, space = lengths(1, 3), lengths(1, 3), lengths(1, 2), lengths(1, 4)
    extra = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    whole = [s * (n - 1) + d * (k - 1) + 1 + e for n, k, s, d, e in zip(space, kernel, stride, dilation, extra, strict=True)]
    padding = tuple(data.draw(st.integers(0, min(3, (length - 1) // 2))) for length in whole)
    groups, batch = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
    channels, out = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 2))
    shapes = [(batch, channels, *space), (channels, out // groups, *kernel), (out,)][: data.draw(st.integers(2, 3))]
    options = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups}
    compare(
        lambda *tensors: transposed_convolution(*tensors, **options),
        lambda *tensors: FAST[axes](*tensors, **options),
        *[rng.standard_normal(shape) for shape in shapes],
    )


def test_bilinear_start_doubles_a_ramp() -> None:
    weight = bilinear_kernel(3, 4)
    assert weight.shape == (3, 3, 4, 4)
    np.testing.assert_allclose(weight[0, 0], np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]))
    assert (weight[~np.eye(3, dtype=bool)] == 0).all()
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6))
    ramp = np.broadcast_to(np.arange(6.0), (2, 3, 5, 6))
    y = transposed_convolution(ramp, weight, stride=2, padding=1).data
    np.testing.assert_allclose(y[0, 0, 4, 1:-1], 0.25 + 0.5 * np.arange(10))
    assert transposed_convolution(x, weight, stride=2, padding=1).shape == (2, 3, 10, 12)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"x \(1, 2, 3, 3\) and weight \(3, 1, 2, 2\)"):
        transposed_convolution(np.zeros((1, 2, 3, 3)), np.zeros((3, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"x \(1, 1, 1, 1\) with kernel \(2, 2\) padding 1 leaves nothing along axis 2"):
        transposed_convolution(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 2, 2)), padding=1)
