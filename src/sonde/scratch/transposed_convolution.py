"""Transposed convolution (Dumoulin and Visin 2016, chapter 4): convolution's matrix turned round, to make space larger.

    y[n, o, i·s + a·d − p] += Σ_c x[n, c, i] · w[c, o, a]

Each number of x lays down the kernel, scaled. The same, and written so here: s − 1 zeros are put between the numbers of x
and d·(k − 1) − p around them, then an ordinary convolution with the flipped kernel is done.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.convolution import Lengths, cross_correlation, each, flip
from sonde.scratch.tensor import Tensor, as_tensor, pad


def transposed_convolution(
    x: Tensor | np.ndarray,
    weight: Tensor | np.ndarray,
    bias: Tensor | np.ndarray | None = None,
    *,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """From x (n, channels, *space), weight (channels, out/groups, *kernel), bias (out,) → (n, out, *space′).

    Each axis of space becomes s·n + d·(k − 1) + 1 − 2p − s long, plus `output_padding` at its end (of the lengths that a
    convolution with stride s brings down to n, the shortest is taken otherwise); p is the padding of a side, taken away.
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim != weight.ndim or x.ndim < 3 or x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise ValueError(
            f"transposed_convolution: x {x.shape} and weight {weight.shape} do not fit with {groups} group(s): "
            "x is (n, channels, *space), weight (channels, out/groups, *kernel), and channels is a multiple of groups"
        )
    kernel, axes = weight.shape[2:], x.ndim - 2
    spread = each(dilation, axes)
    reach = [d * (k - 1) for k, d in zip(kernel, spread, strict=True)]
    edges = zip(each(stride, axes), reach, each(padding, axes), each(output_padding, axes), strict=True)
    for axis, (s, r, p, extra) in enumerate(edges, start=2):
        if s * (x.shape[axis] - 1) + 1 + r - 2 * p + extra < 1:
            raise ValueError(f"transposed_convolution: of x {x.shape} with kernel {kernel} padding {p} leaves nothing along axis {axis}")
        x = _resize(_insert_zeros(x, axis, s), axis, r - p, r - p + extra)
    # (channels, out/g, *k) → (g, channels/g, out/g, *k) → (g, out/g, channels/g, *k) → (out, channels/g, *k)
    grouped = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swap(1, 2)
    turned = grouped.reshape(groups * weight.shape[1], weight.shape[0] // groups, *kernel)
    return cross_correlation(x, flip(turned), bias, dilation=spread, groups=groups)


def _insert_zeros(x: Tensor, axis: int, stride: int) -> Tensor:
    """Put stride − 1 zeros between neighbours along the axis: n numbers become stride·(n − 1) + 1."""
    if stride == 1:
        return x
    shape = x.shape
    wide = pad(x.reshape(*shape[: axis + 1], 1, *shape[axis + 1 :]), [(0, stride - 1 if a == axis + 1 else 0) for a in range(x.ndim + 1)], 0.0)
    wide = wide.reshape(*shape[:axis], stride * shape[axis], *shape[axis + 1 :])
    return _resize(wide, axis, 0, 1 - stride)


def _resize(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Zeros added at the two ends of the axis, or numbers taken away where the count is negative."""
    if max(before, after) > 0:
        x = pad(x, [(max(before, 0), max(after, 0)) if a == axis else (0, 0) for a in range(x.ndim)], 0.0)
    return x[(slice(None),) * axis + (slice(max(-before, 0), x.shape[axis] - max(-after, 0)),)]


def bilinear_kernel(channels: int, size: int) -> np.ndarray:
    """(channels, channels, size, size): each channel enlarges itself by interpolation (Long et al. 2015, FCN, section 3.3).

    Along an axis w[a] = 1 − |a − (size − 1)/2|/f with f = ⌈size/2⌉; stride s goes with size 2s − s mod 2.
    """
    triangle = 1 - np.abs(np.arange(size) - (size - 1) / 2) / ((size + 1) // 2)
    return np.eye(channels)[:, :, None, None] * np.outer(triangle, triangle)
