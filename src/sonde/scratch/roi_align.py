"""RoI align (He et al. 2017, "Mask R-CNN", section 3): a region becomes a grid of bins, each the mean of samples between the places.

A sample at (y, x) reads the four places around it, weighted by nearness. The weights of rows and columns multiply, so that a bin is

    Σ_h Σ_w  R[i, h] · C[j, w] · x[h, w]

where row i of R is the mean of its samples' weights on the rows of x, and row j of C the same for the columns.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, einsum


def roi_align(
    x: Tensor | np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, scale: float = 1.0, sampling: int = 0, aligned: bool = False
) -> Tensor:
    """From x (n, channels, height, width), boxes (m, 5) as (image, x₁, y₁, x₂, y₂) → (m, channels, *size).

    Corners are in pixels of the picture, of which x is `scale` times the size. `sampling`: samples a bin and direction, 0: the bin's side
    rounded up. `aligned`: a place's value stands at its pixel's middle, which shifts corners by −½; otherwise a region is at least 1×1.
    Samples more than one place outside of x are 0.
    """
    x = as_tensor(x)
    regions = x[boxes[:, 0].astype(np.int64)]
    corner = boxes[:, 1:] * scale - (0.5 if aligned else 0.0)
    rows, columns = (
        np.array([_weights(box[low], box[high], bins, length, sampling, aligned) for box in corner]).reshape(-1, bins, length)
        for low, high, bins, length in ((1, 3, size[0], x.shape[2]), (0, 2, size[1], x.shape[3]))
    )
    return einsum("mih,mchw,mjw->mcij", rows.astype(x.dtype), regions, columns.astype(x.dtype))


def _weights(start: float, end: float, bins: int, length: int, sampling: int, aligned: bool) -> np.ndarray:
    """(bins, length): the mean of the samples' weights on each place, for one side of one region."""
    extent = end - start if aligned else max(end - start, 1.0)
    samples = sampling or max(int(np.ceil(extent / bins)), 0)
    weights = np.zeros((bins, length))
    for i in range(bins):
        for k in range(samples):
            at = start + (i + (k + 0.5) / samples) * extent / bins
            if not -1 <= at <= length:
                continue
            at = min(max(at, 0.0), length - 1.0)
            low = int(at)
            weights[i, low] += (1 - (at - low)) / samples
            weights[i, min(low + 1, length - 1)] += (at - low) / samples
    return weights
