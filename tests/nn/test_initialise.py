"""First weights: their spread, and what it does to the signal of a deep network."""

from __future__ import annotations

import inspect
import itertools
import math

import pytest
import torch
from torch import nn

from sonde.nn.activation import CentredSigmoid, HardSigmoid, activation
from sonde.nn.initialise import Initialisation, initialise, variance_report

EXPECTED: dict[Initialisation, float] = {
    "normal": 0.01,
    "xavier-normal": math.sqrt(2 / 500),
    "xavier-uniform": math.sqrt(2 / 500),
    "he-normal": math.sqrt(2 / 300),
    "he-uniform": math.sqrt(2 / 300),
    "default": math.sqrt(1 / 3 / 300),
}


@pytest.mark.parametrize("how", EXPECTED)
def test_standard_deviation(how: Initialisation) -> None:
    torch.manual_seed(0)
    weight = torch.empty(200, 300)
    initialise(weight, how)
    assert weight.std().item() == pytest.approx(EXPECTED[how], rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=3 * EXPECTED[how] / 60_000**0.5 * 2)


def test_uniform_limits_and_kernels_count() -> None:
    torch.manual_seed(0)
    weight = torch.empty(200, 300)
    initialise(weight, "xavier-uniform")
    limit = math.sqrt(6 / 500)
    assert weight.abs().max().item() == pytest.approx(limit, rel=1e-3)
    kernel = torch.empty(64, 32, 3, 3)
    initialise(kernel, "xavier-normal")
    assert kernel.std().item() == pytest.approx(math.sqrt(2 / (9 * 96)), rel=0.03)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="no initialisation 'xavier'"):
        inspect.unwrap(initialise)(torch.empty(2, 2), "xavier")  # type: ignore[arg-type]


def _deep(how: Initialisation, layer: type[nn.Module] = nn.Identity, *, width: int = 100, depth: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        initialise(linear.weight, how)
        layers += [linear, layer()]
    return nn.Sequential(*layers)


def test_a_standard_deviation_of_a_hundredth_scales_the_variance_by_a_hundredth_a_layer() -> None:
    report = variance_report(_deep("normal"), torch.randn(500, 100))
    ratios = [b.forward / a.forward for a, b in itertools.pairwise(report)]
    assert sum(ratios) / len(ratios) == pytest.approx(0.01, rel=0.1)
    back = [a.backward / b.backward for a, b in itertools.pairwise(report)]
    assert sum(back) / len(back) == pytest.approx(0.01, rel=0.1)


def test_xavier_keeps_both_variances_and_he_keeps_them_through_relu() -> None:
    for model in (_deep("xavier-normal"), _deep("he-normal", nn.ReLU)):
        report = variance_report(model, torch.randn(500, 100))
        assert len(report) == 8
        for layer in report[1:]:
            assert 0.3 < layer.forward / report[0].forward < 3
            assert 0.3 < layer.backward / report[-1].backward < 5


def test_the_centred_sigmoid_keeps_what_the_sigmoid_loses() -> None:
    x = torch.randn(200, 100)
    centred, plain = (variance_report(_deep("xavier-normal", layer), x) for layer in (CentredSigmoid, nn.Sigmoid))
    assert centred[0].backward > 0.05 * centred[-1].backward
    assert plain[0].backward < 1e-6 * plain[-1].backward


def test_report_changes_nothing() -> None:
    model = _deep("normal", depth=2)
    before = model[0].weight.detach().clone()
    report = variance_report(model, torch.randn(4, 100))
    assert [layer.name for layer in report] == ["0", "2"]
    assert torch.equal(model[0].weight, before)
    assert model[0].weight.grad is None
    assert not model[0]._forward_hooks


def test_activations() -> None:
    x = torch.tensor([-3.0, -0.5, 0.0, 0.5, 3.0])
    torch.testing.assert_close(CentredSigmoid()(x), 2 * torch.tanh(x / 2))
    x.requires_grad_()
    assert torch.autograd.grad(CentredSigmoid()(x).sum(), x)[0][2].item() == 1
    assert HardSigmoid()(x).tolist() == [0, 0, 0, 0.5, 1]
    assert activation("linear")(x) is x
    for name, function in (("relu", torch.relu), ("sigmoid", torch.sigmoid), ("tanh", torch.tanh)):
        assert torch.equal(activation(name)(x), function(x))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no activation 'swish': known are relu"):
        inspect.unwrap(activation)("swish")  # type: ignore[arg-type]
