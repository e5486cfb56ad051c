"""`sonde verify --graph EXPRESSION`: an expression in numbers, vectors and names, computed, differentiated and drawn.

Read with Python's own parser and walked node by node: names, numbers, + − * / ** @, unary −, and the functions below. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sonde.errors import UsageError, did_you_mean
from sonde.scratch.draw import svg
from sonde.scratch.tensor import Tensor

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "exp": Tensor.exp,
    "log": Tensor.log,
    "sqrt": Tensor.sqrt,
    "tanh": Tensor.tanh,
    "sigmoid": Tensor.sigmoid,
    "relu": Tensor.relu,
    "abs": Tensor.abs,
}
OPERATORS: dict[type[ast.operator], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.MatMult: lambda a, b: a @ b,
}
REMEDY = "write names, numbers, + - * / ** @ and " + ", ".join(FUNCTIONS)


@dataclass(frozen=True)
class Drawn:
    """The picture, the value, and the gradient of each name, as plain numbers and lists."""

    svg: str
    value: object
    gradients: dict[str, object]


def values(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """`("x=2", "w=1,0.5")` as arrays: one number has no axes, several make a vector. UsageError for anything else."""
    found = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            read = [float(number) for number in numbers.split(",")]
        except ValueError:
            raise UsageError(f"{text!r} is not a name and its numbers", where="--at", remedy="write --at x=2, or --at w=1,0.5") from None
        found[name.strip()] = np.array(read[0] if len(read) == 1 else read)
    return found


def draw(expression: str, at: Mapping[str, np.ndarray]) -> Drawn:
    """Compute the expression with the values `at` (names without one are 1), go back from it, and draw the graph."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"the expression ends or breaks at character {error.offset}: {expression!r}", where="--graph", remedy=REMEDY) from None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - FUNCTIONS.keys()
    for name in at:
        if name not in names:
            raise UsageError(f"the expression has no {name!r}", where="--at", remedy=did_you_mean(name, sorted(names)))
    leaves = {name: Tensor(at.get(name, np.array(1.0)), requires_grad=True, name=name) for name in sorted(names)}
    try:
        result = _walk(tree, leaves)
        result.backward()
    except ValueError as error:
        raise UsageError(str(error), where="--graph", remedy="the result must be one number: put sum(…) around it, and give values that fit") from None
    gradients: dict[str, object] = {name: None if leaf.grad is None else leaf.grad.tolist() for name, leaf in leaves.items()}
    return Drawn(svg(result), result.data.tolist(), gradients)


def _walk(node: ast.expr, leaves: Mapping[str, Tensor]) -> Tensor:
    if isinstance(node, ast.Name) and node.id in leaves:
        return leaves[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return Tensor(float(node.value))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_walk(node.left, leaves), _walk(node.right, leaves))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _walk(node.operand, leaves)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        name = node.func.id
        if name not in FUNCTIONS:
            raise UsageError(f"there is no function {name!r}", where="--graph", remedy=did_you_mean(name, FUNCTIONS))
        return FUNCTIONS[name](_walk(node.args[0], leaves))
    raise UsageError(f"{ast.unparse(node)!r} cannot stand in an expression", where="--graph", remedy=REMEDY)
