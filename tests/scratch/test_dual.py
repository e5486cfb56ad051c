"""Forward accumulation: one pass for all directions, the same derivatives as going back."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.counters import count
from sonde.scratch.derivatives import forward_jacobian, jacobian, jvp
from sonde.scratch.row import OperationError, Row
from sonde.scratch.rules import ROWS
from sonde.scratch.tensor import Tensor, concatenate, no_record, take


def test_dual_numbers_by_hand() -> None:
    """(x + ε)³ at x = 2 is 8 + 12 ε."""
    x = Tensor(np.array(2.0), tangent=np.array([1.0]))
    y = x**3
    assert y.item() == 8 and y.tangent is not None and y.tangent.tolist() == [12]


def test_all_directions_in_one_pass() -> None:
    x, directions = np.array([1.0, 2.0, 3.0]), np.eye(3)
    with count() as counter:
        _, tangents = jvp(lambda x: x * x, [x], [directions])
    assert tangents.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    assert counter.operations == 1


def test_forward_and_reverse_agree() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 3))

    def f(x: Tensor) -> Tensor:
        h = (x @ w.T).sigmoid().reshape(-1)
        return concatenate([h, take(x, np.array([1, 0, 1])).max(axis=1), x.transpose(1, 0)[0]], 0) / (1 + x.abs().sum())

    x = rng.normal(size=(2, 3))
    assert np.abs(forward_jacobian(f, x) - jacobian(f, x)).max() < 1e-14


def test_tangents_through_writes() -> None:
    def f(x: Tensor) -> Tensor:
        y = x * x
        y[0] = x[1] * 3
        y *= x
        y /= 2
        return y

    x = np.array([2.0, 5.0])
    assert np.allclose(forward_jacobian(f, x), [[7.5, 3.0], [0.0, 37.5]])
    with no_record():
        y = Tensor(np.zeros(2))
        y[0] = Tensor(np.array(1.0), tangent=np.array([4.0]))
    assert y.tangent is not None and y.tangent.tolist() == [[4, 0]]


def test_a_result_that_does_not_move() -> None:
    y, tangents = jvp(lambda x: Tensor(np.ones(2)), [np.ones(3)], [np.ones((5, 3))])
    assert y.tolist() == [1, 1] and tangents.shape == (5, 2) and not tangents.any()


def test_rows_without_a_forward_rule_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROWS, "cube", Row(lambda x: x**3, lambda g, xs, y, need, options: (3 * g * xs[0] ** 2,), reads="inputs"))
    with pytest.raises(OperationError, match="cube: no forward rule in the table"):
        forward_jacobian(lambda x: Tensor.apply("cube", (x,), {}), np.ones(2))
    assert jacobian(lambda x: Tensor.apply("cube", (x,), {}), np.ones(2)).tolist() == [[3, 0], [0, 3]]


def test_rows_that_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row by hand may keep what its backward rule wants; such a rule cannot be differentiated again."""
    row = Row(lambda x: (x**2, 2 * x), lambda g, xs, y, need, options: (g * y[1],), saves=True)
    monkeypatch.setitem(ROWS, "square", row)
    assert jacobian(lambda x: Tensor.apply("square", (x,), {}), np.array([3.0])).tolist() == [[6]]
