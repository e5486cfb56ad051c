"""Inception blocks: branches in order, shared layers computed once, means after their convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sonde.nn.branches import Branches, paths
from sonde.nn.convolution_norm import ConvolutionNorm


def test_branches_stand_behind_one_another() -> None:
    block = Branches({"a": nn.Identity(), "b": nn.MaxPool2d(3, 1, 1)})
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(block(x), torch.cat([x, F.max_pool2d(x, 3, 1, 1)], 1))


def test_paths_compute_a_shared_layer_once() -> None:
    block = paths(4, [{"one": (2, 1)}, {"a": (3, 1), "b": (5, (1, 3))}, {"a": (3, 1), "c": (6, (3, 1))}], 1.0, pooled=False).eval()
    calls = []
    block["a"].register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(2, 4, 5, 5)
    a = block["a"](x)
    calls.clear()
    torch.testing.assert_close(block(x), torch.cat([block["one"](x), block["b"](a), block["c"](a)], 1))
    assert len(calls) == 1
    assert {name.split(".")[0] for name in block.state_dict()} == {"one", "a", "b", "c"}


def test_halving_paths_end_with_the_maxima() -> None:
    block = paths(4, [{"a": (3, "halve")}], 2.0, pooled=True).eval()
    x = torch.randn(2, 4, 7, 7)
    y = block(x)
    assert y.shape == (2, 6 + 4, 3, 3)
    assert torch.equal(y[:, 6:], F.max_pool2d(x, 3, 2))


@pytest.mark.parametrize("mean", ["padded", "inside"])
def test_means_and_a_convolution_of_one_pixel_commute(mean: str) -> None:
    layer = ConvolutionNorm(6, 3, 1, mean=mean).double()
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    before = F.relu(layer.bn(layer.conv(F.avg_pool2d(x, 3, 1, 1, count_include_pad=mean == "padded"))))
    torch.testing.assert_close(layer(x), before)
    with pytest.raises(ValueError, match="only a 1×1 convolution at stride 1 and without bias commutes with means"):
        ConvolutionNorm(6, 3, 3, mean=mean)


def test_norm_is_an_option() -> None:
    layer = ConvolutionNorm(2, 3, (1, 7), norm=False)
    assert set(layer.state_dict()) == {"conv.weight", "conv.bias"}
    assert layer(torch.randn(1, 2, 8, 8)).shape == (1, 3, 8, 8)
    assert ConvolutionNorm(2, 3, 3, stride=2, valid=True)(torch.randn(2, 2, 9, 9)).shape == (2, 3, 4, 4)
