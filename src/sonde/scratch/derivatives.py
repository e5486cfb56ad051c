"""Derivatives of whole functions: Jacobian, Hessian-vector product, and the numerical check of both.

Numerator layout throughout: J[i…, j…] = ∂y[i…]/∂x[j…], of shape (*y.shape, *x.shape), so that a scalar's derivative has the
shape of x. A function takes Tensors and gives one Tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor, gradients, no_record

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Tensor]


def jvp(f: Function, x: Sequence[Array], directions: Sequence[Array]) -> tuple[Array, Array]:
    """f(x) and J ẋ for all directions in one forward pass: ẋ (directions, *x.shape) for each x → (directions, *y.shape)."""
    with no_record():
        y = f(*(Tensor(a, tangent=t) for a, t in zip(x, directions, strict=True)))
    tangent = y.tangent if y.tangent is not None else np.zeros((len(directions[0]), *y.shape), y.dtype)
    return y.data, tangent


def forward_jacobian(f: Function, x: Array) -> Array:
    """J of one argument by forward accumulation: a direction for each element of x. Cheap for few inputs."""
    x = np.asarray(x)
    y, tangents = jvp(f, [x], [np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)])
    return np.moveaxis(tangents, 0, -1).reshape((*y.shape, *x.shape))


def jacobian(f: Function, x: Array) -> Array:
    """J of one argument by reverse accumulation: a backward pass for each element of y. Cheap for few outputs."""
    leaf = Tensor(np.asarray(x), requires_grad=True)
    y = f(leaf)
    if not y.requires_grad:
        return np.zeros((*y.shape, *leaf.shape), leaf.dtype)
    rows = [gradients(y, [leaf], g.reshape(y.shape))[0].data for g in np.eye(y.size, dtype=y.dtype)]
    return np.reshape(rows, (*y.shape, *leaf.shape))


def hessian_vector(f: Function, x: Array, v: Array) -> Array:
    """H v = ∂⟨∇f(x), v⟩/∂x for a scalar f, without the matrix (Pearlmutter, "Fast exact multiplication by the Hessian", 1994)."""
    leaf = Tensor(np.asarray(x), requires_grad=True)
    y = f(leaf)
    if y.size != 1:
        raise OperationError(f"hessian_vector: f gives shape {y.shape}, but only a scalar has a Hessian")
    (gradient,) = gradients(y, [leaf], again=True)
    slope = (gradient * v).sum()
    return gradients(slope, [leaf])[0].data if slope.requires_grad else np.zeros_like(leaf.data)


def numerical_jacobian(f: Function, x: Sequence[Array], *, step: float = 1e-5) -> list[Array]:
    """[J for each x] from central differences (f(x + h) − f(x − h)) / 2h, whose error is O(h²); in float64."""
    found = []
    for k, a in enumerate(x):
        base, columns = np.asarray(a, np.float64), []
        for place in np.ndindex(base.shape):
            sides = []
            for sign in (1, -1):
                moved = base.copy()
                moved[place] += sign * step
                sides.append(f(*(Tensor(moved if i == k else np.asarray(b, np.float64), requires_grad=True) for i, b in enumerate(x))).data)
            columns.append((sides[0] - sides[1]) / (2 * step))
        shape = columns[0].shape if columns else f(*map(Tensor, x)).shape
        found.append(np.stack(columns, axis=-1).reshape((*shape, *base.shape)) if columns else np.zeros((*shape, *base.shape)))
    return found


def check(f: Function, x: Sequence[Array], *, step: float = 1e-5) -> float:
    """The largest relative difference between the recorded and the numerical derivatives, over all arguments.

    |J − Ĵ| / max(1, |Ĵ|): below 1e-7 where f is smooth and the backward rules are right.
    """
    worst = 0.0
    for k, expected in enumerate(numerical_jacobian(f, x, step=step)):
        constant = [Tensor(np.asarray(a, np.float64)) for a in x]

        def one(t: Tensor, k: int = k, constant: list[Tensor] = constant) -> Tensor:
            return f(*constant[:k], t, *constant[k + 1 :])

        found = jacobian(one, np.asarray(x[k], np.float64))
        worst = max(worst, float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(initial=0)))
    return worst
