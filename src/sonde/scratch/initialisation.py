"""First weights, and what they do to the variance of signals on the way up and of gradients on the way down.

For y = Wx with independent entries of mean 0:  Var(y) = n_in · σ² · Var(x),  and backwards  Var(∂x) = n_out · σ² · Var(∂y).
Both stay as they are only if n_in · σ² = n_out · σ² = 1; Glorot and Bengio (2010) meet in the middle, σ² = 2/(n_in + n_out).
A ReLU drops half of the signal: He et al. (2015) take σ² = 2/n_in.

Shapes are PyTorch's: (n_out, n_in), or (out, in, *kernel), where n_in and n_out count the kernel's places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Activation = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(n_in, n_out) of a weight of this shape."""
    if len(shape) < 2:
        raise ValueError(f"initialisation: a weight has at least two axes (out, in), not shape {tuple(shape)}")
    places = math.prod(shape[2:])
    return shape[1] * places, shape[0] * places


def normal(rng: np.random.Generator, shape: Sequence[int], deviation: float = 0.01) -> np.ndarray:
    """W ~ N(0, σ²), σ = `deviation`."""
    return rng.normal(0.0, deviation, tuple(shape))


def uniform(rng: np.random.Generator, shape: Sequence[int], limit: float) -> np.ndarray:
    """W ~ U(−limit, limit), whose variance is limit²/3."""
    return rng.uniform(-limit, limit, tuple(shape))


def xavier_normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """σ = √(2/(n_in + n_out))."""
    return normal(rng, shape, math.sqrt(2 / sum(fans(shape))))


def xavier_uniform(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """±√(6/(n_in + n_out))."""
    return uniform(rng, shape, math.sqrt(6 / sum(fans(shape))))


def he_normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """σ = √(2/n_in)."""
    return normal(rng, shape, math.sqrt(2 / fans(shape)[0]))


def he_uniform(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """±√(6/n_in)."""
    return uniform(rng, shape, math.sqrt(6 / fans(shape)[0]))


# Name → (φ, φ′). The centred sigmoid 4·sigmoid(x) − 2 = 2·tanh(x/2) behaves as x near 0, the sigmoid as ½ + x/4.
ACTIVATIONS: dict[str, Activation] = {
    "identity": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: (1 + np.tanh(z / 2)) / 2, lambda z: (1 - np.tanh(z / 2) ** 2) / 4),
    "centred-sigmoid": (lambda z: 2 * np.tanh(z / 2), lambda z: 1 - np.tanh(z / 2) ** 2),
}


class LayerVariance(NamedTuple):
    """Variance of a layer's output z (before the activation), and of the gradient ∂z that arrives there."""

    forward: float
    backward: float


def variance_report(weights: Sequence[np.ndarray], x: np.ndarray, gradient: np.ndarray, activation: str = "identity") -> list[LayerVariance]:
    """Variances layer by layer in z_l = φ(z_{l−1}) W_lᵀ, for x (batch, n_0) and the gradient (batch, n_L) at the last z.

    ∂z_{l−1} = (∂z_l W_l) ⊙ φ′(z_{l−1}). Each W_l is (n_l, n_{l−1}).
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"variance_report: there is no activation {activation!r}, only {', '.join(ACTIVATIONS)}")
    phi, phi_prime = ACTIVATIONS[activation]
    z = [x @ weights[0].T]
    for weight in weights[1:]:
        z.append(phi(z[-1]) @ weight.T)
    dz = [gradient]
    for weight, below in zip(weights[:0:-1], z[-2::-1], strict=True):
        dz.append((dz[-1] @ weight) * phi_prime(below))
    return [LayerVariance(float(up.var()), float(down.var())) for up, down in zip(z, reversed(dz), strict=True)]
