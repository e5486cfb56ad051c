"""The report of scales and the layer it names."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.scale import LayerScale, diagnose, layer_scales


def _deep(gain: float, *, depth: int = 100, width: int = 16) -> nn.Sequential:
    """Layers that multiply by `gain`."""
    layers = [nn.Linear(width, width, bias=False) for _ in range(depth)]
    for layer in layers:
        layer.weight.data = gain * torch.eye(width)
    return nn.Sequential(*layers)


def _scales(model: nn.Module, x: torch.Tensor) -> list[LayerScale]:
    return layer_scales(model, lambda: model(x).sum(1).mean())


def test_a_hundred_layers_explode_and_vanish_as_powers() -> None:
    x = torch.ones(4, 16)
    exploding = _scales(_deep(1.5), x)
    assert exploding[-1].activation == pytest.approx(1.5**100, rel=1e-3)
    assert math.pow(1.5, 100) == pytest.approx(4.0656e17, rel=1e-4)
    vanishing = _scales(_deep(0.8), x)
    assert vanishing[-1].activation == pytest.approx(0.8**100, rel=1e-3)
    assert math.pow(0.8, 100) == pytest.approx(2.0370e-10, rel=1e-4)


def test_names_the_first_layer_outside_the_band() -> None:
    x = torch.ones(4, 16)
    # 1.5^18 is the first power over 1e3 (layer 17), 0.8^62 the first under 1e-6 (layer 61).
    assert "activations explode first in layer 17 " in str(diagnose(_scales(_deep(1.5), x)))
    assert "activations vanish first in layer 61 " in str(diagnose(_scales(_deep(0.8), x)))
    assert diagnose(_scales(_deep(1.0), x)) is None


def test_names_the_layer_where_gradients_vanish_from_above() -> None:
    model = nn.Sequential(*[module for _ in range(12) for module in (nn.Linear(8, 8), nn.Sigmoid())])
    torch.manual_seed(0)
    for module in model[::2]:
        nn.init.normal_(module.weight, std=0.1)
    found = _scales(model, torch.randn(32, 8))
    first = next(layer.name for layer in reversed(found) if layer.gradient < 1e-6)
    assert f"gradients vanish first in layer {first} " in str(diagnose(found))


def test_gradients_are_those_of_an_example_whatever_the_batch() -> None:
    model, row = _deep(1.0, depth=2), torch.ones(1, 16)
    small, large = _scales(model, row), _scales(model, row.expand(64, 16))
    assert [layer.gradient for layer in small] == pytest.approx([layer.gradient for layer in large])
    assert small[-1].gradient == 1
    assert small[0].weight == 0.25


def test_not_a_number_and_weights_are_named() -> None:
    model = _deep(1.0, depth=3)
    model[1].weight.data[0, 0] = float("nan")
    assert "activations are no numbers (NaN) first in layer 1 " in str(diagnose(_scales(model, torch.ones(2, 16))))
    assert "weights explode in layer head" in str(diagnose([LayerScale("head", 1.0, 1.0, 1e4)]))


def test_a_loss_that_is_met_is_no_fault() -> None:
    assert diagnose([LayerScale("a", 1.0, 0.0, 1.0)]) is None
    assert diagnose([]) is None


def test_nothing_remains_of_a_look() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), BatchNorm(2), nn.Flatten(), Dropout(0.5), nn.Linear(8, 2))
    x = torch.randn(4, 1, 4, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    found = layer_scales(model, lambda: model(x).square().mean())
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert [layer.name for layer in found] == ["0", "1", "4"]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_works_where_a_caller_switched_gradients_off() -> None:
    model = _deep(1.0, depth=2)
    with torch.no_grad():
        assert len(_scales(model, torch.ones(2, 16))) == 2


def test_half_precision_spans_what_it_is_said_to() -> None:
    half = torch.finfo(torch.float16)
    assert (half.smallest_normal, half.max) == (pytest.approx(6.104e-5, rel=1e-4), 65504)
