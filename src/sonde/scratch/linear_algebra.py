"""Norms, projections on their balls, and kinds of matrices: what NumPy has no function for, or hides behind a number.

An induced norm is how much a matrix can stretch a vector: ‖A‖ = max ‖Ax‖ over ‖x‖ = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# What rounding may add up to, relative to the largest entry.
TOLERANCE = 1e-10


def vector_norm(x: npt.ArrayLike, p: float | int = 2) -> float:
    """‖x‖ₚ = (Σ|xᵢ|ᵖ)^(1/p) of all entries of x for p ≥ 1; p = ∞ gives the largest |xᵢ|."""
    size = np.abs(np.asarray(x, dtype=np.float64)).ravel()
    if not p >= 1:
        raise ValueError(f"vector_norm: p = {p} makes no norm (the triangle inequality fails below 1)")
    largest = float(size.max(initial=0.0))
    if p == np.inf or largest == 0:
        return largest
    return float(largest * ((size / largest) ** p).sum() ** (1 / p))  # scaled, so that squares neither overflow nor vanish


def frobenius_norm(a: npt.ArrayLike) -> float:
    """‖A‖_F = √(Σ aᵢⱼ²): the matrix as one long vector. No induced norm, as the identity's is √n."""
    return vector_norm(a, 2)


def induced_norm(a: npt.ArrayLike, p: float | int = 2) -> float:
    """‖A‖ₚ of A (m, n): p = 1 the largest column sum of |aᵢⱼ|, p = ∞ the largest row sum, p = 2 √λmax(AᵀA) (the spectral norm)."""
    a = _matrix(a, "induced_norm")
    if p == 1:
        return float(np.abs(a).sum(0).max())
    if p == np.inf:
        return float(np.abs(a).sum(1).max())
    if p == 2:
        return float(np.linalg.svd(a, compute_uv=False)[0])  # a singular value of A is the root of an eigenvalue of AᵀA
    raise ValueError(f"induced_norm: known for p = 1, 2 and inf, not {p}")


def project_ball(w: npt.ArrayLike, radius: float | int, p: float | int = 2) -> Array:
    """The point nearest to w (in the 2-norm) with ‖·‖ₚ ≤ radius, in the shape of w.

    p = 2: w ← min(1, r/‖w‖)w. p = ∞: each entry cut to [−r, r]. p = 1: sign(w)·max(|w| − θ, 0) with the θ that makes the
    norm r, found by sorting (Duchi et al. 2008).
    """
    w = np.asarray(w, dtype=np.result_type(np.asarray(w).dtype, np.float32))
    if not radius >= 0:
        raise ValueError(f"project_ball: a radius is at least 0, not {radius}")
    if vector_norm(w, p) <= radius:
        return w.copy()
    if p == 2:
        return np.asarray(w * (radius / vector_norm(w)))
    if p == np.inf:
        return np.clip(w, -radius, radius)
    if p == 1:
        size = -np.sort(-np.abs(w).ravel())
        thetas = (np.cumsum(size) - radius) / np.arange(1, size.size + 1)
        return np.asarray(np.sign(w) * np.maximum(np.abs(w) - thetas[size >= thetas][-1], 0))
    raise ValueError(f"project_ball: known for p = 1, 2 and inf, not {p}")


def eigenpairs(a: npt.ArrayLike) -> tuple[Array, Array]:
    """(λ (n,), V (n, n)) with Avⱼ = λⱼvⱼ for the columns vⱼ of V, of length 1; the largest |λ| first."""
    values, vectors = np.linalg.eig(_square(a, "eigenpairs"))
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], vectors[:, order]


def are_orthogonal(x: npt.ArrayLike, y: npt.ArrayLike) -> bool:
    """⟨x, y⟩ = 0."""
    x, y = np.asarray(x), np.asarray(y)
    return bool(abs(np.vdot(x, y)) <= TOLERANCE * max(vector_norm(x) * vector_norm(y), 1e-300))


def is_symmetric(a: npt.ArrayLike) -> bool:
    """Aᵀ = A."""
    a = _square(a, "is_symmetric")
    return _same(a, a.T)


def is_antisymmetric(a: npt.ArrayLike) -> bool:
    """Aᵀ = −A."""
    a = _square(a, "is_antisymmetric")
    return _same(a, -a.T)


def is_orthogonal(a: npt.ArrayLike) -> bool:
    """AAᵀ = I: rows of length 1 at right angles, so that ‖Ax‖ = ‖x‖."""
    a = _square(a, "is_orthogonal")
    return _same(a @ a.T, np.eye(len(a)))


def is_permutation(a: npt.ArrayLike) -> bool:
    """One 1 in each row and each column, 0 elsewhere; every such matrix is orthogonal."""
    a = _square(a, "is_permutation")
    return bool(np.isin(a, (0, 1)).all() and (a.sum(0) == 1).all() and (a.sum(1) == 1).all())


def is_positive_definite(a: npt.ArrayLike, *, semi: bool = False) -> bool:
    """xᵀAx > 0 for every x ≠ 0 (`semi`: ≥ 0): the symmetric part ½(A + Aᵀ) has positive eigenvalues only."""
    a = _square(a, "is_positive_definite")
    values = np.linalg.eigvalsh((a + a.T) / 2)
    edge = TOLERANCE * np.abs(values).max(initial=0.0)
    return bool((values >= -edge).all() if semi else (values > edge).all())


def _matrix(a: npt.ArrayLike, operation: str) -> Array:
    matrix = np.asarray(a, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"{operation} needs a matrix, not an array of shape {matrix.shape}")
    return matrix


def _square(a: npt.ArrayLike, operation: str) -> Array:
    matrix = _matrix(a, operation)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{operation} needs a square matrix, not one of shape {matrix.shape}")
    return matrix


def _same(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max() <= TOLERANCE * max(np.abs(a).max(), np.abs(b).max()))
