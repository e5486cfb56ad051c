"""k-means (Lloyd 1957, printed 1982) from the starting points of k-means++ (Arthur & Vassilvitskii 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Clusters:
    """`centres` (k, number), the `labels` (example,) of the nearest one, and the sum of squared distances after each round."""

    centres: Array
    labels: Array
    inertia: list[float]


def squared_distances(x: Array, centres: Array) -> Array:
    """‖xᵢ − cⱼ‖² = ‖xᵢ‖² − 2⟨xᵢ, cⱼ⟩ + ‖cⱼ‖², (example, k), about the mean of x so that the terms hardly cancel."""
    mean = x.mean(0)
    x, c = x - mean, centres - mean
    return np.maximum(np.square(x).sum(1)[:, None] - 2 * x @ c.T + np.square(c).sum(1), 0)


def starting_points(x: Array, k: int, rng: np.random.Generator) -> Array:
    """Chooses k rows of x: the first at random, each next with probability proportional to its squared distance from the nearest."""
    chosen = [int(rng.integers(len(x)))]
    nearest = np.full(len(x), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, np.square(x - x[chosen[-1]]).sum(1))
        total = nearest.sum()
        chosen.append(int(rng.choice(len(x), p=nearest / total if total > 0 else None)))
    return x[chosen]


def k_means(x: npt.ArrayLike, k: int, *, rng: np.random.Generator, rounds: int = 100, centres: npt.ArrayLike | None = None) -> Clusters:
    """Cut x (example, number) into k clusters: label by the nearest centre, move each centre to its mean, until nothing moves.

    Neither half of a round can make Σ‖xᵢ − c‖² larger, so it ends, in a local minimum. A centre that lost all its examples
    moves to the example that lies farthest from its own.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or not 1 <= k <= len(x):
        raise ValueError(f"k_means: cannot cut an array of shape {x.shape} into {k} clusters; give (example, number) and 1 ≤ k ≤ examples")
    c = starting_points(x, k, rng) if centres is None else np.array(centres, dtype=np.float64)
    inertia: list[float] = []
    for _ in range(rounds):
        distances = squared_distances(x, c)
        labels, nearest = distances.argmin(1), distances.min(1)
        inertia.append(float(nearest.sum()))
        member = np.equal.outer(np.arange(k), labels).astype(x.dtype)  # (k, example)
        counts = member.sum(1)
        moved = member @ x / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        moved[empty] = x[np.argsort(-nearest, kind="stable")[: len(empty)]]
        if np.array_equal(moved, c):
            break
        c = moved
    return Clusters(c, squared_distances(x, c).argmin(1), inertia)
