"""Pooling of regions of interest (Girshick 2015, "Fast R-CNN", section 2.1): any region becomes a grid of fixed size.

A region of h places is cut into H bins, bin i from ⌊i·h/H⌋ to ⌈(i + 1)·h/H⌉ (end left out): where H does not divide h,
neighbouring bins overlap. Each bin gives its largest value, channel by channel.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, where


def roi_max_pool(x: Tensor | np.ndarray, boxes: np.ndarray, size: tuple[int, int], *, scale: float = 1.0) -> Tensor:
    """From x (n, channels, height, width), boxes (m, 5) as (image, x₁, y₁, x₂, y₂) → (m, channels, *size).

    Corners are in pixels of the picture, of which x is `scale` times the size; they are rounded, and both belong to the
    region, which is at least 1×1. What lies outside x counts for nothing; a bin with nothing in it gives 0.
    """
    x = as_tensor(x)
    if x.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"roi_max_pool: x {x.shape} is (n, channels, height, width), boxes {boxes.shape} are (m, 5)")
    image = boxes[:, 0].astype(np.int64)
    if ((image < 0) | (image >= x.shape[0])).any():
        raise ValueError(f"roi_max_pool: a box names a picture outside the {x.shape[0]} of x {x.shape}")
    scaled = boxes[:, 1:] * scale
    corner = np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int64)  # rounded, halves away from 0
    rows = _bins(corner[:, 1], corner[:, 3], bins=size[0], length=x.shape[2])
    columns = _bins(corner[:, 0], corner[:, 2], bins=size[1], length=x.shape[3])
    regions = x[image]  # (m, channels, height, width)
    # First the largest in each row's share of a bin: (m, channels, height, W), then over the rows: (m, channels, H, W).
    across = where(columns[:, None, None], regions[:, :, :, None, :], -np.inf).max(axis=4)
    pooled = where(rows[:, None, :, :, None], across[:, :, None, :, :], -np.inf).max(axis=3)
    return where(pooled > -np.inf, pooled, 0.0)


def _bins(first: np.ndarray, last: np.ndarray, *, bins: int, length: int) -> np.ndarray:
    """(m, bins, length): which places 0 … length − 1 belong to which bin of the region first … last of each box."""
    extent = np.maximum(last - first + 1, 1)[:, None]
    i = np.arange(bins)
    start = first[:, None] + i * extent // bins
    end = first[:, None] - (-(i + 1) * extent // bins)  # ⌈a/b⌉ = −⌊−a/b⌋
    place = np.arange(length)
    return (place >= start[..., None]) & (place < end[..., None])
