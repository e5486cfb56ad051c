"""Convolution: facts of the field, and value and gradients against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch import convolution as conv
from sonde.scratch.dense import dense

FAST = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
X = np.arange(9.0).reshape(1, 1, 3, 3)
K = np.arange(4.0).reshape(1, 1, 2, 2)


def test_three_by_three_with_two_by_two() -> None:
    np.testing.assert_array_equal(conv.conv2d(X, K).data[0, 0], [[19, 25], [37, 43]])


def test_padded_by_one() -> None:
    expected = [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]
    np.testing.assert_array_equal(conv.conv2d(X, K, padding=1).data[0, 0], expected)


def test_strides_three_and_two() -> None:
    np.testing.assert_array_equal(conv.conv2d(X, K, padding=1, stride=(3, 2)).data[0, 0], [[0, 8], [6, 8]])


def test_seven_layers_of_five_by_five_take_32_to_4() -> None:
    length = 32
    for _ in range(7):
        length = conv.output_length(length, 5, 0, 1)
    assert length == 4


def test_even_kernels_are_padded_more_above() -> None:
    assert conv.same_padding((4, 3, 1)) == ((2, 1), (1, 1), (0, 0))
    x, k = np.arange(16.0).reshape(1, 1, 4, 4), np.zeros((1, 1, 2, 2))
    k[..., 1, 1] = 1  # the lower right place lies on the number itself when the zeros are above and left
    np.testing.assert_array_equal(conv.conv2d(x, k, padding=conv.same_padding((2, 2))).data, x)


def test_one_by_one_is_a_dense_layer_at_each_pixel() -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 5, 3, 4)), rng.standard_normal((7, 5, 1, 1)), rng.standard_normal(7)
    pixels = dense(x.transpose(0, 2, 3, 1), w[:, :, 0, 0], b).data.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(conv.conv2d(x, w, b).data, pixels, atol=1e-12)


def test_is_a_dense_layer_with_shared_local_weights() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((3, 2, 4, 5)), rng.standard_normal((3, 2, 3, 2))
    matrix = np.zeros((3, 2, 4, 2, 4, 5))  # (out, place of the output, channel, place of the input)
    for i in range(2):
        for j in range(4):
            matrix[:, i, j, :, i : i + 3, j : j + 2] = w
    expected = dense(x.reshape(3, -1), matrix.reshape(24, 40)).data.reshape(3, 3, 2, 4)
    np.testing.assert_allclose(conv.conv2d(x, w).data, expected, atol=1e-12)


def test_moves_with_its_input() -> None:
    rng = np.random.default_rng(2)
    x, w = np.zeros((1, 2, 12, 12)), rng.standard_normal((3, 2, 3, 3))
    x[:, :, 3:6, 3:6] = rng.standard_normal((1, 2, 3, 3))
    moved = np.roll(x, (2, 4), axis=(2, 3))
    np.testing.assert_allclose(conv.conv2d(moved, w).data, np.roll(conv.conv2d(x, w).data, (2, 4), axis=(2, 3)), atol=1e-12)


def test_edge_detector_answers_at_the_edges_alone() -> None:
    picture = np.ones((1, 1, 6, 8))
    picture[..., 2:6] = 0
    edges = conv.conv2d(picture, np.array([[[[1.0, -1.0]]]])).data[0, 0]
    np.testing.assert_array_equal(edges, np.tile([0, 1, 0, 0, 0, -1, 0], (6, 1)))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_true_convolution_is_scipys(axes: int) -> None:
    rng = np.random.default_rng(axes)
    x, w = rng.standard_normal((6, 5, 7)[:axes]), rng.standard_normal((3, 2, 4)[:axes])
    full = tuple((k - 1, k - 1) for k in w.shape)
    np.testing.assert_allclose(conv.true_convolution(x[None, None], w[None, None], padding=full).data[0, 0], convolve(x, w), atol=1e-12)


@given(data=st.data(), axes=st.integers(1, 3), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_agrees_with_pytorch(data: st.DataObject, axes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def lengths(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, padding, dilation = lengths(1, 3), lengths(1, 3), lengths(0, 2), lengths(1, 2)
    groups, batch = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3))
    channels, out = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 2))
    space = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 4)) for k, d in zip(kernel, dilation, strict=True))
    shapes = [(batch, channels, *space), (out, channels // groups, *kernel), (out,)][: data.draw(st.integers(2, 3))]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    compare(
        lambda *tensors: conv.cross_correlation(*tensors, **options),
        lambda *tensors: FAST[axes](*tensors, **options),
        *[rng.standard_normal(shape) for shape in shapes],
    )


def test_one_number_stands_for_all_axes_and_pairs_pad_each_side() -> None:
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 1, 7, 6)), rng.standard_normal((2, 1, 3, 3))
    compare(lambda a, b: conv.conv2d(a, b, stride=2, padding=1), lambda a, b: F.conv2d(a, b, stride=2, padding=1), x, w)
    compare(lambda a, b: conv.conv2d(a, b, padding=((2, 0), 1)), lambda a, b: F.conv2d(F.pad(a, (1, 1, 2, 0)), b), x, w)


def test_large_numbers() -> None:
    rng = np.random.default_rng(4)
    compare(conv.conv2d, F.conv2d, 1e6 * rng.standard_normal((2, 3, 5, 5)), 1e3 * rng.standard_normal((4, 3, 3, 3)))


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((2, 3, 8, 8), (4, 2, 3, 3), {}, r"x \(2, 3, 8, 8\) and weight \(4, 2, 3, 3\) do not fit with 1 group"),
        ((2, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}, r"do not fit with 2 group"),
        ((2, 3, 8), (4, 3, 3, 3), {}, r"x \(2, 3, 8\) and weight \(4, 3, 3, 3\)"),
        ((2, 3, 2, 8), (4, 3, 3, 3), {}, r"kernel \(3, 3\).* finds no place in x \(2, 3, 2, 8\)"),
        ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": 0}, r"stride \(0, 0\)"),
        ((2, 3, 8, 8), (4, 3, 3, 3), {"stride": (1, 1, 1)}, r"\(1, 1, 1\) should be one number, or 2"),
    ],
)
def test_what_does_not_fit_is_said(x, w, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv.conv2d(np.zeros(x), np.zeros(w), **options)


def test_kernels_on_a_photograph() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    try:
        photograph = datasets.load_sample_image("china.jpg")[100:228, 100:228].astype(np.float64)
    except ImportError:
        pytest.skip("Pillow is needed to read the photograph")
    x = photograph.transpose(2, 0, 1)[:, None]
    blur = conv.conv2d(x, np.full((1, 1, 3, 3), 1 / 9)).data
    sharpen = conv.conv2d(x, np.array([[[[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]]])).data
    edge = conv.conv2d(x, np.array([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]])).data
    inner = x[:, :, 1:-1, 1:-1]
    np.testing.assert_allclose(sharpen, inner - edge, atol=1e-9)
    assert np.abs(np.diff(blur, axis=3)).mean() < 0.8 * np.abs(np.diff(inner, axis=3)).mean() < 0.8 * np.abs(np.diff(sharpen, axis=3)).mean()
    assert abs(edge.mean()) < 1 < edge.std()
    np.testing.assert_allclose(edge, F.conv2d(torch.tensor(x), torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]], dtype=torch.float64)).numpy(), atol=1e-9)
