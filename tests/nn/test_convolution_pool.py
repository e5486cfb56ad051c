"""Convolution, activation and pooling in one, against the three layers one after the other."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from sonde.nn.activation import Activation, activation
from sonde.nn.convolution_pool import ConvolutionPool
from sonde.ops.pooling import Pooling

ACTIVATIONS: tuple[Activation, ...] = ("relu", "sigmoid", "tanh", "centred-sigmoid", "hard-sigmoid", "linear")


@pytest.mark.parametrize(("act", "pooling"), list(itertools.product(ACTIVATIONS, ["max", "average"])))
@pytest.mark.parametrize(("channels", "size", "padding"), [(1, 28, 2), (3, 12, 0), (6, 14, 0), (1, 13, 1), (2, 11, 2)])
def test_equals_the_three_layers(act: Activation, pooling: Pooling, channels: int, size: int, padding: int) -> None:
    torch.manual_seed(0)
    layer = ConvolutionPool(channels, 4, 5, padding=padding, act=act, pooling=pooling).double()
    three = nn.Sequential(
        nn.Conv2d(channels, 4, 5, padding=padding), activation(act), nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
    ).double()
    three[0].load_state_dict(layer.state_dict())
    x = torch.randn(3, channels, size, size, dtype=torch.float64)
    for image in (x, x.clone().requires_grad_()):  # the second takes the plain convolution
        ours, theirs = layer(image), three(image)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
        above = torch.randn_like(theirs)
        wanted = [*layer.parameters()] + [image] * image.requires_grad
        other = [*three.parameters()] + [image] * image.requires_grad
        found = zip(torch.autograd.grad(ours, wanted, above), torch.autograd.grad(theirs, other, above), strict=True)
        for ours_gradient, theirs_gradient in found:
            torch.testing.assert_close(ours_gradient, theirs_gradient, rtol=0, atol=1e-10)
