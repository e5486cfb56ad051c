"""How wrong each prediction is, one number an example: what the worst mistakes are ranked by."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def example_losses(predictions: Tensor, targets: Tensor, *, kind: str) -> Tensor:
    """float64 (example,). `predictions` are a task's, `kind` that of the fitted target.

    classes: −ln p of the true class; labels: the mean binary cross-entropy of the labels; numbers: the mean over the
    outputs of (y − ŷ)², in squared units of the data.
    """
    predictions = predictions.double()
    if kind == "classes":
        return F.cross_entropy(predictions, targets, reduction="none")
    if kind == "labels":
        return F.binary_cross_entropy_with_logits(predictions, targets.double(), reduction="none").mean(1)
    return (predictions - targets.double()).square().mean(1)
