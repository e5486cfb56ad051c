"""`sonde verify --graph EXPRESSION`: a formula in names, numbers and functions, computed, differentiated and drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sonde.errors import UsageError
from sonde.scratch.draw import svg
from sonde.scratch.graph import Graph, parse
from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor


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
        graph = Graph(parse(expression))
        wanted = {name: at.get(name, np.array(1.0)) for name in {*graph.symbols, *at}}
        leaves = {name: Tensor(value, requires_grad=True, name=name) for name, value in sorted(wanted.items())}
        result = graph.run(leaves)
        if leaves:
            result.backward()
    except OperationError as error:
        remedy = "the result is one number (put sum(…) around it), of values that fit: --at x=2 --at w=1,0.5"
        if str(error).startswith("formula"):
            remedy = "mend the formula, and put it in quotes, as the shell reads * and ( itself"
        raise UsageError(str(error), where="--graph", remedy=remedy) from None
    except ValueError as error:  # NumPy's own word on shapes
        raise UsageError(str(error), where="--graph", remedy="give values that fit: --at x=2 --at w=1,0.5") from None
    gradients: dict[str, object] = {name: None if leaf.grad is None else leaf.grad.tolist() for name, leaf in leaves.items()}
    return Drawn(svg(result), result.data.tolist(), gradients)
