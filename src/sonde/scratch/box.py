"""Boxes as rows of numbers: three ways to write them, area, intersection over union (Jaccard index) and its generalised form.

    corners  (x₁, y₁, x₂, y₂)        upper left and lower right, x₁ ≤ x₂, y₁ ≤ y₂
    centre   (x_c, y_c, w, h)        middle and size
    size     (x₁, y₁, w, h)          upper left and size, as in COCO
"""

from __future__ import annotations

import numpy as np


def corners_to_centre(boxes: np.ndarray) -> np.ndarray:
    """(…, 4) corners → (…, 4) centre form."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def centre_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(…, 4) centre form → (…, 4) corners."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([middle - size / 2, middle + size / 2], axis=-1)


def corners_to_size(boxes: np.ndarray) -> np.ndarray:
    """(…, 4) corners → (…, 4) upper left and size."""
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def size_to_corners(boxes: np.ndarray) -> np.ndarray:
    """(…, 4) upper left and size → (…, 4) corners."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas (n, …) of corner boxes (n, …, 4); a box whose corners are swapped has area 0."""
    size: np.ndarray = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return size[..., 0] * size[..., 1]


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """J(A, B) = |A ∩ B| / |A ∪ B| of every pair: corner boxes (n, 4) and (m, 4) → (n, m); 0 where both areas are 0."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = area(np.concatenate([low, high], axis=-1))
    union = area(a)[:, None] + area(b)[None, :] - shared
    return shared / np.where(union > 0, union, 1)


def generalised_intersection_over_union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """J(A, B) − (|C| − |A ∪ B|) / |C|, C the smallest box around both (Rezatofighi et al. 2019): (n, 4) and (m, 4) → (n, m); 0 where |C| is 0."""
    low = np.minimum(a[:, None, :2], b[None, :, :2])
    high = np.maximum(a[:, None, 2:], b[None, :, 2:])
    around = area(np.concatenate([low, high], axis=-1))
    overlap = intersection_over_union(a, b)
    union = (area(a)[:, None] + area(b)[None, :]) / (1 + overlap)  # |A| + |B| = |A ∪ B| + |A ∩ B|
    return overlap - (around - union) / np.where(around > 0, around, 1)
