"""Dense layers on whole numbers: how near they are, and what has no scale."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sonde.nn.int8 import LARGEST, LEVELS, Int8Linear, is_available, to_int8

pytestmark = pytest.mark.skipif(not is_available(), reason="this PyTorch has no int8 kernels")


def layer(width: int = 33, outputs: int = 17, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(width, outputs, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_what_both_roundings_make_of_it(bias: bool) -> None:
    """The paper's arithmetic, written down with floating point numbers."""
    exact, x = layer(bias=bias), 3 * torch.randn(4, 5, 33)
    found = Int8Linear(exact)(x)
    scale = exact.weight.abs().amax(1, keepdim=True) / (LARGEST if torch.cpu._is_vnni_supported() else 63)
    step = (x.max() - x.min()) / LEVELS
    zero = (-x.min() / step).round()
    rounded = ((x / step + zero + 0.5).floor().clamp(0, LEVELS) - zero) * step
    expected = nn.functional.linear(rounded, (exact.weight / scale).round() * scale, exact.bias)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert 0 < (found - exact(x)).abs().max() < 0.02 * exact(x).abs().max()


def test_zeros_stay_zeros_and_one_sided_inputs_fit() -> None:
    exact = layer(bias=False)
    assert torch.equal(Int8Linear(exact)(torch.zeros(2, 33)), torch.zeros(2, 17))
    for x in (torch.rand(3, 33) + 5, -torch.rand(3, 33) - 5):
        torch.testing.assert_close(Int8Linear(exact)(x), exact(x), rtol=0.05, atol=0.2)


def test_what_has_no_scale() -> None:
    rounded = Int8Linear(layer())
    assert rounded(torch.zeros(0, 33)).shape == (0, 17)
    assert rounded(torch.tensor([[float("inf")] * 33])).isnan().all()
    assert rounded(torch.tensor([[float("nan")] * 33])).isnan().all()


def test_dense_layers_alone_are_replaced() -> None:
    module = nn.Sequential(layer(), nn.LayerNorm(17), nn.Sequential(nn.Linear(17, 2)))
    assert to_int8(module) == 2
    assert [type(part).__name__ for part in module] == ["Int8Linear", "LayerNorm", "Sequential"]
    assert isinstance(module[2][0], Int8Linear)
    assert to_int8(module) == 0
