"""Principal components (Pearson 1901; Hotelling 1933): the directions in which data vary most, by singular values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PCA:
    """`components` (k, number): orthonormal rows, the largest `variance` (k,) first; `share` (k,) of the whole variance."""

    mean: Array
    components: Array
    variance: Array
    share: Array

    def project(self, x: Array) -> Array:
        """(x − mean)Vᵀ: (example, number) to (example, k)."""
        return np.asarray((x - self.mean) @ self.components.T)

    def restore(self, codes: Array) -> Array:
        """codes·V + mean: (example, k) to (example, number), the nearest points in the plane of the components."""
        return np.asarray(codes @ self.components + self.mean)


def pca(x: npt.ArrayLike, k: int) -> PCA:
    """The first k components of x (example, number).

    X − mean = USVᵀ; the rows of Vᵀ are the eigenvectors of the covariance, S²/(n − 1) its eigenvalues, without ever squaring
    X. The sign of each is chosen so that its largest entry is positive.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not 1 <= k <= min(x.shape):
        raise ValueError(f"pca: an array of shape {x.shape} has no {k} components; give (example, number), at least 2 examples, 1 ≤ k ≤ both")
    mean = x.mean(0)
    _, s, v = np.linalg.svd(x - mean, full_matrices=False)
    v *= np.sign(v[np.arange(len(v)), np.abs(v).argmax(1)])[:, None]
    variance = s**2 / (len(x) - 1)
    return PCA(mean, v[:k], variance[:k], variance[:k] / max(variance.sum(), 1e-300))
