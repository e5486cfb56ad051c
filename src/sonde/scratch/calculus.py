"""Derivatives three ways (by symbols, by numbers, by recorded operations), and how the shape of a derivative is laid out.

In numerator layout ∂y/∂x has the axes of y first and those of x, in reverse order, after them: a row for a scalar by a
vector. For y of shape (m, l) and x of shape (n, k) it is (m, l, k, n).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sonde.scratch.tensor import Tensor

Array = npt.NDArray[Any]
Polynomial = Mapping[int, float | int]  # power → coefficient: 4x³ + x² + 3 is {3: 4, 2: 1, 0: 3}


def symbolic(polynomial: Polynomial) -> dict[int, float | int]:
    """The derivative of a polynomial by the rule (a xⁿ)′ = a n xⁿ⁻¹: {3: 4, 2: 1, 0: 3} gives {2: 12, 1: 2}."""
    return {power - 1: a * power for power, a in polynomial.items() if power}


def evaluate(polynomial: Polynomial, x: Any) -> Any:
    """Σ a xⁿ of a number, an array or a Tensor."""
    return sum((a * x**power for power, a in polynomial.items()), start=0.0 * x)


def spell(polynomial: Polynomial) -> str:
    """As it is written: "12x^2 + 2x"."""
    terms = [
        f"{'' if a == 1 and power else f'{a:g}'}{'' if not power else 'x' if power == 1 else f'x^{power}'}"
        for power, a in sorted(polynomial.items(), reverse=True)
        if a
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def numerical(f: Callable[[Array], Any], x: npt.ArrayLike, *, step: float = 1e-5) -> Array:
    """∂f/∂x in numerator layout by central differences (f(x + h) − f(x − h))/2h, whose error is O(h²); 2 calls an entry of x."""
    x = np.asarray(x, dtype=np.float64)
    moves = step * np.eye(x.size).reshape(x.size, *x.shape)
    columns = [(np.asarray(f(x + h)) - np.asarray(f(x - h))) / (2 * step) for h in moves]
    jacobian = np.stack(columns, axis=-1)
    return numerator_layout(jacobian.reshape((*jacobian.shape[:-1], *x.shape)), x.ndim)


def automatic(f: Callable[[Tensor], Tensor], x: npt.ArrayLike) -> Array:
    """∂f/∂x in numerator layout by reverse accumulation, one backward pass an entry of f(x)."""
    x = np.asarray(x, dtype=np.float64)
    shape, rows = f(Tensor(x)).shape, []
    for place in np.ndindex(shape):
        variable, seed = Tensor(x, requires_grad=True), np.zeros(shape)
        seed[place] = 1
        f(variable).backward(seed)
        rows.append(np.zeros_like(x) if variable.grad is None else variable.grad)
    return numerator_layout(np.reshape(rows, (*shape, *x.shape)), x.ndim)


def numerator_layout(jacobian: Array, ndim: int) -> Array:
    """From axes (*y, *x), as programs have them, to (*y, *reversed x); `ndim` is that of x. Its own inverse."""
    outer = jacobian.ndim - ndim
    return np.transpose(jacobian, (*range(outer), *reversed(range(outer, jacobian.ndim))))


def shape_of(y: tuple[int, ...], x: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of ∂y/∂x in numerator layout; () is a scalar. A column (n, 1) by a scalar stays a column, by itself is (n, 1, 1, n)."""
    return (*y, *reversed(x))


def subgradient_abs(x: float | npt.ArrayLike) -> Array:
    """∂|x| = sign(x); any number in [−1, 1] would do at 0, and 0 is chosen."""
    return np.asarray(np.sign(np.asarray(x, dtype=np.float64)))


def subgradient_relu(x: float | npt.ArrayLike) -> Array:
    """∂max(x, 0) = 1 for x > 0, else 0; any number in [0, 1] would do at 0, and 0 is chosen."""
    return np.asarray(np.asarray(x) > 0, dtype=np.float64)
