"""Classification: one of several classes. Predictions are logits (batch, class)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import Batch
from sonde.errors import RecipeError
from sonde.metrics.accuracy import Accuracy, BalancedAccuracy, TopK
from sonde.metrics.auc import AUC
from sonde.metrics.calibration import CalibrationError
from sonde.metrics.f1 import MacroF1
from sonde.metrics.log_loss import LogLoss, OneHotError
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.nn.auxiliary import training_outputs
from sonde.nn.prepared import own_losses
from sonde.tasks import Loss, Metric
from sonde.tasks.constant import constant
from sonde.tasks.options import choice, share
from sonde.tasks.terms import from_terms, summed, weighed

LOSSES = ("cross-entropy", "squared")
# Above this many classes a table shows the probability of the predicted class alone.
SHOWN = 100


@dataclass(frozen=True)
class Classification:
    """Tell which one of several classes an example belongs to.

    `weights`: how much an example of each class counts in the loss, 1 on average over the training part.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "loss": "cross-entropy of the softmax, or squared: ‖one-hot(y) − output‖², to compare (default cross-entropy)",
        "smoothing": "label smoothing ε: targets are (1 − ε)·one-hot + ε/classes (default 0)",
        "class_weights": "none, or balanced: examples of rare classes count more, n/(classes · n of the class) (default none)",
    }

    classes: tuple[str, ...]
    criterion: str = "cross-entropy"
    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Classification:
        """From the options above and the fitted target's `classes` (and `counts`, examples of each, for the weights).

        Raises RecipeError for values that do not exist or do not go together.
        """
        criterion = choice(options, "loss", LOSSES, default="cross-entropy")
        smoothing = share(options, "smoothing", default=0.0)
        if criterion == "squared" and smoothing:
            remedy = "leave out task.smoothing or task.loss"
            raise RecipeError("label smoothing belongs to the cross-entropy", where="task.options", remedy=remedy)
        weights = None
        if choice(options, "class_weights", ("none", "balanced"), default="none") == "balanced":
            weights = balanced(target.get("counts"))
        return cls(tuple(str(name) for name in target["classes"]), criterion, smoothing, weights)

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        own = own_losses(model)
        if own is not None:
            terms, output = own(batch.inputs, known(batch))
            return from_terms(terms, _of_each_class(output), batch.counts, totals)
        outputs = [(weight, _of_each_class(output)) for weight, output in training_outputs(model, *batch.inputs)]
        return weighed(outputs, lambda output: summed(self._total(output, *labels) for labels in batch.labels()), batch.counts, totals)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return _of_each_class(model(*inputs))

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """Accuracy first. Outputs of the squared loss are no logits, so they have no log loss and no calibration."""
        classes = len(self.classes)
        squared = self.criterion == "squared"
        found: dict[str, Metric | RowMetric] = {"accuracy": Accuracy(), "loss": OneHotError() if squared else LogLoss()}
        if final:
            found |= {"balanced-accuracy": BalancedAccuracy(classes), "macro-f1": MacroF1(classes)}
            if not squared:
                found["calibration-error"] = CalibrationError()
            if classes > 10:
                found["top-5"] = TopK(5)
            if classes == 2:
                found["auc"] = AUC()
        return found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction`, the class's name, and `probability:<class>` (over 100 classes: `probability`, the answer's own)."""
        outputs = prediction.detach().cpu().double()
        answers = outputs.argmax(1).numpy()
        probabilities = class_probabilities(outputs, self.criterion).numpy()
        columns = {"prediction": np.asarray(self.classes, dtype=object)[answers]}
        if len(self.classes) > SHOWN:
            return columns | {"probability": probabilities[np.arange(len(answers)), answers]}
        return columns | {f"probability:{name}": probabilities[:, i] for i, name in enumerate(self.classes)}

    def _total(self, output: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The sum of the examples' losses, each times its weight."""
        if self.criterion == "cross-entropy" and self.weights is None and weights is None:
            return F.cross_entropy(output, targets, reduction="sum", label_smoothing=self.smoothing)
        if self.criterion == "squared":
            # ‖e_y − o‖² = ‖o‖² − 2·o_y + 1, so that no one-hot matrix is made.
            losses = output.square().sum(1) - 2 * output.gather(1, targets[:, None])[:, 0] + 1
        else:
            losses = F.cross_entropy(output, targets, reduction="none", label_smoothing=self.smoothing)
        if self.weights is not None:
            losses = losses * constant(self.weights, like=output)[targets]
        if weights is not None:
            losses = losses * weights
        return losses.sum()


def _of_each_class(output: Tensor) -> Tensor:
    """Logits (batch, class); a model of two classes may give the one number z, which stands for the logits 0 and z."""
    return torch.cat([torch.zeros_like(output), output], dim=1) if output.shape[1] == 1 else output


def class_probabilities(outputs: Tensor, criterion: str) -> Tensor:
    """Probabilities (batch, class) from outputs (batch, class), by the loss that they were trained with."""
    if criterion != "squared":
        return outputs.softmax(1)
    # The least-squares output estimates P(class | example) itself, but may leave 0 … 1.
    kept = outputs.clamp(1e-12, 1)
    return kept / kept.sum(1, keepdim=True)


def balanced(counts: list[int] | None) -> tuple[float, ...]:
    """The weight n / (C · n_c) of each of C classes: every class then weighs the same in all. 0 for a class without examples."""
    if not counts:
        remedy = "leave out task.class_weights"
        raise RecipeError("how many examples each class has is not known here", where="task.class_weights", remedy=remedy)
    total = sum(counts)
    return tuple(total / (len(counts) * count) if count else 0.0 for count in counts)
