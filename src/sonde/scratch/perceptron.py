"""The perceptron (Rosenblatt 1958): z = ⟨w, x⟩ + b and a step, which learns from its mistakes alone.

Novikoff's bound (1962): when a unit vector (w, b) separates the classes with margin ρ and all ‖x‖ ≤ r, then, one example
at a time and starting from 0, there are at most (r² + 1)/ρ² updates, whatever the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rule = Literal["0/1", "±1"]


@dataclass(frozen=True)
class Step:
    """What one step did: logits z and outputs (example,), the summed gradient by w and b, and w and b after it."""

    z: Array
    output: Array
    gradient: Array
    gradient_bias: float
    weight: Array
    bias: float

    @property
    def updated(self) -> bool:
        """Whether an example called for a change."""
        return bool(self.gradient.any() or self.gradient_bias)


@dataclass(frozen=True)
class Separation:
    """`margin` ρ is the least yᵢ(⟨w, xᵢ⟩ + b) of the unit vector (`weight`, `bias`), the largest possible, 0 where there is none.

    `radius` r is the largest ‖xᵢ‖, `bound` (r² + 1)/ρ² the most updates that the perceptron can make.
    """

    separable: bool
    margin: float
    radius: float
    weight: Array
    bias: float

    @property
    def bound(self) -> float:
        """(r² + 1)/ρ², infinite where nothing separates."""
        return (self.radius**2 + 1) / self.margin**2 if self.separable else float("inf")

    @property
    def message(self) -> str:
        """One sentence for a person."""
        if not self.separable:
            return "no line (hyperplane) separates the two classes: the perceptron cannot converge on these data, however long it is trained"
        return f"the classes are separable with margin {self.margin:.4g}, so there are at most (r² + 1)/ρ² = {self.bound:,.0f} updates"


def mistakes(z: Array, targets: Array, rule: Rule) -> Array:
    """Which examples call for an update; targets are 0 and 1.

    "0/1": step(z) ≠ t, with step(z) = 1 for z > 0, else 0. "±1": y·z ≤ 0 with y = 2t − 1. They differ at z = 0 and t = 0.
    """
    return np.asarray((z > 0) != (targets > 0) if rule == "0/1" else (2 * targets - 1) * z <= 0)


def step(x: Array, targets: Array, weight: Array, bias: float, *, lr: float = 1.0, rule: Rule = "0/1") -> Step:
    """One update from the examples x (example, number) together: w ← w + η Σ yᵢxᵢ, b ← b + η Σ yᵢ over the mistakes, y = ±1."""
    z = x @ weight + bias
    y = np.where(mistakes(z, targets, rule), 2 * targets - 1, 0)
    gradient, gradient_bias = -(y @ x), -float(y.sum())
    return Step(z, (z > 0).astype(np.int64), gradient, gradient_bias, weight - lr * gradient, bias - lr * gradient_bias)


def train(
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    weight: npt.ArrayLike | None = None,
    bias: float = 0.0,
    lr: float = 1.0,
    rule: Rule = "0/1",
    batch_size: int = 1,
    epochs: int = 100,
) -> list[Step]:
    """All steps, in the given order, until an epoch has no mistake or the `epochs` are over. Starts at 0 if not told otherwise."""
    x, t = np.asarray(x, dtype=np.float64), np.asarray(targets)
    if x.ndim != 2 or t.shape != x.shape[:1] or not np.isin(t, (0, 1)).all():
        raise ValueError(f"train: needs x (example, number) and as many targets of 0 and 1, not shapes {x.shape} and {t.shape}")
    w = np.zeros(x.shape[1]) if weight is None else np.asarray(weight, dtype=np.float64)
    steps: list[Step] = []
    for _ in range(epochs):
        before = len(steps)
        for start in range(0, len(x), batch_size):
            steps.append(step(x[start : start + batch_size], t[start : start + batch_size], w, bias, lr=lr, rule=rule))
            w, bias = steps[-1].weight, steps[-1].bias
        if not any(mistakes(taken.z, t[i * batch_size : (i + 1) * batch_size], rule).any() for i, taken in enumerate(steps[before:])):
            break
    return steps


def separate(x: npt.ArrayLike, targets: npt.ArrayLike) -> Separation:
    """The widest margin between the classes of targets 0 and 1, or the finding that no hyperplane separates them.

    With rows aᵢ = yᵢ(xᵢ, 1), the shortest v with aᵢ·v ≥ 1 has ‖v‖ = 1/ρ. Lawson & Hanson (1974, chapter 23): minimise
    ‖Aᵀu‖² + (1 − 1ᵀu)² over u ≥ 0; then v = Aᵀu/(1 − 1ᵀu), and 1 − 1ᵀu = 0 says that there is no such v.
    """
    x, y = np.asarray(x, dtype=np.float64), 2 * np.asarray(targets) - 1
    radius = float(np.linalg.norm(x, axis=1).max())
    size = np.hypot(radius, 1)
    a = y[:, None] * np.concatenate([x, np.ones((len(x), 1))], axis=1) / size
    u = nonnegative_least_squares(np.concatenate([a.T, np.ones((1, len(a)))]), np.append(np.zeros(a.shape[1]), 1.0))
    remainder = 1 - u.sum()
    if remainder < 1e-12:
        return Separation(False, 0.0, radius, np.zeros(x.shape[1]), 0.0)
    v = u @ a / np.linalg.norm(u @ a)
    return Separation(True, float(size * (a @ v).min()), radius, v[:-1], float(v[-1]))


def nonnegative_least_squares(e: Array, f: Array) -> Array:
    """The u ≥ 0 that minimises ‖Eu − f‖², E (m, n): Lawson and Hanson's active sets, one place a time set free."""
    u, free = np.zeros(e.shape[1]), np.zeros(e.shape[1], dtype=bool)
    for _ in range(3 * e.shape[1] + 30):
        descent = np.where(free, -np.inf, e.T @ (f - e @ u))
        if free.all() or descent.max() <= 1e-13:
            break
        free[descent.argmax()] = True
        while True:
            solved = np.zeros_like(u)
            solved[free] = np.linalg.lstsq(e[:, free], f, rcond=None)[0]
            blocking = free & (solved <= 0)
            if not blocking.any():
                break
            share = (u[blocking] / (u[blocking] - solved[blocking])).min()  # how far it may go until the first turns negative
            u = np.where(free, u + share * (solved - u), 0.0)
            free &= u > 1e-15
            u[~free] = 0.0
        u = solved
    return u
