"""Forecasting: the next values of a series from its last ones. Predictions are values in the units of the data (batch, step ahead)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.metrics.errors import MAE, MAPE, RMSE
from sonde.metrics.persistence import PersistenceMAE, Skill
from sonde.metrics.rows import RowMetric
from sonde.tasks import Loss, Metric
from sonde.tasks.options import count
from sonde.tasks.regression import Regression, TransformedLoss
from sonde.tasks.transforms import Transform


@dataclass(frozen=True)
class Forecasting:
    """Predict the next values of a series from a window of its last ones: regression, measured against persistence."""

    OPTIONS: ClassVar[dict[str, str]] = {
        "window": "how many past values the model sees (default 7)",
        "horizon": "how many steps ahead are predicted, one output each (default 1)",
        "after": "how many values after these are known too: a gap is filled in from both sides (default 0)",
        **Regression.OPTIONS,
    }

    regression: Regression
    window: int = 7
    horizon: int = 1

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Forecasting:
        """From the options above and the fitted target. Raises RecipeError for a value that cannot be."""
        window, horizon = count(options, "window", default=7), count(options, "horizon", default=1)
        return cls(Regression.build(options, target), window, horizon)

    @property
    def transform(self) -> Transform:
        """How targets become what the network predicts, as `Regression.transform`: models that are solved for need it."""
        return self.regression.transform

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        return self.regression.loss(model, batch, totals, state)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.regression.predict(model, inputs)

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """MAE first; finally the same of persistence (tomorrow as today) on the same examples, and the share by which it is beaten."""
        found: dict[str, Metric | RowMetric] = {"mae": MAE(), "rmse": RMSE()}
        found["loss"] = TransformedLoss(self.regression.criterion, self.regression.transform)
        if final:
            found |= {"persistence-mae": PersistenceMAE(), "skill": Skill()}
            if self.regression.positive:
                found["mape"] = MAPE()
        return found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction`, or `prediction:<steps ahead>` of each of several."""
        values = prediction.detach().cpu().numpy()
        if self.horizon == 1:
            return {"prediction": values[:, 0]}
        return {f"prediction:{step + 1}": values[:, step] for step in range(values.shape[1])}
