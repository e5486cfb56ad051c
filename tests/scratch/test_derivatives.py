"""Whole functions: three ways to differentiate, the shape rules, and the identities of matrix calculus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sonde.scratch.counters import count
from sonde.scratch.derivatives import check, forward_jacobian, hessian_vector, jacobian, numerical_jacobian
from sonde.scratch.row import OperationError, Row
from sonde.scratch.rules import ROWS
from sonde.scratch.tensor import Tensor, concatenate, maximum

RNG = np.random.default_rng(0)
both_ways = pytest.mark.parametrize("derivative", [jacobian, forward_jacobian])
Derivative = Callable[[Callable[[Tensor], Tensor], np.ndarray], np.ndarray]


@both_ways
def test_three_ways_side_by_side(derivative: Derivative) -> None:
    """(4x³ + x² + 3)′ = 12x² + 2x."""

    def f(x: Tensor) -> Tensor:
        return 4 * x**3 + x**2 + 3

    for x in (-1.5, 0.0, 2.0):
        symbolic = 12 * x**2 + 2 * x
        (numerical,) = numerical_jacobian(f, [np.array(x)])
        assert derivative(f, np.array(x)) == pytest.approx(symbolic, rel=1e-14)
        assert numerical == pytest.approx(symbolic, abs=1e-7)


@both_ways
def test_numerator_layout(derivative: Derivative) -> None:
    """∂(x₁² + 2x₂²)/∂x = [2x₁, 4x₂], a row: the shape of x for a scalar."""
    x = np.array([3.0, 5.0])
    found = derivative(lambda x: x[0] ** 2 + 2 * x[1] ** 2, x)
    assert found.tolist() == [6, 20]


@both_ways
@pytest.mark.parametrize("y", [(), (2,), (2, 3)])
@pytest.mark.parametrize("x", [(), (4,), (4, 5)])
def test_shape_rules(derivative: Derivative, y: tuple[int, ...], x: tuple[int, ...]) -> None:
    """An (m, l) result by an (n, k) matrix has the shape (m, l, n, k): y's axes, then x's, as in NumPy and PyTorch.

    Texts that put the transposed gradient in a Jacobian write it (m, l, k, n); ours is that with its last two axes exchanged.
    """
    weights = RNG.normal(size=(*y, *x))
    axes = tuple(range(len(y), len(y) + len(x)))
    found = derivative(lambda x: (weights * x).sum(axis=axes), RNG.normal(size=x))
    assert found.shape == (*y, *x) and np.allclose(found, weights)


@both_ways
def test_identities(derivative: Derivative) -> None:
    """∂(xᵀA)/∂x = Aᵀ, ∂‖x‖²/∂x = 2xᵀ, ∂sum(x)/∂x = 1ᵀ."""
    a, x = RNG.normal(size=(3, 2)), RNG.normal(size=3)
    assert np.allclose(derivative(lambda x: x @ a, x), a.T)
    assert np.allclose(derivative(lambda x: (x * x).sum(), x), 2 * x)
    assert np.allclose(derivative(lambda x: x.sum(), x), np.ones(3))


@both_ways
def test_sub_gradients(derivative: Derivative) -> None:
    """|x| and max(x, 0) have 0 at 0; the two sides of a tie have half each."""
    x = np.array([-2.0, 0.0, 2.0])
    assert np.diag(derivative(lambda x: x.abs(), x)).tolist() == [-1, 0, 1]
    assert np.diag(derivative(lambda x: x.relu(), x)).tolist() == [0, 0, 1]
    assert np.diag(derivative(lambda x: maximum(x, 0.0), x)).tolist() == [0, 0.5, 1]


@both_ways
def test_squared_errors(derivative: Derivative) -> None:
    """z = (⟨x, w⟩ − y)²: 2 (⟨x, w⟩ − y) xᵀ; z = ‖X w − y‖²: 2 (X w − y)ᵀ X."""
    x, w, y = RNG.normal(size=3), RNG.normal(size=3), 0.7
    assert np.allclose(derivative(lambda w: (x @ w - y) ** 2, w), 2 * (x @ w - y) * x)
    many, targets = RNG.normal(size=(5, 3)), RNG.normal(size=5)
    assert np.allclose(derivative(lambda w: ((many @ w - targets) ** 2).sum(), w), 2 * (many @ w - targets) @ many)


@both_ways
def test_a_sigmoid_layer(derivative: Derivative) -> None:
    """The Jacobian of σ(W x) is diag(σ′) W."""
    w, x = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    s = 1 / (1 + np.exp(-w @ x))
    assert np.allclose(derivative(lambda x: (w @ x).sigmoid(), x), np.diag(s * (1 - s)) @ w)


def test_forward_takes_an_input_at_a_time_and_reverse_an_output() -> None:
    """The work: forward accumulation does its operations on as many tangents as there are inputs; reverse goes back once an output."""
    w = RNG.normal(size=(2, 6))
    with count() as forward:
        forward_jacobian(lambda x: x @ w.T, np.ones(6))
    with count() as back:
        jacobian(lambda x: x @ w.T, np.ones(6))
    assert forward.operations == 1
    assert back.by_name["matmul backward"] == 2


def test_hessian_vector_product() -> None:
    a = RNG.normal(size=(4, 4))
    v, x = RNG.normal(size=4), RNG.normal(size=4)

    def f(x: Tensor) -> Tensor:
        return (x @ a @ x) / 2 + (x.tanh() ** 3).sum()

    theirs = torch.autograd.functional.hessian(lambda x: (x @ torch.tensor(a) @ x) / 2 + (x.tanh() ** 3).sum(), torch.tensor(x))
    assert np.abs(hessian_vector(f, x, v) - theirs.numpy() @ v).max() < 1e-12
    assert not hessian_vector(lambda x: x.sum() * 3, x, v).any()
    with pytest.raises(OperationError, match=r"f gives shape \(4,\), but only a scalar has a Hessian"):
        hessian_vector(lambda x: x * 2, x, v)


def test_the_numerical_check_finds_a_wrong_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    x = [RNG.normal(size=(2, 3)), RNG.normal(size=3)]
    assert check(lambda a, b: (a * b).tanh() @ b, x) < 1e-8
    right = ROWS["tanh"]
    wrong = Row(right.forward, lambda g, inputs, y, need, options: (g * (1 - y),), right.kind, right.reads)
    monkeypatch.setitem(ROWS, "tanh", wrong)
    assert check(lambda a, b: (a * b).tanh() @ b, x) > 0.01


def test_functions_that_do_not_depend() -> None:
    assert jacobian(lambda x: Tensor(np.ones(2)), np.ones(3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert numerical_jacobian(lambda x: x * 1, [np.ones((0, 2))])[0].shape == (0, 2, 0, 2)
    assert jacobian(lambda x: concatenate([x, x], 0), np.ones((0, 2))).shape == (0, 2, 0, 2)
