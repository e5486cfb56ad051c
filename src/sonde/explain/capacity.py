"""Capacity of a linear classifier: which labellings of some points can a hyperplane realise?

The largest number of points in some position of which all labellings can be realised is the Vapnik–Chervonenkis
dimension (1971): d + 1 for hyperplanes in d dimensions, so 3 in the plane.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from sonde.ops.margin import separate


def realised(points: Tensor) -> list[tuple[int, ...]]:
    """The labellings, in 0 and 1, of `points` (point, dimension) that a hyperplane separates; 2ⁿ are tried."""
    return [labels for labels in itertools.product((0, 1), repeat=len(points)) if is_separable(points, labels)]


def is_separable(points: Tensor, labels: tuple[int, ...]) -> bool:
    """Whether a hyperplane has the points labelled 1 on one side and those labelled 0 on the other."""
    if len(set(labels)) < 2:
        return True  # all on one side
    signs = 2 * torch.tensor(labels) - 1
    return bool(separate([(points, signs)]).separable)


def shatters(points: Tensor) -> bool:
    """Whether hyperplanes realise every labelling of `points`."""
    return len(realised(points)) == 2 ** len(points)
