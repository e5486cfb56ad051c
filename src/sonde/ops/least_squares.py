"""Least squares for many rows and few columns, in blocks, with its own checks.

The fast way are the normal equations (X'X)W = X'Y: block products in the rows' own precision, summed in float64,
columns brought to one scale (equilibration), a Cholesky factor in float64, and one step of iterative refinement over
the rows, whose size says whether the factor was good (Björck 1996, "Numerical methods for least squares problems",
sections 2.3 and 2.9). Where X'X is too badly conditioned for that, products are taken in float64 about the exact means
and solved by eigenvalues, which also tell the rank; they resolve all that float32 rows can hold. Float64 rows that are
worse still are reduced to a triangle by one QR a block (TSQR, Demmel et al. 2012) and solved by its singular values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Rows = Iterable[tuple[Tensor, Tensor]]

BLOCK = 16_384
# Above this condition number of the equilibrated X'X, products in that precision leave the refinement nothing to stand on.
WORST_CONDITION = {torch.float32: 1e4, torch.float64: 1e12}
# A refinement that changes the weights by more than this share is taken again, up to so many times.
SETTLED, REFINEMENTS = 1e-9, 4


@dataclass(frozen=True)
class Solution:
    """How a system was solved and how far the answer can be trusted.

    `condition` is that of the centred, equilibrated X (its singular values, largest over smallest kept). `rank` < `columns`
    says that some columns are constant or combinations of others; of all solutions the one with the smallest weights,
    measured in standard deviations of their columns, was taken. `correction` is the size of the last refinement
    relative to the weights (0 for svd, which has none).
    """

    method: Literal["cholesky", "eigenvalues", "svd"]
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
        if self.method != "cholesky":
            return f"the columns are nearly dependent (condition {self.condition:.1e}), so the slower, safer solver was used"
        return f"solved by the normal equations (condition {self.condition:.1e})"


def solve(x: Tensor, y: Tensor, *, ridge: float = 0.0) -> tuple[Tensor, Tensor, Solution]:
    """Weights W (column, output) and bias b (output,) that minimise ½·mean‖y − xW − b‖² + ½·`ridge`·‖W‖².

    `x` (row, column) and `y` (row, output) or (row,) in float32 or float64; the bias is not penalised. The answer has the
    dtype of `x` and is on the CPU. Raises ValueError without rows and for values that are not finite.
    """
    blocks = [(x[start : start + BLOCK], y[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
    return solve_rows(blocks, ridge=ridge)


@torch.no_grad()
def solve_rows(rows: Rows, *, ridge: float = 0.0) -> tuple[Tensor, Tensor, Solution]:
    """`solve` for rows that come in blocks (x, y); `rows` is iterated over a few times, so it may live on a disk."""
    shift, dtype = _shift(rows)
    moments = _moments(rows, shift, dtype)
    found = _by_cholesky(rows, moments, ridge=ridge)
    if found is None:
        # Once more, about the exact means and in float64.
        moments = _moments(rows, moments.mean.to(device=shift.device), torch.float64)
        found = _by_eigenvalues(rows, moments, dtype, ridge=ridge) or _by_singular_values(rows, moments, ridge=ridge)
    weight, solution = found
    bias = moments.mean_y - moments.mean @ weight
    return weight.to(dtype), bias.to(dtype), solution


def _by_cholesky(rows: Rows, moments: _Moments, *, ridge: float) -> tuple[Tensor, Solution] | None:
    """The fast way, or None where it cannot be trusted."""
    n, columns = moments.rows, len(moments.mean)
    gram = moments.gram.clone()
    gram.diagonal().add_(n * ridge)
    scale = gram.diagonal().clamp(min=0).sqrt()
    # Under this a column's sum of squares is mostly the rounding of its mean.
    unsure = scale <= 10 * (n * torch.finfo(moments.dtype).eps) ** 0.5 * (moments.mean - _wide(moments.shift)).abs()
    if bool(unsure.any()):
        return None
    scaled = gram / scale.outer(scale)
    eigenvalues = torch.linalg.eigvalsh(scaled)
    if eigenvalues[-1] >= WORST_CONDITION[moments.dtype] * eigenvalues[0]:
        return None
    factor = torch.linalg.cholesky(scaled)

    def solved(right: Tensor) -> Tensor:
        return torch.cholesky_solve(right / scale[:, None], factor) / scale[:, None]

    weight = solved(moments.cross)
    step = solved(_gradient(rows, moments, weight, ridge=ridge))
    correction = _size(step, scale) / max(_size(weight, scale), 1e-300)
    if correction > 1e-2:
        return None
    condition = float(eigenvalues[-1] / eigenvalues[0]) ** 0.5
    return weight + step, Solution("cholesky", n, columns, columns, condition, correction)


def _by_eigenvalues(rows: Rows, moments: _Moments, dtype: torch.dtype, *, ridge: float) -> tuple[Tensor, Solution] | None:
    """From float64 moments about the exact means of rows of `dtype`, or None where even they do not resolve the columns."""
    n, columns = moments.rows, len(moments.mean)
    unit = _unit(moments, moments.gram.diagonal().clamp(min=0).sqrt(), dtype)
    scaled = moments.gram * unit.outer(unit)
    scaled.diagonal().add_(n * ridge * unit.square())
    values, vectors = torch.linalg.eigh(scaled)
    kept = values > values[-1] * _smallest(dtype, columns) ** 2
    if not bool(kept.any()):
        return torch.zeros_like(moments.cross), Solution("eigenvalues", n, columns, 0, 1.0, 0.0)
    condition = float(values[-1] / values[kept][0])
    # A float64 column may be real and yet lost in the square.
    lost = int((unit > 0).sum()) > int(kept.sum()) or condition > WORST_CONDITION[torch.float64]
    if dtype == torch.float64 and lost:
        return None
    inverse = torch.where(kept, 1 / values, 0.0)

    def solved(right: Tensor) -> Tensor:
        return unit[:, None] * (vectors @ (inverse[:, None] * (vectors.T @ (unit[:, None] * right))))

    weight, correction = solved(moments.cross), 0.0
    for _ in range(REFINEMENTS):
        step = solved(_gradient(rows, moments, weight, ridge=ridge))
        weight = weight + step
        scale = torch.where(unit > 0, 1 / unit.clamp(min=1e-300), 0.0)
        correction = _size(step, scale) / max(_size(weight, scale), 1e-300)
        if correction < SETTLED:
            break
    return weight, Solution("eigenvalues", n, columns, int(kept.sum()), condition**0.5, correction)


def _by_singular_values(rows: Rows, moments: _Moments, *, ridge: float) -> tuple[Tensor, Solution]:
    """Through the triangle of the centred, equilibrated float64 rows."""
    columns = len(moments.mean)
    unit = _unit(moments, moments.gram.diagonal().clamp(min=0).sqrt(), torch.float64)
    triangle = torch.zeros(0, columns + len(moments.mean_y), dtype=torch.float64)
    for x, y in rows:
        if len(x):
            block = torch.cat([(_wide(x) - moments.mean) * unit, _wide(_columns(y)) - moments.mean_y], dim=1)
            triangle = torch.linalg.qr(torch.cat([triangle, block]), mode="r").R
    if ridge:
        penalty = torch.zeros(columns, triangle.shape[1], dtype=torch.float64)
        penalty.diagonal().copy_((moments.rows * ridge) ** 0.5 * unit)
        triangle = torch.linalg.qr(torch.cat([triangle, penalty]), mode="r").R
    u, sigma, v = torch.linalg.svd(triangle[:, :columns], full_matrices=False)
    kept = sigma > sigma[0] * _smallest(torch.float64, columns)
    inverse = torch.where(kept, 1 / sigma, 0.0)
    weight = unit[:, None] * (v.T @ (inverse[:, None] * (u.T @ triangle[:, columns:])))
    rank = int(kept.sum())
    condition = float(sigma[0] / sigma[rank - 1]) if rank else 1.0
    return weight, Solution("svd", moments.rows, columns, rank, condition, 0.0)


def _unit(moments: _Moments, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """What each column is multiplied by to have length 1; 0 for constant ones, which get no weight."""
    constant = scale <= 4 * torch.finfo(dtype).eps * moments.rows**0.5 * moments.mean.abs()
    return torch.where(constant, 0.0, 1 / scale.clamp(min=1e-300))


def _smallest(dtype: torch.dtype, columns: int) -> float:
    """The smallest singular value, relative to the largest, that rows rounded to `dtype` can tell from 0."""
    return max(4 * torch.finfo(dtype).eps, 10 * columns * torch.finfo(torch.float64).eps)


def _size(weight: Tensor, scale: Tensor) -> float:
    """Weights measured by what they do: each times the length of its column."""
    return float((scale[:, None] * weight).norm())


@dataclass(frozen=True)
class _Moments:
    """Means and centred second moments in float64 on the CPU; the sums were taken about `shift`, in `dtype`."""

    rows: int
    mean: Tensor
    mean_y: Tensor
    gram: Tensor
    cross: Tensor
    shift: Tensor
    dtype: torch.dtype


def _shift(rows: Rows) -> tuple[Tensor, torch.dtype]:
    """A number near each column's mean, which keeps products from cancelling; 0 for all where means are small anyway."""
    for x, _ in rows:
        if len(x):
            dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
            mean = x.to(dtype).mean(0)
            small = mean.abs() <= 3 * x.to(dtype).std(0, correction=0)
            return mean * float(not bool(small.all())), dtype
    raise ValueError("least squares needs at least one row")


