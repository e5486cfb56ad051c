"""Pooling: the largest or the mean value of each window, channel by channel; formulas and lengths as for convolution.

    max      y[n, c, i] = max_a x[n, c, i·s + a·d]
    average  y[n, c, i] = 1/k Σ_a x[n, c, i·s + a],   k places in the window, padding counted as zeros
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.convolution import Lengths, each, unfold
from sonde.scratch.tensor import Tensor, as_tensor


def max_pool(
    x: Tensor | np.ndarray, kernel: Lengths, *, stride: Lengths | None = None, padding: Lengths = 0, dilation: Lengths = 1
) -> Tensor:
    """From x (n, channels, *space) → (n, channels, *space′); the stride is the kernel's size where none is given.

    Padding is −∞, so that it never wins. Of equal largest values the first of the window, row by row, receives the gradient.
    """
    seen = _windows(as_tensor(x), kernel, stride=stride, padding=padding, dilation=dilation, value=-np.inf)
    return seen.max(axis=0)


def average_pool(x: Tensor | np.ndarray, kernel: Lengths, *, stride: Lengths | None = None, padding: Lengths = 0) -> Tensor:
    """From x (n, channels, *space) → (n, channels, *space′); the stride is the kernel's size where none is given."""
    return _windows(as_tensor(x), kernel, stride=stride, padding=padding, dilation=1, value=0.0).mean(axis=0)


def global_max_pool(x: Tensor | np.ndarray) -> Tensor:
    """From x (n, channels, *space) → (n, channels)."""
    x = as_tensor(x)
    return x.reshape(*x.shape[:2], int(np.prod(x.shape[2:]))).max(axis=2)


def global_average_pool(x: Tensor | np.ndarray) -> Tensor:
    """From x (n, channels, *space) → (n, channels)."""
    x = as_tensor(x)
    return x.mean(axis=tuple(range(2, x.ndim)))


def _windows(x: Tensor, kernel: Lengths, *, stride: Lengths | None, padding: Lengths, dilation: Lengths, value: float) -> Tensor:
    """(places of the kernel, n, channels, *space′)."""
    kernel = each(kernel, x.ndim - 2)
    sides = each(padding, x.ndim - 2)
    if any(2 * side > k for side, k in zip(sides, kernel, strict=True)):
        raise ValueError(f"pooling: padding {sides} is more than half of the kernel {kernel}, so that windows would hold padding alone")
    seen = unfold(x, kernel, stride=kernel if stride is None else stride, padding=sides, dilation=dilation, value=value)
    axes = len(kernel)
    first = seen.transpose(*range(2, 2 + axes), 0, 1, *range(2 + axes, seen.ndim))
    return first.reshape(int(np.prod(kernel)), *first.shape[axes:])
