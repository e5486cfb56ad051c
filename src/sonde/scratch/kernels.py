"""Value rules on plain arrays that NumPy does not have: what the table in rules.py calls. Shapes in, shapes out, no gradients here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray; NumPy makes scalars of 0-d results


def behind(axis: Any, ndim: int) -> Any:
    """Axes counted from the end, so that one more axis in front changes nothing; None becomes all of them."""
    if axis is None:
        return tuple(range(-ndim, 0))
    return (axis - ndim if axis >= 0 else axis) if isinstance(axis, int) else tuple(a - ndim if a >= 0 else a for a in axis)


def dense(x: Array, w: Array, *bias: Array) -> Array:
    """The sums y = x Wᵀ + b, one product for all rows whatever the axes in front; b is added where the product lies."""
    y = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ w.T
    for b in bias:
        y = np.add(y, b, out=y if b.dtype == y.dtype else None)
    return y.reshape(*x.shape[:-1], len(w))


def log_softmax(x: Array) -> Array:
    """Along the last axis, xᵢ − ln Σⱼ exp xⱼ; the largest is subtracted first, so that no exponential overflows."""
    shifted = x - x.max(axis=-1, keepdims=True, initial=np.finfo(x.dtype).min)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ), from e^(−|x|), which cannot overflow."""
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z).astype(z.dtype, copy=False) / (1 + z)


def erf(x: Array) -> Array:
    """The error function, 2/√π ∫₀ˣ e^(−t²) dt, number by number from the C library, as NumPy has none."""
    return np.array([math.erf(number) for number in x.ravel()], dtype=x.dtype).reshape(x.shape)


def power(x: Array, p: Array) -> Array:
    """xᵖ; squares, the common case, without the general routine."""
    return np.square(x) if p.ndim == 0 and p == 2 else np.power(x, p)


def largest(x: Array, axis: Any = None, keepdims: bool = False, ties: str = "first") -> Array:
    """The largest along the axes; `ties` matters to the gradient alone."""
    return x.max(axis=axis, keepdims=keepdims)


def max_share(x: Array, axis: Any, ties: str) -> Array:
    """∂ max(x) / ∂x over the axes: the share of each place, (shape of x), summing to 1 over the axes."""
    if ties != "first":
        equal = x == x.max(axis=axis, keepdims=True)
        return equal.astype(x.dtype) / equal.sum(axis=axis, keepdims=True, dtype=x.dtype)
    axes = sorted(a % x.ndim for a in (range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis))
    moved = np.moveaxis(x, axes, range(len(axes)))  # the places that compete in front
    places = moved.reshape(math.prod(moved.shape[: len(axes)]), *moved.shape[len(axes) :])
    if len(places) <= 32:  # as in pooling: one pass a place is far faster than argmax over a short axis
        share, largest = np.empty_like(places), places.max(axis=0)
        free = np.ones(largest.shape, bool)
        for place, value in enumerate(places):
            first = (value == largest) & free
            share[place], free = first, free ^ first
    else:
        share = np.zeros_like(places)
        np.put_along_axis(share, places.argmax(axis=0)[None], 1, axis=0)
    return np.moveaxis(share.reshape(moved.shape), range(len(axes)), axes)


def einsum(*operands: Array, subscripts: str) -> Array:
    """numpy.einsum, by matrix products where it can be."""
    return np.einsum(subscripts, *operands, optimize=len(operands) > 1)


def is_basic(index: Any) -> bool:
    """Whether an index is of slices, integers, None and ... alone: it then reaches each place at most once, as a view."""
    return all(
        part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))
        for part in (index if isinstance(index, tuple) else (index,))
    )


def put(g: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """The adjoint of x[index]: zeros of `shape` with g added at the places that the index reaches."""
    out = np.zeros(shape, g.dtype)
    if is_basic(index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


def write(x: Array, v: Array, index: Any) -> Array:
    """A copy of x with v at the places that the index reaches."""
    out = x.copy()
    out[index] = v
    return out


def scatter(g: Array, index: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """The adjoint of take: rows of g added where they were taken, sorted first so that equal indices stand together."""
    axis %= len(shape)
    flat = (np.asarray(index) % max(shape[axis], 1)).reshape(-1)
    rows = np.moveaxis(g.reshape(*shape[:axis], flat.size, *shape[axis + 1 :]), axis, 0)
    out = np.zeros((shape[axis], *rows.shape[1:]), g.dtype)
    if flat.size and out.size:
        order = np.argsort(flat, kind="stable")
        places, starts = np.unique(flat[order], return_index=True)
        out[places] = np.add.reduceat(rows[order], starts, axis=0)
    return np.moveaxis(out, 0, axis)


def windows(x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """Sliding windows over the last axes: (…, n) → (…, ⌊(n − d(k−1) − 1)/s⌋ + 1, k), a view that copies nothing."""
    n = len(kernel)
    sizes, steps = x.shape[x.ndim - n :], x.strides[x.ndim - n :]
    out = tuple((m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(sizes, kernel, stride, dilation, strict=True))
    if min(out) < 1:
        raise ValueError(f"no window of {kernel} with dilation {dilation} fits in {sizes}")
    strides = tuple(b * s for b, s in zip(steps, stride, strict=True)) + tuple(b * d for b, d in zip(steps, dilation, strict=True))
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[: x.ndim - n], *out, *kernel), (*x.strides[: x.ndim - n], *strides), writeable=False
    )


def fold(g: Array, shape: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """The adjoint of windows: every window added back where it was cut, one kernel position after the other."""
    out = np.zeros(shape, g.dtype)
    sizes = g.shape[g.ndim - 2 * len(kernel) : g.ndim - len(kernel)]
    for place in np.ndindex(*kernel):
        cut: Any = tuple(slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in zip(place, dilation, stride, sizes, strict=True))
        out[..., *cut] += g[..., *place]
    return out


def inner(widths: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Where an array of this shape lies inside its padded self."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


def pad(x: Array, widths: Sequence[tuple[int, int]], value: int | float = 0) -> Array:
    """X with (before, after) more places of `value` along each axis."""
    out = np.full([n + sum(width) for n, width in zip(x.shape, widths, strict=True)], value, x.dtype)
    out[inner(widths, x.shape)] = x
    return out
