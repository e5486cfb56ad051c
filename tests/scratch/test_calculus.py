"""Three ways to a derivative, and its layout."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.calculus import (
    automatic,
    evaluate,
    numerator_layout,
    numerical,
    shape_of,
    spell,
    subgradient_abs,
    subgradient_relu,
    symbolic,
)
from sonde.scratch.tensor import Tensor, as_tensor

RNG = np.random.default_rng(0)


def test_symbols_numbers_and_records_agree():
    f = {3: 4, 2: 1, 0: 3}
    assert symbolic(f) == {2: 12, 1: 2}
    assert spell(f) == "4x^3 + x^2 + 3" and spell(symbolic(f)) == "12x^2 + 2x" and spell(symbolic({0: 5})) == "0" and spell({1: 2, 0: -3}) == "2x - 3"
    exact = evaluate(symbolic(f), 1.7)
    assert numerical(lambda x: evaluate(f, x), np.array(1.7)) == pytest.approx(exact, rel=1e-9)
    assert automatic(lambda x: evaluate(f, x).sum(), np.array([1.7])) == pytest.approx(exact, rel=1e-14)


def test_a_number_that_is_used_three_times():
    assert automatic(lambda x: 2 * x + 3 * x + 4 * x, np.array(1.7)) == 9


def test_a_scalar_by_a_vector_is_a_row():
    x = np.array([3.0, 5.0])
    row = automatic(lambda x: x[0] ** 2 + 2 * x[1] ** 2, x)
    np.testing.assert_allclose(row, [2 * 3, 4 * 5])


@pytest.mark.parametrize("y", [(), (2,), (2, 3)])
@pytest.mark.parametrize("x", [(), (4,), (4, 5)])
def test_shapes(y, x):
    outer, seed = RNG.normal(size=(int(np.prod(y)), int(np.prod(x)))), RNG.normal(size=x)

    def f(x):
        return (as_tensor(outer) @ as_tensor(x).reshape(-1)).reshape(y)

    found = automatic(f, seed)
    assert found.shape == shape_of(y, x) == (*y, *x[::-1])
    np.testing.assert_allclose(found, numerical(lambda x: f(x).data, seed), atol=1e-8)
    np.testing.assert_allclose(numerator_layout(found, len(x)), outer.reshape((*y, *x)))


def test_rules_of_matrix_calculus():
    a, x = RNG.normal(size=(3, 2)), RNG.normal(size=3)
    np.testing.assert_allclose(automatic(lambda x: x @ Tensor(a), x), a.T)
    np.testing.assert_allclose(automatic(lambda x: (x**2).sum(), x), 2 * x)
    np.testing.assert_allclose(automatic(lambda x: x.sum(), x), np.ones(3))
    w, target, rows = RNG.normal(size=3), 0.7, RNG.normal(size=(5, 3))
    np.testing.assert_allclose(automatic(lambda w: (w @ Tensor(x) - target) ** 2, w), 2 * (x @ w - target) * x)
    y = RNG.normal(size=5)
    np.testing.assert_allclose(automatic(lambda w: ((Tensor(rows) @ w - y) ** 2).sum(), w), 2 * (rows @ w - y) @ rows)


def test_the_jacobian_of_a_dense_layer():
    w, x = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    s = 1 / (1 + np.exp(-w @ x))
    np.testing.assert_allclose(automatic(lambda x: (Tensor(w) @ x).sigmoid(), x), np.diag(s * (1 - s)) @ w)


def test_what_does_not_depend_on_x_has_derivative_zero():
    np.testing.assert_array_equal(automatic(lambda x: (x * 0.0)[:1], np.ones(2)), [[0, 0]])


def test_subgradients_and_the_choice_at_zero():
    x = np.array([-2.0, 0.0, 2.0])
    np.testing.assert_array_equal(subgradient_abs(x), np.diag(automatic(lambda x: x.abs(), x)))
    np.testing.assert_array_equal(subgradient_relu(x), np.diag(automatic(lambda x: x.relu(), x)))
    assert subgradient_abs(0.0) == subgradient_relu(0.0) == 0
    a = RNG.normal(size=100)  # f(a) ≥ f(b) + s(a − b) for every a: what makes s a sub-gradient at b
    for f, rule in ((np.abs, subgradient_abs), (lambda x: np.maximum(x, 0), subgradient_relu)):
        assert all((f(a) >= f(b) + rule(b) * (a - b) - 1e-12).all() for b in np.array([-1.0, 0.0, 1.5]))
