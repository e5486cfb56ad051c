"""The graph made first and computed later: declare symbols, build, bind, run (Abadi et al., "TensorFlow", 2016).

    x, w = symbol("x"), symbol("w")
    graph = Graph(((x @ w) ** 2).sum())              # nothing is computed yet
    z = graph.run({"x": x_data, "w": Tensor(w_data, requires_grad=True)})
    z.backward()

The nodes are the same tensors with the same operations as those recorded while computing, only without values: running a
graph applies its operations in order, to the nodes alone that the result needs, and records as always.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sonde.scratch import record, reverse
from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor, as_tensor, maximum

FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "erf", "relu", "abs", "sum", "mean", "max")
OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.MatMult: "matmul",
}


def symbol(name: str) -> Tensor:
    """A tensor without a value: operations on it make a graph instead of a result."""
    found = Tensor.__new__(Tensor)
    record.fill(found, None, "", (), {}, False)
    found.name = name
    return found


class Graph:
    """A result, and what it takes to compute it. output: a tensor built on symbols. symbols: their names, in the order of making."""

    def __init__(self, output: Tensor) -> None:
        self.output = output
        self.nodes: list[Tensor] = reverse.history(output, only_recorded=False)
        self.symbols = tuple(node.name for node in self.nodes if not node._bound and not node._op)
        self._values: dict[str, Tensor] = {}
        if len(set(self.symbols)) < len(self.symbols):
            raise OperationError(f"graph: two symbols have the same name among {', '.join(self.symbols)}")

    def bind(self, values: Mapping[str, Any]) -> Graph:
        """The same graph with values for some of its symbols; a Tensor that asks for a gradient gets one from `backward`."""
        unknown = [name for name in values if name not in self.symbols]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.symbols, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise OperationError(f"bind: the graph has no symbol {unknown[0]!r}, only {', '.join(self.symbols) or 'none'}{hint}")
        bound = Graph(self.output)
        bound._values = {**self._values, **{n: v if isinstance(v, Tensor) else Tensor(v, name=n) for n, v in values.items()}}
        return bound

    def run(self, values: Mapping[str, Any] | None = None) -> Tensor:
        """Compute the output, recorded as ever. OperationError names the symbols that have no value and the operations that want them."""
        bound = self.bind(values or {})
        missing = [name for name in bound.symbols if name not in bound._values]
        if missing:
            users = sorted({node._op for node in bound.nodes for x in node._inputs if x.name in missing})
            raise OperationError(
                f"run: no value for {', '.join(map(repr, missing))}, needed by {', '.join(users) or 'the output'}; bind it"
            )
        done: dict[int, Tensor] = {}
        for node in bound.nodes:
            if node._bound:
                done[node._serial] = node
            elif not node._op:
                done[node._serial] = bound._values[node.name]
            else:
                inputs = _same_floats([done[x._serial] for x in node._inputs])
                done[node._serial] = Tensor.apply(node._op, tuple(inputs), node._options)
        return done[self.output._serial]


def _same_floats(inputs: list[Tensor]) -> list[Tensor]:
    """Numbers in a formula take the float type of what they meet, as they do in NumPy."""
    like = next((x for x in inputs if x.ndim and x.dtype.kind == "f"), None)
    return [as_tensor(x.item(), like) if like is not None and not x.ndim and not x.requires_grad and not x.name else x for x in inputs]


def parse(formula: str) -> Tensor:
    """A graph's output from a formula such as "sum((X @ w - y) ** 2)": names are symbols, functions are those of a Tensor."""
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise OperationError(f"formula {formula!r}: {error.msg} at character {error.offset}") from error
    return _build(tree.body, formula, {})


def _build(node: ast.AST, formula: str, symbols: dict[str, Tensor]) -> Tensor:
    if isinstance(node, ast.Name):
        return symbols.setdefault(node.id, symbol(node.id))
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return Tensor(np.asarray(float(node.value)))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return Tensor.apply(OPERATORS[type(node.op)], (_build(node.left, formula, symbols), _build(node.right, formula, symbols)), {})
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_build(node.operand, formula, symbols)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return _build(node.value, formula, symbols).T
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        arguments = [_build(argument, formula, symbols) for argument in node.args]
        if node.func.id in FUNCTIONS and len(arguments) == 1:
            return Tensor.apply(node.func.id, (arguments[0],), {})
        if node.func.id == "maximum" and len(arguments) == 2:
            return maximum(*arguments)
    raise OperationError(
        f"formula {formula!r}: {ast.unparse(node)!r} is not understood; there are names, numbers, + - * / ** @, .T, "
        f"maximum(a, b), and of one argument {', '.join(FUNCTIONS)}"
    )
