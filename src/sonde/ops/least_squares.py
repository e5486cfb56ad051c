"""Least squares for many rows and few columns, in blocks, with its own checks.

The fast way are the normal equations (X'X)W = X'Y: block products in the rows' own precision, summed in float64,
columns brought to one scale (equilibration), a Cholesky factor in float64, and one step of iterative refinement over
the rows, whose size says whether the factor was good (Björck 1996, "Numerical methods for least squares problems",
sections 2.3 and 2.9). Where X'X is too badly conditioned for that, X is reduced to its triangle R by one QR a block in
float64 (TSQR, Demmel et al. 2012) and solved by R's singular values, which also tells the rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Rows = Iterable[tuple[Tensor, Tensor]]

BLOCK = 4096
# Above this condition number of the equilibrated X'X, float32 products leave the refinement too little to stand on.
WORST_CONDITION = {torch.float32: 1e4, torch.float64: 1e12}


@dataclass(frozen=True)
class Solution:
    """How a system was solved and how far the answer can be trusted.

    `condition` is that of the centred, equilibrated X (its singular values, largest over smallest kept). `rank` < `columns`
    says that some columns are constant or combinations of others; of all solutions the one with the smallest weights,
    measured in standard deviations of their columns, was taken. `correction` is the size of the last refinement
    relative to the weights (0 for svd).
    """

    method: Literal["cholesky", "svd"]
    rows: int
    columns: int
    rank: int
    condition: float
    correction: float

    @property
    def message(self) -> str:
        """One sentence for the user."""
        if self.rank < self.columns:
            return (
                f"{self.columns - self.rank} of {self.columns} columns are constant or combinations of others; "
                "of all equally good solutions the one with the smallest weights was taken"
            )
        if self.method == "svd":
            return f"the columns are nearly dependent (condition {self.condition:.1e}), so the slower, safer solver was used"
        return f"solved by the normal equations (condition {self.condition:.1e})"


def solve(x: Tensor, y: Tensor, *, ridge: float = 0.0) -> tuple[Tensor, Tensor, Solution]:
    """Weights W (column, output) and bias b (output,) that minimise ½·mean‖y − xW − b‖² + ½·`ridge`·‖W‖².

    `x` (row, column) and `y` (row, output) or (row,) in float32 or float64; the bias is not penalised. Raises
    ValueError without rows and for values that are not finite.
    """
    y = y.reshape(len(x), -1)
    blocks = [(x[start : start + BLOCK], y[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
    return solve_rows(blocks, ridge=ridge)


@torch.no_grad()
def solve_rows(rows: Rows, *, ridge: float = 0.0) -> tuple[Tensor, Tensor, Solution]:
    """`solve` for rows that come in blocks (x, y); `rows` is iterated over two or three times, so it may live on a disk."""
    moments = _Moments.of(rows)
    n, columns = moments.rows, len(moments.mean)
    gram = moments.gram.clone()
    gram.diagonal().add_(n * ridge)
    scale = gram.diagonal().sqrt()
    alive = scale > 1e-12 * (scale.max() + moments.mean.abs() * n**0.5)
    if bool(alive.all()):
        scaled = gram / scale.outer(scale)
        eigenvalues = torch.linalg.eigvalsh(scaled)
        condition = float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else float("inf")
        if condition < WORST_CONDITION[moments.dtype]:
            factor = torch.linalg.cholesky(scaled)
            weight = _back(factor, moments.cross, scale)
            step = _back(factor, _gradient(rows, moments, weight, ridge=ridge), scale)
            correction = float((scale[:, None] * step).norm() / (scale[:, None] * weight).norm().clamp(min=1e-300))
            if correction < 1e-2:
                return _answer(moments, weight + step, Solution("cholesky", n, columns, columns, condition**0.5, correction))
    return _by_singular_values(rows, moments, scale=torch.where(alive, scale, 0.0), ridge=ridge)


@dataclass
class _Moments:
    """Means and centred second moments, in float64 on the CPU."""

    rows: int
    mean: Tensor
    mean_y: Tensor
    gram: Tensor
    cross: Tensor
    dtype: torch.dtype

    @staticmethod
    def of(rows: Rows) -> _Moments:
        shift: Tensor | None = None
        n = 0
        for z in _joined(rows):
            if shift is None:
                # Any number near the mean will do: it only keeps the products from cancelling.
                shift = z.mean(0)
                sums = torch.zeros(z.shape[1], dtype=torch.float64)
                products = torch.zeros(z.shape[1], z.shape[1], dtype=torch.float64)
                columns, dtype = _columns(rows), z.dtype
            z -= shift
            n += len(z)
            sums += _wide(z.sum(0))
            products += _wide(z.T @ z)
        if shift is None:
            raise ValueError("least squares needs at least one row")
        if not bool(products.isfinite().all()):
            raise ValueError("least squares needs finite numbers; some are infinite or missing")
        products -= sums.outer(sums) / n
        mean = _wide(shift) + sums / n
        return _Moments(n, mean[:columns], mean[columns:], products[:columns, :columns], products[:columns, columns:], dtype)


def _gradient(rows: Rows, moments: _Moments, weight: Tensor, *, ridge: float) -> Tensor:
    """X'(Y − XW) − nλW for centred X and Y: 0 at the solution."""
    total = torch.zeros_like(weight)
    columns = len(moments.mean)
    both: Tensor | None = None
    for z in _joined(rows):
        if both is None:
            shift = torch.cat([moments.mean, moments.mean_y]).to(z)
            both = torch.cat([-weight, torch.eye(weight.shape[1], dtype=weight.dtype)]).to(z)
        z -= shift
        total += _wide(z[:, :columns].T @ (z @ both))
    return total - moments.rows * ridge * weight


