"""Linear regression: closed form, gradient descent, and what the closed form says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from sonde import models
from sonde.optim import optimizers


def _data(rows: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    categories = torch.randint(1, 4, (rows, 1), generator=generator)
    effect = torch.tensor([0.0, 5.0, -2.0, 1.0], dtype=torch.float64)[categories[:, 0]]
    y = numbers @ torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64) + effect + 7
    return numbers, categories, (y + 0.1 * torch.randn(rows, generator=generator, dtype=torch.float64))[:, None]


def _solved(table: dict[str, Any], batches: list[tuple[tuple[Tensor, ...], Tensor]]) -> tuple[torch.nn.Module, dict[str, Any]]:
    model = models.build("linear-regression", table).double()
    events: list[dict[str, Any]] = []
    model.finish(batches, events.append)
    (event,) = events
    return model, event


def test_closed_form_is_scikit_learns_ridge() -> None:
    numbers, _, y = _data()
    model, event = _solved({"numbers": 4, "outputs": 1, "ridge": 0.3}, [((numbers[:100],), y[:100]), ((numbers[100:],), y[100:])])
    reference = Ridge(alpha=0.3 * 300).fit(numbers.numpy(), y.numpy()[:, 0])
    np.testing.assert_allclose(model.output.linear.weight[0].detach().numpy(), reference.coef_, rtol=1e-9)
    assert model.output.linear.bias.item() == pytest.approx(reference.intercept_)
    assert (event["event"], event["name"], event["method"], event["rows"], event["rank"]) == ("model", "linear-regression", "cholesky", 300, 4)


def test_one_hot_columns_are_dependent_and_it_is_said() -> None:
    numbers, categories, y = _data()
    model, event = _solved({"numbers": 4, "categories": (4,), "outputs": 1}, [((numbers, categories), y)])
    assert (model(numbers, categories) - y).square().mean() < 0.011
    assert (event["method"], event["rank"], event["columns"]) == ("svd", 6, 8)
    assert event["message"].startswith("2 of 8 columns are constant or combinations of others")
    assert "this is usual where there are categories" in event["message"]


def test_gradient_descent_ends_where_the_closed_form_is() -> None:
    numbers, _, y = _data()
    solved, _ = _solved({"numbers": 4, "outputs": 1, "ridge": 0.1}, [((numbers,), y)])
    model = models.build("linear-regression", {"numbers": 4, "outputs": 1, "solver": "gradient"}).double()
    optimizer = optimizers.build("sgd", model, lr=0.2, weight_decay=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        ((model(numbers) - y).square().mean() / 2).backward()
        optimizer.step()
    torch.testing.assert_close(model.output.linear.weight, solved.output.linear.weight, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(model.output.linear.bias, solved.output.linear.bias, rtol=1e-8, atol=1e-10)
    before = model.output.linear.weight.detach().clone()
    model.finish([((numbers,), y)], pytest.fail)  # nothing is solved and nothing is said
    assert torch.equal(model.output.linear.weight, before)


def test_noise_on_the_inputs_is_ridge() -> None:
    """E(y − (x + ε)w)² = (y − xw)² + σ²‖w‖², so training on many noisy copies gives the ridge solution with λ = σ²."""
    numbers, _, y = _data(100)
    ridge, _ = _solved({"numbers": 4, "outputs": 1, "ridge": 0.25}, [((numbers,), y)])
    generator = torch.Generator().manual_seed(1)
    noisy = [((numbers + 0.5 * torch.randn(numbers.shape, generator=generator, dtype=torch.float64),), y) for _ in range(2000)]
    model, _ = _solved({"numbers": 4, "outputs": 1}, noisy)
    torch.testing.assert_close(model.output.linear.weight, ridge.output.linear.weight, rtol=0, atol=0.03)
    plain, _ = _solved({"numbers": 4, "outputs": 1}, [((numbers,), y)])
    assert (plain.output.linear.weight - ridge.output.linear.weight).abs().max() > 0.3


def test_several_outputs() -> None:
    numbers, _, y = _data()
    both, _ = _solved({"numbers": 4, "outputs": 2}, [((numbers,), torch.cat([y, 2 * y], dim=1))])
    torch.testing.assert_close(both.output.linear.weight[1], 2 * both.output.linear.weight[0])
