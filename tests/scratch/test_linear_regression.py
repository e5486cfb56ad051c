"""Least squares from the bottom: against the fast solver, NumPy's own, and gradient descent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonde.ops import least_squares
from sonde.scratch.linear_regression import descend, gradient, solve


def rows(n=50, columns=4, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns)) * [1, 10, 0.1, 5][:columns] + 3
    return x, x @ rng.normal(size=(columns, outputs)) + 2 + 0.1 * rng.normal(size=(n, outputs))


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_equal_to_the_fast_solver(ridge):
    x, y = rows()
    weight, bias, found = least_squares.solve(torch.tensor(x), torch.tensor(y), ridge=ridge)
    ours = solve(x, y, ridge=ridge)
    np.testing.assert_allclose(ours.weight, weight, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours.bias, bias, rtol=1e-9, atol=1e-10)
    assert (ours.rank, ours.columns, ours.rows) == (found.rank, found.columns, found.rows)


def test_recovers_an_exact_map():
    x, _ = rows()
    found = solve(x, x @ [1.0, -2.0, 3.0, 0.5] + 4.2)
    np.testing.assert_allclose(found.weight[:, 0], [1, -2, 3, 0.5], rtol=1e-9)
    np.testing.assert_allclose(found.bias, [4.2], rtol=1e-9)
    assert "solved by singular values" in found.message


def test_dependent_columns_are_said_and_solved():
    x, y = rows()
    x = np.concatenate([x, x[:, :1] * 2 - x[:, 1:2], np.full((len(x), 1), 7.0)], axis=1)
    found = solve(x, y)
    assert (found.rank, found.columns) == (4, 6)
    assert "2 of 6 columns are constant or combinations of others" in found.message
    np.testing.assert_allclose(x @ found.weight + found.bias, x[:, :4] @ solve(x[:, :4], y).weight + solve(x[:, :4], y).bias, rtol=1e-8)
    weight, _, fast = least_squares.solve(torch.tensor(x), torch.tensor(y))
    assert fast.rank == 4
    np.testing.assert_allclose(found.weight, weight, rtol=1e-7, atol=1e-9)


def test_nothing_but_constants():
    found = solve(np.ones((5, 2)), np.arange(5.0))
    assert found.rank == 0 and not found.weight.any() and found.bias == 2


def test_descent_reaches_the_closed_form():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    y = x @ [1.0, 2.0, -1.0] + 0.5
    weight, bias, losses = descend(x, y, lr=0.2, epochs=60, batch_size=16, rng=rng)
    np.testing.assert_allclose(weight, solve(x, y).weight, atol=1e-6)
    np.testing.assert_allclose(bias, [0.5], atol=1e-6)
    assert losses[-1] < 1e-10 < losses[0]


def test_the_gradient_of_a_minibatch_is_unbiased():
    x, y = rows(n=60)
    weight, bias = np.ones((4, 2)), np.zeros(2)
    whole = gradient(x, y, weight, bias)[0]
    parts = [gradient(x[i : i + 10], y[i : i + 10], weight, bias)[0] for i in range(0, 60, 10)]
    np.testing.assert_allclose(np.mean(parts, axis=0), whole, rtol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match=r"not \(3, 2\) and \(2, 1\)"):
        solve(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="needs finite numbers"):
        solve(np.array([[np.nan], [1.0]]), np.ones(2))
