"""Multi-label classification: any number of labels, each there or not. Predictions are logits (batch, label)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import Batch
from sonde.metrics.f1 import LabelF1
from sonde.metrics.labels import ExactMatch, LabelAccuracy, LabelLogLoss
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.nn.auxiliary import training_outputs
from sonde.nn.prepared import own_losses
from sonde.tasks import Loss, Metric
from sonde.tasks.terms import from_terms, summed, weighed

# Up to so many labels, each one's own measures are reported too.
SHOWN = 20


@dataclass(frozen=True)
class MultiLabelClassification:
    """Tell for each of several labels whether an example has it.

    The loss is the binary cross-entropy of each label, its mean over the labels.
    """

    OPTIONS: ClassVar[dict[str, str]] = {}

    labels: tuple[str, ...]

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> MultiLabelClassification:
        """From the fitted target's `columns`."""
        return cls(tuple(target["columns"]))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        own = own_losses(model)
        if own is not None:
            return from_terms(*own(batch.inputs, known(batch)), batch.counts, totals)
        outputs = training_outputs(model, *batch.inputs)
        return weighed(outputs, lambda output: summed(self._total(output, *labels) for labels in batch.labels()), batch.counts, totals)

    def _total(self, output: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The sum of the examples' losses, each times its weight."""
        if weights is None:
            return F.binary_cross_entropy_with_logits(output, targets, reduction="sum") / len(self.labels)
        losses = F.binary_cross_entropy_with_logits(output, targets, reduction="none")
        return (losses.mean(1) * weights).sum()

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        logits: Tensor = model(*inputs)
        return logits

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """Macro-F1 first: with rare labels, saying "no" to all of them is accurate and useless."""
        found: dict[str, Metric | RowMetric] = {"macro-f1": LabelF1(), "accuracy": LabelAccuracy(), "loss": LabelLogLoss()}
        if final:
            found["exact-match"] = ExactMatch()
            for column, name in enumerate(self.labels[:SHOWN]):
                found[f"f1:{name}"] = LabelF1(column)
                found[f"accuracy:{name}"] = LabelAccuracy(column)
        return found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction:<label>`, 0 or 1, and `probability:<label>` of each label."""
        probabilities = prediction.detach().cpu().double().sigmoid().numpy()
        answers = (probabilities > 0.5).astype(np.int8)
        columns = {f"prediction:{name}": answers[:, i] for i, name in enumerate(self.labels)}
        return columns | {f"probability:{name}": probabilities[:, i] for i, name in enumerate(self.labels)}
