"""Dropout (Srivastava et al. 2014): in training each number is set to 0 with probability p, the others grow by 1/(1 − p).

    y = x ⊙ m / (1 − p),   m ~ Bernoulli(1 − p),   so that E[y] = x and prediction needs no change
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor


def dropout(x: Tensor | np.ndarray, p: float, rng: np.random.Generator, *, training: bool = True) -> Tensor:
    """From x of any shape → the same shape; x itself when not in training or when p = 0."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: the probability p is in [0, 1], not {p}")
    x = as_tensor(x)
    if not training or p == 0:
        return x
    kept = rng.random(x.shape) >= p
    return x * (kept / max(1 - p, np.finfo(float).tiny)).astype(x.dtype)  # p = 1 keeps nothing: 0, not 0/0
