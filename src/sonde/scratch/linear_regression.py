"""Linear regression ŷ = xW + b, solved in closed form (Legendre 1805) or by minibatch gradient descent.

Both minimise ½·mean‖y − xW − b‖² + ½λ‖W‖². The normal equations (XᵀX + nλI)W = XᵀY square the condition of X; the singular
values of X itself do not, and say its rank (Golub & Van Loan, "Matrix computations", section 5.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Solution:
    """ŷ = x @ weight + bias, weight (column, output), bias (output,). `rank` < `columns`: some columns follow from others."""

    weight: Array
    bias: Array
    rows: int
    columns: int
    rank: int
    condition: float

    @property
    def message(self) -> str:
        """One sentence on how far to trust it."""
        if self.rank < self.columns:
            return (
                f"{self.columns - self.rank} of {self.columns} columns are constant or combinations of others; "
                "of all equally good solutions the one with the smallest weights was taken"
            )
        return f"solved by singular values (condition {self.condition:.1e})"


def solve(x: Array, y: Array, *, ridge: float = 0.0) -> Solution:
    """The minimum for x (row, column) and y (row, output) or (row,). The bias is not penalised.

    Columns are centred and brought to length 1 first, so that units do not matter for the rank; of equally good solutions
    the smallest is taken, each weight measured by the length of its column. Raises ValueError where nothing can be solved.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    if x.ndim != 2 or len(x) != len(y) or not len(x):
        raise ValueError(f"solve: needs x (row, column) and as many rows of y, not {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("solve: needs finite numbers; some are infinite or missing")
    n, columns = x.shape
    mean, mean_y = x.mean(0), y.mean(0)
    length = np.linalg.norm(x - mean, axis=0)
    constant = length <= 4 * np.finfo(np.float64).eps * np.sqrt(n) * np.abs(mean)
    unit = np.where(constant, 0.0, 1 / np.maximum(length, 1e-300))
    # Ridge as n·λ more rows: √(nλ)·W ≈ 0, in the same units.
    rows = np.concatenate([(x - mean) * unit, np.sqrt(n * ridge) * np.diag(unit)])
    right = np.concatenate([y - mean_y, np.zeros((columns, y.shape[1]))])
    u, sigma, v = np.linalg.svd(rows, full_matrices=False)
    kept = sigma > sigma.max(initial=0.0) * 10 * max(columns, 1) * np.finfo(np.float64).eps
    inverse = np.where(kept, 1 / np.where(kept, sigma, 1), 0.0)
    weight = unit[:, None] * (v.T @ (inverse[:, None] * (u.T @ right)))
    condition = float(sigma[0] / sigma[kept][-1]) if kept.any() else 1.0
    return Solution(weight, mean_y - mean @ weight, n, columns, int(kept.sum()), condition)


def gradient(x: Array, y: Array, weight: Array, bias: Array, *, ridge: float = 0.0) -> tuple[Array, Array]:
    """(Xᵀ(XW + b − Y)/n + λW, mean(XW + b − Y)), in the shapes of weight (column, output) and bias (output,)."""
    error = x @ weight + bias - y
    return x.T @ error / len(x) + ridge * weight, error.mean(0)


def descend(
    x: Array, y: Array, *, lr: float, epochs: int, batch_size: int, rng: np.random.Generator, ridge: float = 0.0
) -> tuple[Array, Array, list[float]]:
    """Minibatch SGD from 0: (weight, bias, the value of ½·mean‖y − ŷ‖² after each epoch).

    A minibatch's gradient is unbiased: its mean over all minibatches is the whole gradient, as each example is in one of them.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    weight, bias, losses = np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1]), []
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            by_weight, by_bias = gradient(x[rows], y[rows], weight, bias, ridge=ridge)
            weight, bias = weight - lr * by_weight, bias - lr * by_bias
        losses.append(float(np.square(x @ weight + bias - y).sum(1).mean() / 2))
    return weight, bias, losses
