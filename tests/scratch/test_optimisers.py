"""Optimisers from the bottom against those of training over 100 steps, and the facts of gradient descent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sonde.optim import clip as fast_clip
from sonde.optim import optimizers as fast
from sonde.optim import project as fast_project
from sonde.scratch import optimisers as scratch
from sonde.scratch.tensor import Tensor

MAKE = {
    "sgd": lambda decay: scratch.SGD(0.05, weight_decay=decay),
    "momentum": lambda decay: scratch.Momentum(0.05, weight_decay=decay),
    "nesterov": lambda decay: scratch.Nesterov(0.05, weight_decay=decay),
    "adam": lambda decay: scratch.Adam(0.05, weight_decay=decay),
    "adamw": lambda decay: scratch.AdamW(0.05, weight_decay=decay),
}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", MAKE)
def test_a_hundred_steps_equal_those_of_training(name, decay):
    torch.manual_seed(0)
    model = nn.Linear(4, 3, dtype=torch.float64)
    weights = {key: Tensor(p.detach().numpy().copy(), requires_grad=True) for key, p in model.named_parameters()}
    ours, theirs = MAKE[name](decay), fast.build(name, model, lr=0.05, weight_decay=decay)
    rng = np.random.default_rng(0)
    for t in range(100):
        x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
        ours.lr = theirs.param_groups[0]["lr"] = 0.05 / (1 + t / 50)  # a schedule must be followed too
        for group in theirs.param_groups:
            group["lr"] = ours.lr
        theirs.zero_grad()
        (model(torch.tensor(x)) - torch.tensor(y)).square().mean().backward()
        for w in weights.values():
            w.grad = None
        ((Tensor(x) @ weights["weight"].T + weights["bias"] - y) ** 2).mean().backward()
        fast_clip.clip(model.parameters(), limit=0.5)
        scratch.clip(weights, 0.5)
        theirs.step()
        ours.step(weights)
        fast_project.project([model.weight], radius=1.5)
        scratch.project(weights, 1.5)
        for key, p in model.named_parameters():
            np.testing.assert_allclose(weights[key].data, p.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MAKE)
def test_float32_stays_float32_and_what_has_no_gradient_stays(name):
    weights = {"a": Tensor(np.ones((2, 2), np.float32), requires_grad=True), "b": Tensor(np.ones(2, np.float32), requires_grad=True)}
    weights["a"].grad = np.ones((2, 2), np.float32)
    MAKE[name](0.1).step(weights)
    assert weights["a"].dtype == np.float32 and (weights["a"].data < 1).all() and (weights["b"].data == 1).all()


def test_weight_decay_is_for_weights():
    weights = {"weight": Tensor(np.ones((1, 2)), requires_grad=True), "bias": Tensor(np.ones(2), requires_grad=True)}
    for w in weights.values():
        w.grad = np.full_like(w.data, 0.3)
    scratch.SGD(0.1, weight_decay=0.5).step(weights)
    np.testing.assert_allclose(weights["weight"].data, (1 - 0.1 * 0.5) * 1 - 0.1 * 0.3)
    np.testing.assert_allclose(weights["bias"].data, 1 - 0.1 * 0.3)
    scratch.SGD(0.1, weight_decay=0.5, decay_bias=True).step(weights)
    np.testing.assert_allclose(weights["bias"].data, 0.95 * 0.97 - 0.03)


def slope(theta):
    """∂½(t − θx)²/∂θ for x = 2, t = 8."""
    return 2 * (2 * theta - 8)


def test_gradient_descent_on_one_number():
    path = scratch.gradient_descent(slope, 3.0, lr=1.0, steps=3)
    assert [float(w) for w in path] == [3, 7, -5, 31]
    assert [float((8 - 2 * w) ** 2 / 2) for w in path[:3]] == [2, 18, 162]
    assert [float(w) for w in scratch.gradient_descent(slope, 3.0, lr=0.25)] == [3, 4]
    assert [float(w) for w in scratch.gradient_descent(slope, 3.0, lr=0.5, steps=4)] == [3, 5, 3, 5, 3]


def test_it_diverges_above_two_over_x_squared():
    below, above = (scratch.gradient_descent(slope, 3.0, lr=lr, steps=200) for lr in (0.499, 0.501))
    assert abs(below[-1] - 4) < 1 < abs(above[-1] - 4)


def test_it_stops_where_the_gradient_is_small():
    path = scratch.gradient_descent(lambda w: 2 * w, [3.0, 4.0], lr=0.1, epsilon=1e-3)
    assert 2 * np.linalg.norm(path[-1]) <= 1e-3 < 2 * np.linalg.norm(path[-2])


def test_the_loss_falls_by_the_rate_times_the_squared_gradient():
    def loss(w):
        return (w**4).sum() + w[0] * w[1]

    def gradient(w):
        return 4 * w**3 + w[::-1]

    w, lr = np.array([1.0, -0.5]), 1e-6
    after = scratch.gradient_descent(gradient, w, lr=lr, steps=1)[-1]
    assert loss(after) - loss(w) == pytest.approx(-lr * (gradient(w) ** 2).sum(), rel=1e-4)


def test_a_start_decides_between_minima_of_a_function_that_is_not_convex():
    ends = [float(scratch.gradient_descent(lambda w: 4 * w**3 - 4 * w + 0.5, start, lr=0.05)[-1]) for start in (-1.5, 1.5)]
    values = [w**4 - 2 * w**2 + 0.5 * w for w in ends]
    assert ends[0] < -1 < 0.8 < ends[1] and values[0] < values[1]  # the global one, and one that is only local


def test_clipping():
    weights = {"a": Tensor(np.zeros((2, 1)), requires_grad=True), "b": Tensor(np.zeros(1), requires_grad=True)}
    weights["a"].grad, weights["b"].grad = np.array([[3.0], [0.0]]), np.array([4.0])
    assert scratch.clip(weights, 10.0) == 5 and weights["b"].grad == 4
    assert scratch.clip(weights, 1.0) == 5
    assert scratch.gradient_norm(weights) == pytest.approx(1) and weights["b"].grad == pytest.approx(0.8)
    for w in weights.values():
        w.grad = np.zeros_like(w.data)
    assert scratch.clip(weights, 1.0) == 0 and not weights["a"].grad.any()
    weights["a"].grad = np.full((2, 1), np.nan)
    scratch.clip(weights, 1.0)
    assert np.isnan(weights["b"].grad).all()  # noticed everywhere
