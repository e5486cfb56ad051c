"""Operations whose windows slide over the last axes: convolution and pooling in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray
Sizes = Sequence[int]
Number = int | float
COLUMNS = 16 * 2**20  # numbers that a convolution lays out at a time


def _wide(given: Sizes, axes: int) -> list[int]:
    """One number an axis; PyTorch may give a single one for all."""
    return list(given) * axes if len(given) == 1 else list(given)


def windows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """(batch, channel, *places, *kernel), a view."""
    n = len(kernel)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    seen = sliding_window_view(x, reach, axis=tuple(range(-n, 0)))
    steps = tuple(slice(None, None, s) for s in (*stride, *dilation))
    return seen[(slice(None), slice(None), *steps)]


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Array:
    """y[b, o, p] = Σ_{c, k} w[o, c, k]·x[b, c, s·p + d·k] + bias[o]: windows as columns, then one matrix product a group.

    x (batch, channel, *size); weight (out, channel/groups, *kernel), transposed (channel, out/groups, *kernel).
    """
    n = weight.ndim - 2
    stride, padding, dilation = _wide(stride, n), _wide(padding, n), _wide(dilation, n)
    if transposed:
        y = _transposed(x, weight, stride, padding, dilation, _wide(output_padding, n), groups)
        return y if bias is None else y + bias.reshape(-1, *(1,) * n)
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    seen = windows(x, weight.shape[2:], stride, dilation)
    batch, places = x.shape[0], seen.shape[2 : 2 + n]
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    order = (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    y = np.empty((batch, weight.shape[0], *places), dtype=x.dtype)
    some = max(1, COLUMNS // max(1, math.prod(seen.shape[1:])))
    for start in range(0, batch, some):  # a few examples at a time: columns are large
        columns = seen[start : start + some].transpose(order).reshape(-1, groups, rows.shape[2], math.prod(places))
        y[start : start + some] = (rows @ columns).reshape(-1, weight.shape[0], *places)
    return y if bias is None else y + bias.reshape(-1, *(1,) * n)


def _transposed(
    x: Array, weight: Array, stride: Sizes, padding: Sizes, dilation: Sizes, output_padding: Sizes, groups: int
) -> Array:
    """Each value of x times the kernel, laid at s·p of the answer and added up: one matrix product a group, one sum a place of the kernel."""
    kernel, size, batch, channels = weight.shape[2:], x.shape[2:], x.shape[0], x.shape[1]
    rows = weight.reshape(groups, channels // groups, -1).swapaxes(1, 2)
    laid = (rows @ x.reshape(batch, groups, channels // groups, -1)).reshape(batch, -1, *kernel, *size)
    axes = list(zip(size, kernel, stride, dilation, padding, output_padding, strict=True))
    y = np.zeros((*laid.shape[:2], *((z - 1) * s + d * (k - 1) + 1 + extra for z, k, s, d, _, extra in axes)), dtype=x.dtype)
    for place in product(*(range(k) for k in kernel)):
        at = tuple(slice(d * i, d * i + (z - 1) * s + 1, s) for i, (z, _, s, d, _, _) in zip(place, axes, strict=True))
        y[(slice(None), slice(None), *at)] += laid[(slice(None), slice(None), *place)]
    return y[(slice(None), slice(None), *(slice(p, p + (z - 1) * s + d * (k - 1) + 1 + extra - 2 * p) for z, k, s, d, p, extra in axes))]


def _pooled(x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool, fill: Number) -> Array:
    """Windows over x with its padding, and what the last windows need beyond it; axes as `windows`."""
    widths = []
    for size, k, s, p, d in zip(x.shape[-len(kernel) :], kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        free = size + 2 * p - reach
        count = (-(-free // s) if ceil_mode else free // s) + 1
        if ceil_mode and (count - 1) * s >= size + p:  # the last window must begin inside
            count -= 1
        widths.append((p, max(p, (count - 1) * s + reach - size - p)))
    padded = np.pad(x, [(0, 0)] * (x.ndim - len(kernel)) + widths, constant_values=fill)
    return windows(padded, kernel, stride, dilation)


def maximum_pool(
    x: Array, kernel_size: Sizes, stride: Sizes = (), padding: Sizes = (0,), dilation: Sizes = (1,), ceil_mode: bool = False
) -> tuple[Array]:
    """The largest value of each window (PyTorch's places of them are not computed)."""
    n = x.ndim - 2
    kernel = _wide(kernel_size, n)
    seen = _pooled(x, kernel, _wide(stride or kernel, n), _wide(padding, n), _wide(dilation, n), ceil_mode, -np.inf)
    return (seen.max(axis=tuple(range(-n, 0))),)


def average_pool(
    x: Array,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window. What lies beyond the padding never counts."""
    n = x.ndim - 2
    kernel, padding = _wide(kernel_size, n), _wide(padding, n)
    steps, ones, axes = _wide(stride or kernel, n), [1] * n, tuple(range(-n, 0))
    total = _pooled(x, kernel, steps, padding, ones, ceil_mode, 0).sum(axis=axes)
    if divisor_override:
        return total / divisor_override
    inside = np.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if count_include_pad:
        wide = np.pad(inside, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=1)
        places, reach = total.shape[2:], [(count - 1) * s + k for count, s, k in zip(total.shape[2:], steps, kernel, strict=True)]
        wide = np.pad(wide, [(0, 0), (0, 0), *((0, max(0, r - size)) for r, size in zip(reach, wide.shape[2:], strict=True))])
        count = windows(wide, kernel, steps, ones).sum(axis=axes)[(..., *(slice(size) for size in places))]
    else:
        count = _pooled(inside, kernel, steps, padding, ones, ceil_mode, 0).sum(axis=axes)
    return total / count


def _bounds(size: int, out: int) -> list[tuple[int, int]]:
    """Where the `out` windows of adaptive pooling begin and end."""
    return [(place * size // out, -(-(place + 1) * size // out)) for place in range(out)]


def adaptive_average(x: Array, output_size: Sizes) -> Array:
    """Means over windows that cut each axis into `output_size` pieces: one small matrix an axis."""
    for axis, out in zip(range(-len(output_size), 0), output_size, strict=True):
        share = np.zeros((out, x.shape[axis]), dtype=x.dtype)
        for place, (start, end) in enumerate(_bounds(x.shape[axis], out)):
            share[place, start:end] = 1 / (end - start)
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ share.T, -1, axis)
    return x


def adaptive_maximum(x: Array, output_size: Sizes) -> tuple[Array]:
    """Maxima over the same windows."""
    n = len(output_size)
    y = np.empty((*x.shape[:-n], *output_size), dtype=x.dtype)
    bounds = [_bounds(size, out) for size, out in zip(x.shape[-n:], output_size, strict=True)]
    for place in product(*(range(out) for out in output_size)):
        inside: tuple[Any, ...] = (..., *(slice(*bounds[axis][position]) for axis, position in enumerate(place)))
        at: Any = (..., *place)
        y[at] = x[inside].max(axis=tuple(range(-n, 0)))
    return (y,)


def nearest(x: Array, output_size: Sizes | None, scale_factors: Sequence[Number] | None) -> Array:
    """Each value repeated: the nearest earlier pixel, as PyTorch's `nearest`."""
    sizes = x.shape[2:]
    wanted = output_size or [int(size * factor) for size, factor in zip(sizes, scale_factors or (), strict=True)]
    for axis, (size, out) in enumerate(zip(sizes, wanted, strict=True), start=2):
        step = size / out if scale_factors is None else 1 / scale_factors[axis - 2]
        x = np.take(x, np.minimum((np.arange(out) * step).astype(np.int64), size - 1), axis=axis)
    return x


def _between(size: int, out: int, factor: Number | None, dtype: np.dtype[Any], *, corners: bool) -> tuple[Array, Array, Array]:
    """Of each of `out` places the pixel before it, the one after it, and the share of the latter, in the precision of x as PyTorch has it."""
    places = np.arange(out, dtype=np.float64)  # in which product and difference are exact, and rounded once
    if corners:
        step = dtype.type(size - 1) / dtype.type(out - 1) if out > 1 else dtype.type(0)
        place = (float(step) * places).astype(dtype)
    else:
        step = dtype.type(1 / factor) if factor else dtype.type(size) / dtype.type(out)
        place = np.maximum(float(step) * (places + 0.5) - 0.5, 0).astype(dtype)
    before = np.minimum(place.astype(np.int64), size - 1)
    return before, np.minimum(before + 1, size - 1), np.clip(place - before.astype(dtype), 0, 1)


def bilinear(x: Array, output_size: Sizes | None, align_corners: bool = False, scale_factors: Sequence[Number] | None = None) -> Array:
    """Bilinear interpolation of the last two axes, pixels taken as squares, or as points with `align_corners`."""
    sizes = x.shape[-2:]
    wanted = output_size or [int(size * factor) for size, factor in zip(sizes, scale_factors or (), strict=True)]
    for axis, (size, out) in enumerate(zip(sizes, wanted, strict=True), start=-2):
        before, after, share = _between(size, out, None if scale_factors is None else scale_factors[axis], x.dtype, corners=align_corners)
        share = share.reshape(-1, 1) if axis == -2 else share
        x = np.take(x, before, axis=axis) * (1 - share) + np.take(x, after, axis=axis) * share
    return x