def _by_singular_values(rows: Rows, moments: _Moments, *, scale: Tensor, ridge: float) -> tuple[Tensor, Tensor, Solution]:
    """Through the triangle of the centred, equilibrated rows; columns of scale 0 keep weight 0."""
    columns = len(moments.mean)
    alive = scale > 0
    shift = torch.cat([moments.mean, moments.mean_y])
    unit = torch.cat([torch.where(alive, 1 / scale.clamp(min=1e-300), 0.0), torch.ones(len(moments.mean_y), dtype=torch.float64)])
    triangle = torch.zeros(0, len(shift), dtype=torch.float64)
    for z in _joined(rows):
        triangle = torch.linalg.qr(torch.cat([triangle, (_wide(z) - shift) * unit]), mode="r").R
    if ridge:
        penalty = torch.zeros(columns, len(shift), dtype=torch.float64)
        penalty.diagonal().copy_((moments.rows * ridge) ** 0.5 * unit[:columns])
        triangle = torch.linalg.qr(torch.cat([triangle, penalty]), mode="r").R
    u, sigma, v = torch.linalg.svd(triangle[:, :columns], full_matrices=False)
    # Rows rounded to their precision cannot tell smaller singular values from 0.
    smallest = sigma[0] * max(4 * torch.finfo(moments.dtype).eps, 10 * columns * torch.finfo(torch.float64).eps)
    kept = sigma > smallest
    inverse = torch.where(kept, 1 / sigma, 0.0)
    weight = unit[:columns, None] * (v.T @ (inverse[:, None] * (u.T @ triangle[:, columns:])))
    rank = int(kept.sum())
    condition = float(sigma[0] / sigma[rank - 1]) if rank else 1.0
    return _answer(moments, weight, Solution("svd", moments.rows, columns, rank, condition, 0.0))


def _answer(moments: _Moments, weight: Tensor, solution: Solution) -> tuple[Tensor, Tensor, Solution]:
    bias = moments.mean_y - moments.mean @ weight
    return weight.to(moments.dtype), bias.to(moments.dtype), solution


def _back(factor: Tensor, right: Tensor, scale: Tensor) -> Tensor:
    return torch.cholesky_solve(right / scale[:, None], factor) / scale[:, None]


def _joined(rows: Rows) -> Iterator[Tensor]:
    """Blocks [x, y], fresh tensors that may be written to."""
    for x, y in rows:
        if len(x):
            dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
            yield torch.cat([x.to(dtype), y.reshape(len(x), -1).to(dtype)], dim=1)


def _columns(rows: Rows) -> int:
    return next(x.shape[1] for x, _ in rows if len(x))


def _wide(x: Tensor) -> Tensor:
    return x.cpu().double()
