"""Layer normalisation (Ba, Kiros and Hinton 2016): each example to mean 0 and variance 1 over its own last axes.

    y = γ ⊙ (x − μ)/√(σ² + ε) + β
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor


def layer_norm(
    x: Tensor | np.ndarray, weight: Tensor | np.ndarray | None = None, bias: Tensor | np.ndarray | None = None, *, axes: int = 1, eps: float = 1e-5
) -> Tensor:
    """From x (…, *features) with the last `axes` axes as features; weight and bias (*features) → y like x."""
    x = as_tensor(x)
    if not 1 <= axes <= x.ndim or (weight is not None and weight.shape != x.shape[x.ndim - axes :]):
        raise ValueError(f"layer_norm: the last {axes} axes of x {x.shape} are not the weight's {None if weight is None else weight.shape}")
    over = tuple(range(-axes, 0))
    centred = x - x.mean(axis=over, keepdims=True)
    y = centred * ((centred * centred).mean(axis=over, keepdims=True) + eps) ** -0.5
    y = y if weight is None else y * as_tensor(weight)
    return y if bias is None else y + as_tensor(bias)
