"""The linear layer of numbers and categories."""

from __future__ import annotations

import pytest
import torch

from sonde.nn.one_hot_linear import OneHotLinear


def test_is_a_dense_layer_on_one_hot_columns() -> None:
    torch.manual_seed(0)
    layer = OneHotLinear(3, (2, 4), 5)
    assert sum(p.numel() for p in layer.parameters()) == (3 + 2 + 4) * 5 + 5
    weight, bias = torch.randn(9, 5), torch.randn(5)
    layer.set(weight, bias)
    numbers, categories = torch.randn(7, 3), torch.stack([torch.randint(2, (7,)), torch.randint(4, (7,))], dim=1)
    design = layer.design(numbers, categories)
    assert design.shape == (7, 9)
    assert design[:, 3:].sum(1).tolist() == [2] * 7
    assert torch.equal(layer.weight(), weight)
    torch.testing.assert_close(layer(numbers, categories), design @ weight + bias)


def test_starts_at_zero_and_flattens() -> None:
    layer = OneHotLinear(12, (), 2)
    assert layer(torch.randn(4, 3, 2, 2)).abs().max() == 0
    assert "offsets" not in layer.state_dict()


def test_categories_must_be_given() -> None:
    with pytest.raises(ValueError, match="built for 2 categories and got none"):
        OneHotLinear(1, (2, 3), 1)(torch.ones(1, 1))
