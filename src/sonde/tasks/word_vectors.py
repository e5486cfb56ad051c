"""Word vectors: words that stand beside the same words get vectors that point the same way. Outputs are (centre, 3), see `loss`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.metrics.negative_sampling import NoiseAccuracy, NoiseLoss
from sonde.metrics.rows import RowMetric
from sonde.ops.negative_sampling import NO_WORD, negative_sampling
from sonde.tasks import Loss, Metric
from sonde.tasks.options import count, share


@dataclass(frozen=True)
class WordVectors:
    """Learn a vector for each word of a text from the words around it, by negative sampling."""

    OPTIONS: ClassVar[dict[str, str]] = {
        "window": "most words on either side that count as near; for each word a number up to that is drawn (default 5)",
        "negatives": "words drawn from noise for each word (default 5)",
        "subsample": "t: a word of frequency f is read with probability √(t / f), at most 1; 0 reads all (default 0.001)",
        "power": "words are drawn in proportion to their count to this power (default 0.75)",
    }
    # The noise is drawn with the batch, so that held-out text is measured by the loss itself.
    teacher_forced: ClassVar[bool] = True
    keeps_predictions: ClassVar[bool] = False

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> WordVectors:
        """From the options above, which decide how examples are cut. Raises RecipeError for values that do not exist."""
        count(options, "window", default=5)
        count(options, "negatives", default=5)
        share(options, "subsample", default=1e-3)
        return cls()

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The mean over pairs of words (skip-gram), or over windows (CBOW). The output: loss, wins and how many of both, by centre."""
        output, name = _told(model, batch.inputs)
        total = output[:, 0].sum()
        return Loss(total / max(totals[name], 1.0), {"loss": (total.detach(), batch.counts[name])}, output.detach())

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Loss, wins and how many of both, (centre, 3)."""
        return _told(model, inputs)[0]

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """The loss first; the share of right words that win over their noise."""
        return {"loss": NoiseLoss(), "noise-accuracy": NoiseAccuracy()}

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The mean loss at each centre."""
        values = prediction.detach()
        return {"prediction": (values[:, 0] / values[:, 2].clamp(min=1)).cpu().numpy()}


def _told(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, str]:
    """The output of (contexts, candidates), and which of the batch's counts its loss is divided by."""
    contexts, candidates = inputs
    scores: Tensor = model(contexts, candidates)
    real, name = contexts != NO_WORD, "pairs"
    if scores.shape[1] != contexts.shape[1]:  # the whole window foretells together
        real, name = real.any(1, keepdim=True), "examples"
    return torch.stack(negative_sampling(scores, candidates, real), 1), name
