"""Forward accumulation with dual numbers x + ẋε, ε² = 0 (Clifford 1873; Wengert 1964): f(x + ẋε) = f(x) + J ẋ ε.

A Tensor may carry tangents ẋ of shape (directions, *shape), so that one pass takes all directions at once. Most forward
rules follow from the table of rules.py:

    elementwise   the Jacobian is diagonal, so J ẋ = Jᵀ ẋ: the backward rule with ẋ in the place of g
    linear        f(x)˙ = f(ẋ)
    product       f(a, b)˙ = f(ȧ, b) + f(a, ḃ)

and rows of another kind bring their own. Nothing is kept from one operation to the next: memory O(1) in the depth.
"""

from __future__ import annotations

import functools
import operator
import string
from typing import Any

import numpy as np

from sonde.scratch.row import Array, OperationError, Options
from sonde.scratch.rules import ROWS

Tangent = np.ndarray[Any, np.dtype[Any]] | None  # (directions, *shape of the value); None stands for zero


def push(name: str, inputs: tuple[Array, ...], tangents: tuple[Tangent, ...], output: Array, options: Options) -> Array:
    """The tangents of an operation's output, (directions, *output.shape), from the tangents of its inputs."""
    row = ROWS[name]
    directions = next(len(t) for t in tangents if t is not None)
    if row.tangent is not None:
        return row.tangent(inputs, tangents, output, options)
    if row.kind == "elementwise":
        return _elementwise(name, inputs, tangents, output, options)
    if row.kind == "linear":
        whole = [np.zeros((directions, *x.shape), x.dtype) if t is None else t for x, t in zip(inputs, tangents, strict=True)]
        lifted = row.lift(options, inputs[0].ndim, directions) if row.lift else None
        if lifted is None:
            return np.stack([row.forward(*(np.asarray(t[k]) for t in whole), **options) for k in range(directions)])
        return row.forward(*whole, **lifted)
    if row.kind == "product":
        parts = [_product(name, inputs, k, t, options) for k, t in enumerate(tangents) if t is not None]
        return functools.reduce(operator.add, parts)
    raise OperationError(f"{name}: no forward rule in the table; differentiate backward here")


def _elementwise(name: str, inputs: tuple[Array, ...], tangents: tuple[Tangent, ...], output: Array, options: Options) -> Array:
    total = np.zeros((), output.dtype)
    for k, t in enumerate(tangents):
        if t is not None:
            need = tuple(i == k for i in range(len(inputs)))
            total = total + ROWS[name].backward(_align(t, output.ndim), inputs, output, need, options)[k]
    directions = next(len(t) for t in tangents if t is not None)
    return np.broadcast_to(total, (directions, *output.shape))


def _product(name: str, inputs: tuple[Array, ...], k: int, t: Array, options: Options) -> Array:
    """The operation with input k replaced by its tangents."""
    if name == "einsum":
        left, result = options["subscripts"].replace(" ", "").split("->")
        free = next(letter for letter in string.ascii_letters if letter not in left)
        letters = [free + part if i == k else part for i, part in enumerate(left.split(","))]
        subscripts = f"{','.join(letters)}->{free}{result}"
        return ROWS[name].forward(*inputs[:k], t, *inputs[k + 1 :], subscripts=subscripts)
    a, b = inputs  # matmul: a vector is a row on the left, a column on the right, and its axis is dropped again
    left, right = (t, b) if k == 0 else (a, t)
    left = left[..., None, :] if a.ndim == 1 else left
    right = right[..., None] if b.ndim == 1 else right
    if k == 0:
        left = _align(left, max(left.ndim - 1, right.ndim))
    else:
        right = _align(right, max(left.ndim, right.ndim - 1))
    product = left @ right
    product = product[..., 0] if b.ndim == 1 else product
    return product.squeeze(-2 if b.ndim > 1 else -1) if a.ndim == 1 else product


def _align(t: Array, ndim: int) -> Array:
    """(directions, *shape) with ones between, so that it broadcasts as an array of ndim axes does."""
    return t.reshape(len(t), *(1,) * (ndim + 1 - t.ndim), *t.shape[1:])
