"""Batch normalisation (Ioffe and Szegedy 2015): each feature or channel to mean 0 and variance 1 over the batch.

    y = γ ⊙ (x − μ)/√(σ² + ε) + β

In training μ and σ² are the batch's (σ² divided by the count m). In evaluation they are the running statistics, so that
an example's output does not depend on the batch it comes with:  r ← (1 − momentum) · r + momentum · s, with s = μ or, free
of bias, s = σ² · m/(m − 1).
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor


def batch_norm(
    x: Tensor | np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    weight: Tensor | np.ndarray | None = None,
    bias: Tensor | np.ndarray | None = None,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """From x (n, features) or (n, channels, *space), all others (channels,) → y like x, and the two running statistics to keep.

    Statistics are taken over the batch and over space. The ones given are not written to.
    """
    x = as_tensor(x)
    if x.ndim < 2 or x.shape[1] != len(running_mean):
        raise ValueError(f"batch_norm: x {x.shape} is (n, channels, …) and the running mean {running_mean.shape} has one number a channel")
    over = (0, *range(2, x.ndim))
    along = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    if training:
        m = x.size // max(x.shape[1], 1)
        if m < 2:
            raise ValueError(f"batch_norm: x {x.shape} has {m} value(s) a channel, and a variance in training needs 2")
        mean = x.mean(axis=over, keepdims=True)
        centred = x - mean
        variance = (centred * centred).mean(axis=over, keepdims=True)
        running_mean = (1 - momentum) * running_mean + momentum * mean.data.reshape(-1)
        running_var = (1 - momentum) * running_var + momentum * variance.data.reshape(-1) * (m / (m - 1))
    else:
        centred, variance = x - running_mean.reshape(along), as_tensor(running_var.reshape(along))
    scale = (variance + eps) ** -0.5
    scale = scale if weight is None else scale * as_tensor(weight).reshape(*along)
    y = centred * scale
    return (y if bias is None else y + as_tensor(bias).reshape(*along)), running_mean, running_var
