"""Optimisers against their formulas, and the facts of gradient descent on a parabola."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sonde.errors import RecipeError
from sonde.optim import optimizers
from sonde.optim.clip import clip


def _scalar(theta: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, theta)
    return model


def _descend(theta: float, *, lr: float, steps: int, x: float = 2.0, t: float = 8.0) -> tuple[list[float], list[float]]:
    """Gradient descent on ½(t − θx)²: the θ passed, and the losses at each but the last."""
    model = _scalar(theta)
    optimizer = optimizers.build("sgd", model, lr=lr)
    path, losses = [theta], []
    for _ in range(steps):
        loss = (t - model(torch.tensor([[x]], dtype=torch.float64))).square().sum() / 2
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        path.append(model.weight.item())
    return path, losses


def test_gradient_descent_on_a_parabola() -> None:
    path, losses = _descend(3, lr=1.0, steps=3)
    assert path == [3, 7, -5, 31]
    assert losses == [2, 18, 162]
    assert _descend(3, lr=0.25, steps=2)[0] == [3, 4, 4]
    assert _descend(3, lr=0.5, steps=4)[0] == [3, 5, 3, 5, 3]


@pytest.mark.parametrize("x", [0.5, 2.0, 3.0])
def test_diverges_just_above_two_over_x_squared(x: float) -> None:
    limit = 2 / x**2
    below, above = (_descend(3, lr=lr, steps=400, x=x)[1] for lr in (0.98 * limit, 1.02 * limit))
    assert below[-1] < 1e-3 * below[0]
    assert above[-1] > 1e3 * above[0]


def test_loss_falls_by_rate_times_squared_gradient_for_small_rates() -> None:
    model = _scalar(3)
    losses = _descend(3, lr=1e-6, steps=2)[1]
    gradient = -(8 - 3 * 2.0) * 2
    assert losses[1] - losses[0] == pytest.approx(-1e-6 * gradient**2, rel=1e-4)
    assert model.weight.item() == 3


def test_stops_where_the_gradient_is_small() -> None:
    model = _scalar(3)
    optimizer = optimizers.build("sgd", model, lr=0.05)
    for _ in range(1000):
        optimizer.zero_grad()
        ((8 - 2 * model.weight).square().sum() / 2).backward()
        if clip(model.parameters(), limit=1e9) <= 1e-6:
            break
        optimizer.step()
    assert model.weight.item() == pytest.approx(4, abs=1e-6)


def test_gradient_of_minibatches_is_unbiased() -> None:
    x = torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.randn(12, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = nn.Linear(3, 1).double()

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        loss = (model(x[rows]) - y[rows]).square().mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])

    pairs = torch.combinations(torch.arange(12), 2)
    torch.testing.assert_close(torch.stack([gradient(pair) for pair in pairs]).mean(0), gradient(torch.arange(12)))


def _steps(name: str, *, weight_decay: float = 0.0, momentum: float = 0.9, decay_bias: bool = False, steps: int = 3) -> nn.Linear:
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    optimizer = optimizers.build(name, model, lr=0.1, momentum=momentum, weight_decay=weight_decay, decay_bias=decay_bias)
    for step in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.5 + step)
        optimizer.step()
    return model


def _start() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2).double()


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_weight_decay_shrinks_weights_and_leaves_biases(name: str) -> None:
    start, end = _start(), _steps(name, weight_decay=0.2, steps=1)
    torch.testing.assert_close(end.weight, (1 - 0.1 * 0.2) * start.weight - 0.1 * 0.5)
    torch.testing.assert_close(end.bias, start.bias - 0.1 * 0.5)
    both = _steps(name, weight_decay=0.2, steps=1, decay_bias=True)
    torch.testing.assert_close(both.bias, (1 - 0.1 * 0.2) * start.bias - 0.1 * 0.5)


def test_momentum() -> None:
    weight, velocity = _start().weight.detach(), 0.0
    for gradient in (0.5, 1.5, 2.5):
        velocity = 0.8 * velocity + gradient
        weight = weight - 0.1 * velocity
    torch.testing.assert_close(_steps("momentum", momentum=0.8).weight.detach(), weight)


def test_nesterov_steps_along_where_the_velocity_is_going() -> None:
    weight, velocity = _start().weight.detach(), 0.0
    for gradient in (0.5, 1.5, 2.5):
        velocity = 0.8 * velocity + gradient
        weight = weight - 0.1 * (gradient + 0.8 * velocity)
    torch.testing.assert_close(_steps("nesterov", momentum=0.8).weight.detach(), weight)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_with_bias_correction(name: str) -> None:
    weight = _start().weight.detach()
    m = v = torch.zeros_like(weight)
    for t, gradient in enumerate((0.5, 1.5, 2.5), start=1):
        g = gradient + (0.2 * weight if name == "adam" else 0)
        if name == "adamw":
            weight = (1 - 0.1 * 0.2) * weight
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        weight = weight - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    torch.testing.assert_close(_steps(name, weight_decay=0.2).weight.detach(), weight)


def test_groups_name_what_decays() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    model[2].bias.requires_grad_(False)
    decayed, left = optimizers.decay_groups(model, weight_decay=0.1)
    assert decayed["names"] == ["0.weight", "2.weight"]
    assert left["names"] == ["0.bias", "1.weight", "1.bias"]
    assert (decayed["weight_decay"], left["weight_decay"]) == (0.1, 0.0)


def test_biases_learn_at_a_rate_of_their_own() -> None:
    model = nn.Linear(2, 2)
    start = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = optimizers.build("sgd", model, lr=0.1, bias_lr=64.0)
    assert [(group["lr"], group["scale"]) for group in optimizer.param_groups] == [(0.1, 1.0), (6.4, 64.0)]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), start["weight"] - 0.1)
    torch.testing.assert_close(model.bias.detach(), start["bias"] - 6.4)


def test_unknown_names_and_models_without_parameters() -> None:
    with pytest.raises(RecipeError, match=r"no optimiser 'adan'\n.*did you mean 'adam'"):
        optimizers.build("adan", _scalar(1), lr=1.0)
    with pytest.raises(RecipeError, match="no parameters to train"):
        optimizers.build("sgd", nn.ReLU(), lr=1.0)
