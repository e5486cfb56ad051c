"""First weights and the variances that they give each layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonde.nn.initialise import variance_report as fast_report
from sonde.scratch import initialisation as init

SHAPE = (40, 30, 5, 3)
FAN_IN, FAN_OUT = 30 * 15, 40 * 15


def test_fans_are_pytorchs() -> None:
    assert init.fans(SHAPE) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(SHAPE)) == (FAN_IN, FAN_OUT)
    assert init.fans((7, 3)) == (3, 7)
    with pytest.raises(ValueError, match=r"at least two axes.*\(4,\)"):
        init.fans((4,))


@pytest.mark.parametrize(
    ("draw", "deviation"),
    [
        (init.normal, 0.01),
        (init.xavier_normal, np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (init.he_normal, np.sqrt(2 / FAN_IN)),
        (init.xavier_uniform, np.sqrt(6 / (FAN_IN + FAN_OUT)) / np.sqrt(3)),
        (init.he_uniform, np.sqrt(6 / FAN_IN) / np.sqrt(3)),
    ],
)
def test_deviation_of_the_draws(draw, deviation: float) -> None:
    weight = draw(np.random.default_rng(0), SHAPE)
    assert weight.shape == SHAPE
    assert weight.std() == pytest.approx(deviation, rel=0.02)
    assert abs(weight.mean()) < 0.03 * deviation


def test_uniform_stays_inside_its_limit_and_fills_it() -> None:
    limit = np.sqrt(6 / (FAN_IN + FAN_OUT))
    weight = init.xavier_uniform(np.random.default_rng(0), SHAPE)
    assert 0.999 * limit < np.abs(weight).max() <= limit


def test_a_draw_is_a_function_of_the_generator() -> None:
    np.testing.assert_array_equal(init.he_normal(np.random.default_rng(5), (3, 4)), init.he_normal(np.random.default_rng(5), (3, 4)))


def _report(draw, activation: str = "identity", depth: int = 5, width: int = 100) -> list[init.LayerVariance]:
    rng = np.random.default_rng(1)
    weights = [draw(rng, (width, width)) for _ in range(depth)]
    return init.variance_report(weights, rng.standard_normal((2000, width)), rng.standard_normal((2000, width)), activation)


def test_deviation_0_01_at_width_100_scales_the_variance_by_0_01_a_layer() -> None:
    report = _report(init.normal)
    for step, layer in enumerate(report, start=1):
        assert layer.forward == pytest.approx(0.01**step, rel=0.2)
    for step, layer in enumerate(reversed(report)):
        assert layer.backward == pytest.approx(0.01**step, rel=0.2)


def test_xavier_keeps_both_variances_near_one_and_he_does_so_through_relu() -> None:
    for draw, activation in ((init.xavier_normal, "identity"), (init.xavier_uniform, "identity"), (init.xavier_normal, "centred-sigmoid")):
        for layer in _report(draw, activation):
            assert 0.15 < layer.forward < 1.5 and 0.15 < layer.backward < 1.5
    for layer in _report(init.he_normal, "relu"):
        assert 0.7 < layer.forward < 2.8


def test_sigmoid_loses_the_gradient_that_the_centred_sigmoid_keeps() -> None:
    assert _report(init.xavier_normal, "sigmoid")[0].backward < 1e-4 < 0.1 < _report(init.xavier_normal, "centred-sigmoid")[0].backward


def test_centred_sigmoid_is_four_sigmoids_less_two() -> None:
    z = np.linspace(-40, 40, 81)
    value, slope = init.ACTIVATIONS["centred-sigmoid"]
    np.testing.assert_allclose(value(z), 4 / (1 + np.exp(-z)) - 2, atol=1e-12)
    assert slope(np.zeros(1)) == 1


@pytest.mark.parametrize("activation", sorted(init.ACTIVATIONS))
def test_slopes_agree_with_differences(activation: str) -> None:
    value, slope = init.ACTIVATIONS[activation]
    z = np.linspace(-5, 5, 24)  # not at 0, the corner of ReLU
    np.testing.assert_allclose(slope(z), (value(z + 1e-6) - value(z - 1e-6)) / 2e-6, atol=1e-8)


@pytest.mark.parametrize(("activation", "module"), [("identity", torch.nn.Identity), ("relu", torch.nn.ReLU), ("tanh", torch.nn.Tanh)])
def test_report_agrees_with_the_one_of_fast_models(activation: str, module) -> None:
    layers = [torch.nn.Linear(n_in, n_out, bias=False, dtype=torch.float64) for n_in, n_out in ((7, 9), (9, 4), (4, 5))]
    x = torch.randn(11, 7, dtype=torch.float64)
    torch.manual_seed(3)
    fast = fast_report(torch.nn.Sequential(layers[0], module(), layers[1], module(), layers[2]), x)
    torch.manual_seed(3)
    gradient = torch.randn(11, 5, dtype=torch.float64)
    mine = init.variance_report([layer.weight.detach().numpy() for layer in layers], x.numpy(), gradient.numpy(), activation)
    for one, other in zip(fast, mine, strict=True):
        assert one.forward == pytest.approx(other.forward, rel=1e-10)
        assert one.backward == pytest.approx(other.backward, rel=1e-10)


def test_unknown_activation() -> None:
    with pytest.raises(ValueError, match=r"no activation 'swish', only identity, relu"):
        init.variance_report([np.eye(2)], np.eye(2), np.eye(2), "swish")
