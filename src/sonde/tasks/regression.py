"""Regression: one number or several. Predictions are values in the units of the data (batch, output)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.batch import Batch
from sonde.metrics.correlation import Pearson
from sonde.metrics.errors import MAE, RMSE, RMSLE
from sonde.metrics.r2 import R2
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import Measured, exact, known, zeros
from sonde.nn.auxiliary import training_outputs
from sonde.nn.prepared import own_losses
from sonde.tasks import Loss, Metric
from sonde.tasks.options import choice
from sonde.tasks.terms import from_terms, summed, weighed
from sonde.tasks.transforms import TRANSFORMS, Transform, from_target

LOSSES: dict[str, Callable[..., Tensor]] = {"squared": F.mse_loss, "absolute": F.l1_loss, "huber": F.huber_loss}


@dataclass(frozen=True)
class Regression:
    """Predict numbers.

    The network works on transformed targets z (tasks/transforms.py); the loss is the mean over examples and outputs
    of (z − ẑ)² without a ½, of |z − ẑ|, or of Huber's function with δ = 1. What is predicted is back in the data's units.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "loss": "squared: (z − ẑ)², absolute: |z − ẑ|, or huber: ½(z − ẑ)² up to 1, straight beyond (default squared)",
        "transform": "none, standardise, or log: ln(1 + y), then standardised (default: log for positive, skewed targets, else standardise)",
    }

    columns: tuple[str, ...]
    criterion: str = "squared"
    transform: Transform = field(default_factory=Transform)
    positive: bool = False

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Regression:
        """From the options above and the fitted target: `columns`, `transform`, `mean`, `std`, `minimum` where known.

        Raises RecipeError for a value that does not exist.
        """
        choice(options, "transform", TRANSFORMS, default="standardise")
        transform = from_target(target)
        positive = transform.kind == "log" or bool(np.min(target.get("minimum", -1.0)) > 0)
        return cls(tuple(target["columns"]), choice(options, "loss", tuple(LOSSES), default="squared"), transform, positive)

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        own = own_losses(model)
        if own is not None:
            return from_terms(*own(batch.inputs, known(batch)), batch.counts, totals)
        labels = [(self.transform.forward(targets), weights) for targets, weights in batch.labels()]
        outputs = [(weight, _wide(output)) for weight, output in training_outputs(model, *batch.inputs)]
        loss = weighed(outputs, lambda output: summed(self._total(output, *each) for each in labels), batch.counts, totals)
        return replace(loss, output=self.transform.inverse(loss.output))

    def _total(self, output: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The sum of the examples' losses, each times its weight."""
        if weights is None:
            return LOSSES[self.criterion](output, targets, reduction="sum") / targets.shape[1]
        return (LOSSES[self.criterion](output, targets, reduction="none").mean(1) * weights).sum()

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.transform.inverse(_wide(model(*inputs)))

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """RMSE first; RMSLE where the targets are transformed by the logarithm, as relative errors are what counts then."""
        found: dict[str, Metric | RowMetric] = {"rmsle": RMSLE()} if self.transform.kind == "log" else {}
        found |= {"rmse": RMSE(), "mae": MAE(), "r2": R2(self._centre()), "loss": TransformedLoss(self.criterion, self.transform)}
        if final and self.positive:
            found["rmsle"] = RMSLE()
        return found | ({"pearson": Pearson()} if final else {})

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction`, or `prediction:<column>` of each of several."""
        values = prediction.detach().cpu().numpy()
        if values.shape[1] == 1:
            return {"prediction": values[:, 0]}
        return {f"prediction:{name}": values[:, i] for i, name in enumerate(self.columns)}

    def _centre(self) -> tuple[float, ...]:
        """The units of the data at z = 0."""
        if self.transform.kind == "none":
            return ()
        return tuple(self.transform.inverse(torch.zeros(1, len(self.columns), dtype=torch.float64))[0].tolist())


@dataclass(frozen=True)
class TransformedLoss:
    """The mean loss of the transformed values, from predictions in the units of the data. State: (sum, examples)."""

    criterion: str
    transform: Transform
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        ours, theirs = self.transform.forward(exact(prediction)), self.transform.forward(exact(known(batch)))
        state[0] = LOSSES[self.criterion](ours, theirs, reduction="sum") / theirs.shape[1]
        state[1] = len(theirs)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


def _wide(output: Tensor) -> Tensor:
    """At least float32: half precision would leave a price three digits."""
    return output if output.dtype in (torch.float32, torch.float64) else output.float()
