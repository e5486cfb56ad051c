"""Dense (fully connected, linear) layer:  y = x Wᵀ + b."""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor


def dense(x: Tensor | np.ndarray, weight: Tensor | np.ndarray, bias: Tensor | np.ndarray | None = None) -> Tensor:
    """From x (…, n_in), weight (n_out, n_in), bias (n_out,) → (…, n_out)."""
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim < 1 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"dense: the last axis of x {x.shape} must be as long as the last of weight (n_out, n_in) {weight.shape}")
    return Tensor.apply("dense", (x, weight) if bias is None else (x, weight, bias), {})
