"""Optimisers: how weights w follow their gradients g = ∂L/∂w with the rate η.

gradient descent   w ← w − ηg, until ‖g‖ ≤ ε
SGD                w ← (1 − ηλ)w − ηg
momentum           v ← βv + (g + λw),  w ← w − ηv                        (Polyak 1964; v starts as the first g + λw)
Nesterov           v as in momentum,  w ← w − η((g + λw) + βv)           (Nesterov 1983; the form of Sutskever et al. 2013)
Adam               m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,           (Kingma & Ba 2015; λw joins g)
                   w ← w − η m̂ / (√v̂ + ε),  m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)
AdamW              the same, with w ← (1 − ηλ)w apart from the gradient   (Loshchilov & Hutter 2019)

`Weights` are Tensors by name, changed in place after `backward`. Weight decay λ leaves out vectors (biases, scales and shifts
of norms) unless `decay_bias`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sonde.scratch.tensor import Tensor

Array = npt.NDArray[Any]
Weights = Mapping[str, Tensor]


@runtime_checkable
class Optimiser(Protocol):
    """What the training loop needs."""

    lr: float

    def step(self, weights: Weights) -> None:
        """Change the weights that have a gradient, in place."""
        ...


def gradient_descent(
    gradient: Callable[[Array], Any], w: float | npt.ArrayLike, *, lr: float, steps: int = 1000, epsilon: float = 0.0
) -> list[Array]:
    """The path w₀, w₁, … of w ← w − η∇L(w), until ‖∇L‖ ≤ ε or the `steps` are over; `gradient` gives ∇L in the shape of w."""
    path = [np.asarray(w, dtype=np.float64)]
    for _ in range(steps):
        g = np.asarray(gradient(path[-1]))
        if np.linalg.norm(g) <= epsilon:
            break
        path.append(np.asarray(path[-1] - lr * g))
    return path


@dataclass
class SGD:
    """w ← (1 − ηλ)w − ηg."""

    lr: float
    weight_decay: float = 0.0
    decay_bias: bool = False

    def step(self, weights: Weights) -> None:
        for w, g, decay, _ in _each(weights, self.weight_decay, self.decay_bias):
            w.data -= self.lr * (g + decay * w.data if decay else g)


@dataclass
class Momentum:
    """v ← βv + (g + λw), w ← w − ηv; `nesterov`: w ← w − η((g + λw) + βv)."""

    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay_bias: bool = False
    nesterov: bool = False
    state: dict[str, Array] = field(default_factory=dict)

    def step(self, weights: Weights) -> None:
        for w, g, decay, name in _each(weights, self.weight_decay, self.decay_bias):
            v = self.state.setdefault(name, np.zeros_like(w.data))
            v *= self.momentum
            g = g + decay * w.data if decay else g
            v += g
            w.data -= self.lr * (g + self.momentum * v if self.nesterov else v)


@dataclass
class Adam:
    """The averages m of g and v of g², corrected for their start at 0; steps of about η whatever the size of g."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay_bias: bool = False
    decoupled: bool = False
    t: int = 0
    state: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def step(self, weights: Weights) -> None:
        self.t += 1
        (beta1, beta2), lr = self.betas, self.lr
        for w, g, decay, name in _each(weights, self.weight_decay, self.decay_bias):
            if decay and self.decoupled:
                w.data *= 1 - lr * decay
            elif decay:
                g = g + decay * w.data
            m, v = self.state.setdefault(name, (np.zeros_like(w.data), np.zeros_like(w.data)))
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * (g * g)
            root = np.sqrt(v / (1 - beta2**self.t))
            w.data -= lr / (1 - beta1**self.t) * m / (root + self.epsilon)


def AdamW(lr: float, *, weight_decay: float = 0.01, decay_bias: bool = False) -> Adam:
    """Adam whose weight decay is kept out of the averages: w ← (1 − ηλ)w, then Adam's step."""
    return Adam(lr, weight_decay=weight_decay, decay_bias=decay_bias, decoupled=True)


def Nesterov(lr: float, *, momentum: float = 0.9, weight_decay: float = 0.0, decay_bias: bool = False) -> Momentum:
    """Momentum that steps along where v is going: w ← w − η(g + βv)."""
    return Momentum(lr, momentum=momentum, weight_decay=weight_decay, decay_bias=decay_bias, nesterov=True)


def gradient_norm(weights: Weights) -> float:
    """‖g‖ of all gradients as one long vector; 0 where there are none."""
    return float(np.sqrt(sum(float(np.vdot(w.grad, w.grad)) for w in weights.values() if w.grad is not None)))


def clip(weights: Weights, limit: float) -> float:
    """Shorten all gradients together, g ← min(1, θ/‖g‖)g (Pascanu et al. 2013); gives ‖g‖ before. A zero gradient stays zero."""
    norm = gradient_norm(weights)
    for w in weights.values():
        if w.grad is not None and not norm <= limit:
            w.grad = w.grad * (limit / norm)
    return norm


def project(weights: Weights, radius: float) -> float:
    """The nearest point with ‖w‖ ≤ r, w ← min(1, r/‖w‖)w, for all weights that are no vectors together; gives ‖w‖ before."""
    arrays = [w.data for w in weights.values() if w.ndim > 1]
    norm = float(np.sqrt(sum(float(np.vdot(w, w)) for w in arrays)))
    for w in arrays if norm > radius else ():
        w *= radius / norm
    return norm


def _each(weights: Weights, decay: float, decay_bias: bool) -> list[tuple[Tensor, Array, float, str]]:
    """(w, g, its λ, name) of those that have a gradient."""
    return [(w, w.grad, decay if decay_bias or w.ndim > 1 else 0.0, name) for name, w in weights.items() if w.grad is not None]