def _moments(rows: Rows, shift: Tensor, dtype: torch.dtype) -> _Moments:
    n, first = 0, True
    for x, y in _shifted(rows, shift, dtype):
        if first:
            first, columns, outputs = False, x.shape[1], y.shape[1]
            shift_y = y.mean(0)
            sums, sums_y = torch.zeros(columns, dtype=torch.float64), torch.zeros(outputs, dtype=torch.float64)
            gram, cross = torch.zeros(columns, columns, dtype=torch.float64), torch.zeros(columns, outputs, dtype=torch.float64)
        y = y - shift_y
        n += len(x)
        sums += _wide(x.sum(0))
        sums_y += _wide(y.sum(0))
        gram += _wide(x.T @ x)
        cross += _wide(x.T @ y)
    if not bool(gram.isfinite().all() and cross.isfinite().all()):
        raise ValueError("least squares needs finite numbers; some are infinite or missing")
    gram -= sums.outer(sums) / n
    cross -= sums.outer(sums_y) / n
    return _Moments(n, _wide(shift) + sums / n, _wide(shift_y) + sums_y / n, gram, cross, shift, dtype)


def _gradient(rows: Rows, moments: _Moments, weight: Tensor, *, ridge: float) -> Tensor:
    """X'(Y − XW) − nλW for centred X and Y: 0 at the solution."""
    w = weight.to(moments.shift)
    # What remains of the bias once x is shifted.
    bias = (moments.mean_y - (moments.mean - _wide(moments.shift)) @ weight).to(moments.shift)
    total, sums = torch.zeros_like(weight), torch.zeros(weight.shape[1], dtype=torch.float64)
    for x, y in _shifted(rows, moments.shift, moments.dtype):
        residual = torch.addmm(y - bias, x, w, alpha=-1)
        total += _wide(x.T @ residual)
        sums += _wide(residual.sum(0))
    return total - (moments.mean - _wide(moments.shift)).outer(sums) - moments.rows * ridge * weight


def _shifted(rows: Rows, shift: Tensor, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks x − shift (row, column) and y (row, output). A shifted block is overwritten by the next one."""
    moved = bool(shift.any())
    room = torch.empty(0)
    for x, y in rows:
        if not len(x):
            continue
        x = x.to(dtype)
        if moved:
            if len(room) < len(x):
                room = torch.empty_like(x)
            x = torch.sub(x, shift, out=room[: len(x)])
        yield x, _columns(y).to(dtype)


def _columns(y: Tensor) -> Tensor:
    return y[:, None] if y.ndim == 1 else y


def _wide(x: Tensor) -> Tensor:
    return x.cpu().double()
