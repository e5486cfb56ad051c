"""The explicit graph: the same nodes as the recorded one, computed when it is run."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.counters import count
from sonde.scratch.graph import Graph, parse, symbol
from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor, maximum


def squared_error() -> Graph:
    x, w, y = symbol("x"), symbol("w"), symbol("y")
    return Graph((x @ w - y) ** 2)


def test_declare_build_bind_run() -> None:
    """z = (⟨x, w⟩ − y)², ∂z/∂w = 2 (⟨x, w⟩ − y) xᵀ."""
    graph = squared_error()
    assert graph.symbols == ("x", "w", "y")
    w = Tensor(np.array([1.0, -1.0, 2.0]), requires_grad=True)
    x = np.array([1.0, 2.0, 3.0])
    z = graph.bind({"x": x, "y": 2.0}).run({"w": w})
    assert z.item() == 9
    z.backward()
    assert w.grad is not None and np.array_equal(w.grad, 2 * 3 * x)


def test_both_graphs_are_the_same_nodes() -> None:
    def f(a: Tensor, b: Tensor) -> Tensor:
        return (maximum(a @ b, 0.5).tanh() * 2 + b.T[0]).exp().mean()

    rng = np.random.default_rng(0)
    a, b = (Tensor(rng.normal(size=(3, 3)).astype(np.float32), requires_grad=True) for _ in range(2))
    recorded = f(a, b)
    run = Graph(f(symbol("a"), symbol("b"))).run({"a": a, "b": b})
    assert recorded.item() == run.item() and run.dtype == np.float32  # the numbers 0.5 and 2 take the type of what they meet

    def names(node: Tensor) -> list[object]:
        return [node._op, [names(x) for x in node._inputs]]

    assert names(recorded) == names(run)


def test_what_the_result_does_not_need_is_left_out() -> None:
    x = symbol("x")
    y = x * 2
    unused = y.exp() @ y
    assert unused._op == "matmul"
    with count() as counter:
        Graph(y + 1).run({"x": np.ones(3)})
    assert counter.by_name == {"multiply": 1, "add": 1}


def test_gradients_leave_out_branches_too() -> None:
    x, w = Tensor(np.ones(3)), Tensor(np.ones(3), requires_grad=True)
    y = (x.exp() * w).sum()
    with count() as counter:
        y.backward()
    assert set(counter.by_name) == {"sum backward", "multiply backward"}  # nothing for exp: nobody asks for ∂/∂x


def test_a_graph_is_bound_many_times() -> None:
    graph = squared_error().bind({"x": np.ones(2), "y": 0.0})
    assert [graph.run({"w": np.full(2, k)}).item() for k in (1.0, 2.0)] == [4, 16]


def test_unbound_symbols_are_named() -> None:
    with pytest.raises(OperationError, match=r"run: no value for 'w', 'y', needed by matmul, subtract; bind it"):
        squared_error().run({"x": np.ones(2)})
    with pytest.raises(OperationError, match="run: no value for 'x', needed by the output"):
        Graph(symbol("x")).run()


def test_unknown_symbols_are_named() -> None:
    with pytest.raises(OperationError, match=r"no symbol 'W', only x, w, y"):
        squared_error().bind({"W": 1.0})
    with pytest.raises(OperationError, match="did you mean 'weight'"):
        Graph(symbol("weight") * 2).bind({"wieght": 1.0})
    with pytest.raises(OperationError, match="two symbols have the same name"):
        Graph(symbol("x") + symbol("x"))


def test_symbols_have_no_value_yet() -> None:
    for ask in (lambda x: x.shape, lambda x: x.data, lambda x: x.item(), lambda x: (x + 1).shape, lambda x: x > 1):
        with pytest.raises(OperationError, match="has no value until it is bound"):
            ask(symbol("x"))
    assert repr(symbol("x")) == "Tensor(symbol 'x')"


def test_shapes_that_do_not_fit_are_found_when_run() -> None:
    with pytest.raises(OperationError, match=r"matmul of shapes \(2,\) and \(3,\)"):
        squared_error().run({"x": np.ones(2), "w": np.ones(3), "y": 0.0})


def test_formulas() -> None:
    graph = Graph(parse("sum((X @ w - y) ** 2) / 2 + maximum(-a, 0) * exp(X.T[0])".replace("X.T[0]", "a")))
    assert set(graph.symbols) == {"X", "w", "y", "a"}
    values = {"X": np.eye(2), "w": np.array([1.0, 2.0]), "y": np.zeros(2), "a": -1.0}
    assert graph.run(values).item() == pytest.approx(2.5 + np.exp(-1))
    assert Graph(parse("X.T")).run({"X": np.ones((2, 3))}).shape == (3, 2)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("x +", "invalid syntax at character"),
        ("foo(x)", r"'foo\(x\)' is not understood; there are names, numbers"),
        ("x if y else z", "is not understood"),
        ("x.data", "'x.data' is not understood"),
        ("__import__('os')", "is not understood"),
    ],
)
def test_formulas_that_are_none(formula: str, message: str) -> None:
    with pytest.raises(OperationError, match=message):
        parse(formula)
