"""Clipping, projection, averages and the choice of a rate."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sonde.optim import find_rate
from sonde.optim.clip import clip, gradient_norm
from sonde.optim.ema import Average
from sonde.optim.project import project


def _with_gradients(*values: list[float]) -> list[nn.Parameter]:
    parameters = [nn.Parameter(torch.zeros(len(value))) for value in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor(value)
    return parameters


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6), limit=st.floats(0.1, 50))
def test_clipping_is_min_one_theta_over_norm(values: list[float], limit: float) -> None:
    parameters = _with_gradients(values, [3.0])
    before = math.sqrt(sum(v * v for v in values) + 9)
    assert clip(parameters, limit=limit).item() == pytest.approx(before, rel=1e-5)
    expected = torch.tensor(values) * min(1, limit / before)
    assert parameters[0].grad is not None
    torch.testing.assert_close(parameters[0].grad, expected, rtol=1e-5, atol=1e-6)


def test_clipping_leaves_zero_zero_and_absent_absent() -> None:
    parameters = _with_gradients([0.0, 0.0])
    parameters.append(nn.Parameter(torch.ones(1)))
    assert clip(parameters, limit=1.0).item() == 0
    assert parameters[0].grad is not None
    assert parameters[0].grad.tolist() == [0, 0]
    assert parameters[1].grad is None
    assert gradient_norm([]).item() == 0


def test_a_gradient_that_is_no_number_is_not_hidden() -> None:
    parameters = _with_gradients([float("nan")], [1.0])
    assert clip(parameters, limit=1.0).isnan()
    assert parameters[1].grad is not None
    assert parameters[1].grad.isnan().all()


def test_projection_onto_the_ball() -> None:
    outside, inside = [nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([4.0]))], [nn.Parameter(torch.tensor([0.3]))]
    assert project(outside, radius=1.0).item() == 5
    assert [p.item() for p in outside] == pytest.approx([0.6, 0.8])
    project(inside, radius=1.0)
    assert inside[0].item() == pytest.approx(0.3)
    zero = [nn.Parameter(torch.zeros(2))]
    project(zero, radius=1.0)
    assert zero[0].tolist() == [0, 0]


def test_a_hard_bound_has_the_decay_that_equals_it() -> None:
    """The minimiser inside a ball is that of the loss with ½λ‖w‖², for one λ (its Lagrange multiplier)."""
    x = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    w = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    for _ in range(3000):
        (gradient,) = torch.autograd.grad((x @ w - y).square().mean() / 2, w)
        with torch.no_grad():
            w -= 0.1 * gradient
        project([w], radius=1.5)
    (gradient,) = torch.autograd.grad((x @ w - y).square().mean() / 2, w)
    decay = float(gradient.norm() / w.detach().norm())
    ridge = torch.linalg.solve(x.T @ x / 50 + decay * torch.eye(3, dtype=torch.float64), x.T @ y / 50)
    torch.testing.assert_close(w.detach(), ridge, rtol=1e-6, atol=1e-8)
    assert decay > 0


def test_average_follows_and_gives_back() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(model, decay=0.5)
    start = model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight += 1
    average.update(model)
    share = 1 - min(0.5, 2 / 11)
    own = model[0].weight.detach().clone()
    with average.applied(model):
        torch.testing.assert_close(model[0].weight.detach(), start + share)
    assert torch.equal(model[0].weight, own)


def test_average_goes_on_from_its_state() -> None:
    model = nn.Linear(2, 2)
    first = Average(model, decay=0.9)
    for _ in range(3):
        with torch.no_grad():
            model.weight += 1
        first.update(model)
    second = Average(nn.Linear(2, 2), decay=0.9)
    second.load(first.state())
    for average in (first, second):
        average.update(model)
    assert all(torch.equal(first.state()[name], second.state()[name]) for name in first.state())
    assert first.state()["updates"].item() == 4


def test_rates_grow_by_one_factor() -> None:
    tried = find_rate.rates(5, low=1e-4, high=1.0)
    assert tried == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert find_rate.rates(1) == [find_rate.LOWEST]


def test_chooses_a_third_of_the_rate_with_the_smallest_loss() -> None:
    tried = find_rate.rates(60, low=1e-5, high=10.0)
    losses = [1.0 + 0.3 * (math.log10(rate) + 2) ** 2 for rate in tried]  # smallest at 0.01
    assert find_rate.choose(tried, losses) == pytest.approx(0.01 / 3, rel=0.2)


def test_chooses_before_the_loss_is_no_number_and_the_least_where_it_only_rises() -> None:
    tried = find_rate.rates(20)
    assert find_rate.choose(tried, [5.0, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, math.nan, 0.0]) <= tried[7]
    assert find_rate.choose(tried, [1.0, 2.0, 3.0, 4.0]) == tried[0]
    assert find_rate.choose(tried, [math.nan]) == tried[0]
    assert find_rate.choose(tried, []) == tried[0]


def test_divergence() -> None:
    assert find_rate.diverged([1.0, math.inf])
    assert find_rate.diverged([1.0] * 10 + [1e4])
    assert not find_rate.diverged([1.0] * 10)
    assert not find_rate.diverged([])
