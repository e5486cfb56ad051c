"""Tagging: a tag for each token, such as whether it is part of a name. Predictions are logits (sentence, token, tag), −∞ after the end."""

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
from sonde.metrics.span_f1 import SpanF1, SpanPrecision, SpanRecall
from sonde.metrics.state import known
from sonde.metrics.tags import TagAccuracy, TagLoss
from sonde.tasks import Loss, Metric
from sonde.tasks.constant import constant
from sonde.tasks.options import share


@dataclass(frozen=True)
class Tagging:
    """Tell the tag of each token of a sentence: names of persons and places, parts of speech.

    `classes`: the tags. `spans`: whether they are those of BIO or BIOES, so that whole spans can be counted.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "smoothing": "label smoothing ε: targets are (1 − ε)·one-hot + ε/tags (default 0)",
        "outside": "weight of the tag O in the loss, over 0 and up to 1: less finds more spans, and more that are none "
        "(default √(tokens in spans / tokens outside), at most 1)",
    }

    classes: tuple[str, ...]
    spans: bool
    smoothing: float = 0.0
    outside: float = 1.0

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Tagging:
        """From the options above and the fitted target's tags. Raises RecipeError for values that do not exist."""
        outside = options.get("outside", _outside(target))
        if isinstance(outside, bool) or not isinstance(outside, (int, float)) or not 0 < outside <= 1:
            remedy = "for example --set task.outside=0.3"
            raise RecipeError(f"task.outside = {outside!r} is no weight over 0 and up to 1", where="task.options", remedy=remedy)
        return cls(tuple(target["classes"]), bool(target["spans"]), share(options, "smoothing", default=0.0), float(outside))

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The mean over the tokens of all sentences of −ln p of the tag."""
        output, targets = model(*batch.inputs), known(batch)
        if len(batch.inputs) > 2:  # words past the cut are not told
            targets = targets.masked_fill(batch.inputs[2] == 0, NO_TARGET)
        weights = None if self.outside == 1 else constant(tuple(self.outside if tag == "O" else 1.0 for tag in self.classes), like=output)
        total = F.cross_entropy(
            output.flatten(0, 1), targets.flatten(), weights, reduction="sum", ignore_index=NO_TARGET, label_smoothing=self.smoothing
        )
        return Loss(total / totals["examples"], {"loss": (total.detach(), batch.counts["examples"])}, _ended(output.detach(), _told(batch.inputs)))

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (sentence, token, tag)."""
        return _ended(model(*inputs), _told(inputs))

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """Of spans F1 first, else accuracy."""
        found: dict[str, Metric | RowMetric] = {"span-f1": SpanF1(self.classes)} if self.spans else {}
        found |= {"accuracy": TagAccuracy(), "loss": TagLoss()}
        if final and self.spans:
            found |= {"span-precision": SpanPrecision(self.classes), "span-recall": SpanRecall(self.classes)}
        return found

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """The tags of each sentence with blanks between them."""
        lengths = prediction[..., 0].isfinite().sum(1)
        rows = zip(prediction.argmax(-1).tolist(), lengths.tolist(), strict=True)
        return {"prediction": np.array([" ".join([self.classes[tag] for tag in row[:count]]) for row, count in rows], dtype=object)}


def _outside(target: dict[str, Any]) -> float:
    """How much less `O` weighs where it is far more frequent than all other tags: unweighted, rare spans are never told."""
    counts = dict(zip(target["classes"], target.get("counts", ()), strict=False))
    outside = counts.get("O", 0)
    spans = sum(counts.values()) - outside
    return min(1.0, (spans / outside) ** 0.5) if outside and spans else 1.0


def _told(inputs: tuple[Tensor, ...]) -> Tensor:
    """How many tokens of each sentence are told: all, or of words that are read in pieces those whose first piece is read."""
    return (inputs[2] > 0).sum(1) if len(inputs) > 2 else inputs[1]


def _ended(logits: Tensor, lengths: Tensor) -> Tensor:
    """The logits with −∞ after each sentence's end, so that they say where that is."""
    after = torch.arange(logits.shape[1], device=logits.device) >= lengths[:, None]
    return logits.masked_fill(after[:, :, None], -torch.inf)
