"""B7: noise on the inputs of a linear model is ridge."""

from __future__ import annotations

import torch
from torch import nn

from sonde.nn.noise import NoisyInputs
from sonde.nn.prepared import Prepared


class AsItStands(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x,)


def test_noise_on_a_linear_model_equals_ridge() -> None:
    # E‖y − (x + ε)w‖²/n = ‖y − xw‖²/n + σ²‖w‖²: the mean gradient over many draws is that of ridge with λ = σ².
    torch.manual_seed(0)
    x, y, sigma = torch.randn(8, 3, dtype=torch.float64), torch.randn(8, 1, dtype=torch.float64), 0.5
    linear = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    model = Prepared(NoisyInputs(AsItStands(), std=sigma), linear).train()
    draws = 20_000
    loss = (model(x.repeat(draws, 1)) - y.repeat(draws, 1)).square().mean()
    (noisy,) = torch.autograd.grad(loss, linear.weight)
    ridge = (linear(x) - y).square().mean() + sigma**2 * linear.weight.square().sum()
    (expected,) = torch.autograd.grad(ridge, linear.weight)
    assert torch.allclose(noisy, expected, atol=0.02)


def test_evaluation_has_no_noise() -> None:
    x = torch.randn(4, 3)
    module = NoisyInputs(AsItStands(), std=1.0).eval()
    assert torch.equal(module(x)[0], x)
    assert not torch.equal(module.train()(x)[0], x)
