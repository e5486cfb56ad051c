"""Confusion matrix: how often class i is taken for class j."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion(answers: Tensor, targets: Tensor, *, classes: int) -> Tensor:
    """Counts int64 (classes, classes), a row each true class, a column each answer. Counts of parts add up.

    `answers` and `targets` int64 (n,), class numbers.
    """
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=targets.device)
    counts.index_add_(0, targets * classes + answers, torch.ones_like(targets))
    return counts.view(classes, classes)
