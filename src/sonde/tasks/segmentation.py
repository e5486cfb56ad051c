"""Semantic segmentation: the class of each pixel. Predictions are logits (picture, class, height, width) on the prepared canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import NO_TARGET, Batch
from sonde.errors import RecipeError
from sonde.metrics.rows import RowMetric
from sonde.metrics.segmentation import segmentation_metrics
from sonde.metrics.state import known
from sonde.nn.auxiliary import training_outputs
from sonde.tasks import Loss, Metric
from sonde.tasks.classification import balanced
from sonde.tasks.constant import constant
from sonde.tasks.options import choice, share
from sonde.tasks.terms import summed


@dataclass(frozen=True)
class Segmentation:
    """Tell the class of each pixel of a picture.

    `weights`: how much a pixel of each class counts in the loss, 1 on average over the training part. `dice`: how much the Dice loss
    counts beside the cross-entropy. Predictions are large, so they are measured batch by batch and not kept.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "smoothing": "label smoothing ε: targets are (1 − ε)·one-hot + ε/classes (default 0)",
        "class_weights": "none; balanced: pixels of rare classes count more, n/(classes · n of the class); root: the square root of that, "
        "which is gentler where some classes are very rare (default none)",
        "dice": "weight of the Dice loss, 1 − the mean over a picture's classes of 2Σpy/(Σp + Σy), beside the cross-entropy (default 0)",
    }
    keeps_predictions: ClassVar[bool] = False

    classes: tuple[str, ...]
    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None
    dice: float = 0.0

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Segmentation:
        """From the options above and the fitted target's `classes` (and `counts`, pixels of each, for the weights).

        Raises RecipeError for values that do not exist.
        """
        asked = choice(options, "class_weights", ("none", "balanced", "root"), default="none")
        weights = None if asked == "none" else balanced(target.get("counts"))
        if weights is not None and asked == "root":
            weights = _rooted(weights, target["counts"])
        classes = tuple(str(name) for name in target["classes"])
        return cls(classes, share(options, "smoothing", default=0.0), weights, _weight(options, "dice"))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The mean over the labelled pixels of −ln p of the class, and, where asked for, `dice` times the mean Dice loss of the pictures.

        Auxiliary classifiers are added with their weights; the terms that are logged are the network's own.
        """
        (_, output), *further = training_outputs(model, *batch.inputs)
        targets = known(batch)
        own = self._nats(output, targets, batch.weights)
        nats = summed([own, *(weight * self._nats(each, targets, batch.weights) for weight, each in further)])
        value = nats / max(totals["pixels"], 1.0)
        terms = {"loss": (own.detach(), batch.counts["pixels"])}
        if self.dice:
            apart = self.dice * dice_losses(output, targets, weights=batch.weights).sum()
            value = value + apart / totals["examples"]
            terms["dice"] = (apart.detach(), batch.counts["examples"])
        return Loss(value, terms, output.detach())

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (picture, class, height, width)."""
        logits: Tensor = model(*inputs)
        return logits

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """Mean intersection over union first."""
        return dict(segmentation_metrics(self.classes, final=final))

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction`, the class of the most pixels, and `share:<class>`, the share of the picture that each class covers."""
        answers = prediction.argmax(1).flatten(1)
        shares = torch.stack([(answers == number).double().mean(1) for number in range(len(self.classes))], 1).cpu().numpy()
        return share_columns(shares, self.classes)

    def _nats(self, output: Tensor, targets: Tensor, of_picture: Tensor | None) -> Tensor:
        """Σ −ln p over the labelled pixels, each times the weight of its class and of its picture."""
        weights = None if self.weights is None else constant(self.weights, like=output)
        if of_picture is None:
            return F.cross_entropy(output, targets, weights, reduction="sum", ignore_index=NO_TARGET, label_smoothing=self.smoothing)
        nats = F.cross_entropy(output, targets, weights, reduction="none", ignore_index=NO_TARGET, label_smoothing=self.smoothing)
        return (nats.sum((1, 2)) * of_picture).sum()


def share_columns(shares: np.ndarray, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns from the share (picture, class) of each picture that each class covers."""
    columns: dict[str, np.ndarray] = {"prediction": np.asarray(classes, dtype=object)[shares.argmax(1)]}
    return columns | {f"share:{name}": shares[:, number] for number, name in enumerate(classes)}


def dice_losses(output: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """1 − the mean over the classes that a picture has of 2Σpy/(Σp + Σy), (picture,); 0 where nothing is labelled (Milletari et al. 2016).

    Sums run over a picture's labelled pixels, so that pictures add up however a batch is cut. `weights`: of each picture.
    """
    there = targets != NO_TARGET
    p = output.float().softmax(1) if output.dtype in (torch.float16, torch.bfloat16) else output.softmax(1)
    p = (p * there[:, None]).flatten(2)
    y = F.one_hot(targets.masked_fill(~there, 0), output.shape[1]).movedim(-1, 1).to(p.dtype).flatten(2) * there.flatten(1)[:, None]
    of_class = y.sum(2)
    share_of_class = 2 * (p * y).sum(2) / (p.sum(2) + of_class).clamp(min=1e-6)
    has = of_class > 0
    losses = ((1 - share_of_class) * has).sum(1) / has.sum(1).clamp(min=1)
    return losses if weights is None else losses * weights


def _rooted(weights: tuple[float, ...], counts: list[int]) -> tuple[float, ...]:
    """Square roots, scaled so that the mean over all pixels stays 1."""
    roots = [weight**0.5 for weight in weights]
    mean = sum(root * count for root, count in zip(roots, counts, strict=True)) / sum(counts)
    return tuple(root / mean for root in roots)


def _weight(options: dict[str, Any], key: str) -> float:
    value = options.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise RecipeError(f"task.{key} = {value!r} is no weight of at least 0", where="task.options", remedy=f"for example --set task.{key}=1")
    return float(value)
