"""Convolution in one, two or three dimensions, as the field uses the word: cross-correlation with a learned kernel.

    y[n, o, i] = b[o] + Σ_c Σ_a w[o, c, a] · x[n, c, i·s + a·d]        i, a: places in space, s: stride, d: dilation

The sum over (c, a) is a matrix product once the window that each place sees stands in a column ("im2col", Chellapilla et
al. 2006): w as (out, channels · places of the kernel) times columns as (channels · places of the kernel, places).
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, pad, windows

T = TypeVar("T")
Lengths = int | tuple[int, ...]  # one for all axes of space, or one each
Padding = int | tuple[int | tuple[int, int], ...]  # the same, or (before, after) for an axis


def cross_correlation(
    x: Tensor | np.ndarray,
    weight: Tensor | np.ndarray,
    bias: Tensor | np.ndarray | None = None,
    *,
    stride: Lengths = 1,
    padding: Padding = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """From x (n, channels, *space), weight (out, channels/groups, *kernel), bias (out,) → (n, out, *space′).

    Each axis of space becomes ⌊(n − k + p + s)/s⌋ long, for a kernel spread over k places and p zeros on both sides together.
    Group g of the outputs sees group g of the channels alone. The kernel's axes say whether it is 1-D, 2-D or 3-D.
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim != weight.ndim or x.ndim < 3 or x.shape[1] != groups * weight.shape[1] or weight.shape[0] % groups:
        raise ValueError(
            f"convolution: x {x.shape} and weight {weight.shape} do not fit with {groups} group(s): "
            "x is (n, channels, *space), weight (out, channels/groups, *kernel), and out is a multiple of groups"
        )
    n, out, kernel = x.shape[0], weight.shape[0], weight.shape[2:]
    columns = unfold(x, kernel, stride=stride, padding=padding, dilation=dilation)
    space = columns.shape[2 + len(kernel) :]
    columns = columns.reshape(n, groups, math.prod(weight.shape[1:]), math.prod(space))
    y = (weight.reshape(groups, out // groups, math.prod(weight.shape[1:])) @ columns).reshape(n, out, *space)
    return y if bias is None else y + as_tensor(bias).reshape(out, *(1 for _ in space))


conv1d = conv2d = conv3d = cross_correlation


def true_convolution(x: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None, *, padding: Padding = 0) -> Tensor:
    """(w ∗ x)[i] = Σ_a w[a] · x[i − a], the mathematician's: cross-correlation with the kernel flipped along every axis of space."""
    return cross_correlation(x, flip(as_tensor(weight)), bias, padding=padding)


def flip(weight: Tensor) -> Tensor:
    """(out, channels, *kernel) with the kernel's axes reversed."""
    return weight[(slice(None), slice(None), *(slice(None, None, -1) for _ in weight.shape[2:]))]


def unfold(x: Tensor, kernel: tuple[int, ...], *, stride: Lengths = 1, padding: Padding = 0, dilation: Lengths = 1, value: float = 0.0) -> Tensor:
    """From x (n, channels, *space) → the windows (n, channels, *kernel, *space′), a view where nothing is padded."""
    axes = len(kernel)
    sides = [(side, side) if isinstance(side, int) else side for side in each(padding, axes)]
    steps, spread = each(stride, axes), each(dilation, axes)
    for length, k, side, s, d in zip(x.shape[2:], kernel, sides, steps, spread, strict=True):
        if min(k, s, d) < 1 or min(side) < 0 or output_length(length, d * (k - 1) + 1, sum(side), s) < 1:
            raise ValueError(
                f"convolution or pooling: kernel {kernel} with stride {steps}, padding {sides} and dilation {spread} finds no place in x {x.shape}"
            )
    if any(map(any, sides)):
        x = pad(x, [(0, 0), (0, 0), *sides], value)
    seen = windows(x, kernel, steps, spread)
    return seen.transpose(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes))


def output_length(n: int, k: int, p: int, s: int) -> int:
    """⌊(n − k + p + s)/s⌋: places of a kernel of length k on n numbers and p zeros (both sides together), s apart."""
    return (n - k + p + s) // s


def same_padding(kernel: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The k − 1 zeros an axis with which stride 1 keeps the size; for even k the larger half stands above (left)."""
    return tuple((k // 2, (k - 1) // 2) for k in kernel)


def each(value: int | tuple[T, ...], axes: int) -> tuple[int | T, ...]:
    """One value for each axis."""
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes:
        raise ValueError(f"convolution or pooling: {values} should be one number, or {axes}, one for each axis of space")
    return values
