"""Transposed convolution on the fast side: the transposed matrix, zeros put in between, its length, the known product, the bilinear start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sonde.nn.enlarge import Enlarge, to_size, transposed_length, whole
from sonde.nn.initialise import initialise_bilinear
from sonde.scratch.transposed_convolution import bilinear_kernel, transposed_convolution

SHAPES = [(1, 0, 3), (2, 0, 3), (2, 1, 4), (3, 2, 5), (4, 1, 2)]


def test_the_kernel_by_itself() -> None:
    k = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert F.conv_transpose2d(k, k)[0, 0].tolist() == [[0, 0, 1], [0, 4, 6], [4, 12, 9]]


@pytest.mark.parametrize(("stride", "padding", "kernel"), SHAPES)
def test_is_the_transposed_matrix_of_convolution(stride: int, padding: int, kernel: int) -> None:
    torch.manual_seed(0)
    n = 4
    size = transposed_length(n, kernel=kernel, stride=stride, padding=padding)
    weight = torch.randn(3, 2, kernel, kernel, dtype=torch.float64)  # convolution: 2 channels to 3
    pictures = torch.eye(2 * size * size, dtype=torch.float64).view(-1, 2, size, size)
    matrix = F.conv2d(pictures, weight, stride=stride, padding=padding).flatten(1)  # row i: what number i of the picture gives
    x = torch.randn(5, 3, n, n, dtype=torch.float64)
    back = F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    assert back.shape[2:] == (size, size)
    assert size == stride * n + kernel - 2 * padding - stride
    torch.testing.assert_close(back.flatten(1), x.flatten(1) @ matrix.T)


@pytest.mark.parametrize(("stride", "padding", "kernel"), [shape for shape in SHAPES if shape[1] < shape[2]])
def test_is_a_convolution_of_the_flipped_kernel_with_zeros_put_in(stride: int, padding: int, kernel: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(3, 2, kernel, kernel, dtype=torch.float64)
    spread = x.new_zeros(2, 3, stride * 3 + 1, stride * 4 + 1)
    spread[:, :, ::stride, ::stride] = x
    expected = F.conv2d(spread, weight.flip(2, 3).transpose(0, 1), padding=kernel - 1 - padding)
    torch.testing.assert_close(F.conv_transpose2d(x, weight, stride=stride, padding=padding), expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16, 64])
def test_the_bilinear_start_is_the_readable_one(size: int) -> None:
    full, own = torch.empty(3, 3, size, size, dtype=torch.float64), torch.empty(3, 1, size, size, dtype=torch.float64)
    initialise_bilinear(full)
    initialise_bilinear(own, groups=3)
    expected = bilinear_kernel(3, size)
    np.testing.assert_allclose(full.numpy(), expected, atol=1e-15)
    np.testing.assert_allclose(own[:, 0].numpy(), expected[[0, 1, 2], [0, 1, 2]], atol=1e-15)


def test_a_kernel_without_a_bilinear_start_is_refused() -> None:
    for shape, groups in (((2, 3, 4, 4), 1), ((2, 2, 4, 3), 1), ((4, 2, 4, 4), 2)):
        with pytest.raises(ValueError, match="as many channels out as in, and a square kernel"):
            initialise_bilinear(torch.empty(shape), groups=groups)


@pytest.mark.parametrize("factor", [2, 3, 8, 32])
def test_enlarging_is_interpolation_away_from_the_edge(factor: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    edge = (factor + 1) // 2
    for learnt in (True, False):
        layer = Enlarge(3, factor, learnt=learnt).double()
        found = layer(x)
        assert found.shape == expected.shape
        torch.testing.assert_close(found[:, :, edge:-edge, edge:-edge], expected[:, :, edge:-edge, edge:-edge])
        assert [name for name, _ in layer.named_parameters()] == (["weight"] if learnt else [])
        assert list(layer.state_dict()) == (["weight"] if learnt else [])


def test_values_and_gradients_are_those_of_the_readable_form() -> None:
    torch.manual_seed(0)
    layer = Enlarge(2, 4, learnt=True).double()
    nn.init.normal_(layer.weight)
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    expected = transposed_convolution(x.numpy(), layer.weight.detach().numpy(), stride=4, padding=2)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected.data, atol=1e-12)


def test_pictures_are_filled_up_to_whole_strides() -> None:
    x = torch.ones(1, 2, 33, 64)
    filled = whole(x, 32)
    assert filled.shape == (1, 2, 64, 64)
    assert torch.equal(filled[:, :, :33], x)
    assert not filled[:, :, 33:].any()
    assert whole(filled, 32) is filled
    assert to_size(x, filled).shape == filled.shape
    assert to_size(x, x) is x
