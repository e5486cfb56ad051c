"""Anchors: boxes of a few shapes around every place of a feature map (Ren et al. 2015, "Faster R-CNN", section 3.1.1).

n sizes and m ratios make n + m − 1 boxes at a place, those with the first size or the first ratio, in this order:

    (s₁, r₁) (s₂, r₁) … (s_n, r₁)   (s₁, r₂) … (s₁, r_m)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def unit_anchors(height: int, width: int, sizes: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Corner boxes (height · width · (n + m − 1), 4) in shares of the picture, place by place, row by row.

    A size s is a share of the picture's height; a box of ratio r is s·√r heights wide and s/√r heights high. The map's height : width is
    taken to be the picture's. Boxes may reach over the edge.
    """
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    found = []
    for row in range(height):
        for column in range(width):
            x, y = (column + 0.5) / width, (row + 0.5) / height
            for size, ratio in pairs:
                w, h = size * np.sqrt(ratio) * height / width, size / np.sqrt(ratio)
                found.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return np.array(found).reshape(-1, 4)


def pixel_anchors(height: int, width: int, shapes: Sequence[tuple[float, float]], *, stride: float, centre: float = 0.5) -> np.ndarray:
    """Corner boxes (height · width · shape, 4) in pixels: shapes (w, h) around ((column + centre)·stride, (row + centre)·stride)."""
    found = []
    for row in range(height):
        for column in range(width):
            x, y = (column + centre) * stride, (row + centre) * stride
            found += [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for w, h in shapes]
    return np.array(found).reshape(-1, 4)
