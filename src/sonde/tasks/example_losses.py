"""How wrong each prediction is, one number an example: what the worst mistakes are ranked by."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from sonde.data.batch import NO_TARGET
from sonde.tasks.transforms import from_target


def example_losses(predictions: Tensor, targets: Tensor, *, target: dict[str, Any]) -> Tensor:
    """float64 (example,). `predictions` are a task's, `target` is the fitted target (data/prepare/target.py).

    classes: −ln p of the true class; tags: the mean of it over the tokens; labels: the mean binary cross-entropy of the labels; numbers: the mean over the
    outputs of (z − ẑ)², where z is the transformed value, so that prices whose logarithm is learned are ranked by it.
    """
    predictions, kind = predictions.double(), target["kind"]
    if kind == "classes":
        return F.cross_entropy(predictions, targets, reduction="none")
    if kind == "tags":
        losses = F.cross_entropy(predictions.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=NO_TARGET).view(targets.shape)
        return losses.sum(1) / (targets != NO_TARGET).sum(1).clamp(min=1)
    if kind == "labels":
        return F.binary_cross_entropy_with_logits(predictions, targets.double(), reduction="none").mean(1)
    transform = from_target(target)
    return (transform.forward(predictions) - transform.forward(targets.double())).square().mean(1)
