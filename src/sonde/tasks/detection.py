"""Detection: the objects of a picture. Predictions are (picture, object, 6…): left, top, right, bottom, class, score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.errors import RecipeError
from sonde.metrics.detection import detection_metrics
from sonde.metrics.rows import RowMetric
from sonde.metrics.state import known
from sonde.nn.prepared import Prepared, own_losses
from sonde.tasks import Loss, Metric
from sonde.tasks.classification import balanced
from sonde.tasks.options import choice
from sonde.tasks.terms import from_terms

# A detection of at least this score is counted as one where a person reads how many there are.
SURE = 0.3


@dataclass(frozen=True)
class Detection:
    """Find the objects of a picture: a box and a class for each, and with Mask R-CNN its outline.

    Boxes are in pixels of the prepared picture, classes are numbers, rows stand in order of their scores (0…1), which are 0 where
    there is no object. How the loss is made belongs to the architecture; its terms are sums divided by the batch's "objects", the boxes
    that are to be found, so that cutting a batch changes nothing.
    """

    OPTIONS: ClassVar[dict[str, str]] = {
        "class_weights": "none, or balanced: objects of rare classes count more, n/(classes · n of the class) (default none)"
    }
    # Every picture has its boxes to be drawn up, sorted and matched: as many of the training part are measured.
    training_sample: ClassVar[int] = 500

    classes: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    @classmethod
    def build(cls, options: dict[str, Any], target: dict[str, Any]) -> Detection:
        """From the fitted target's `classes`, and `counts`, objects of each, for the weights."""
        weights = None
        if choice(options, "class_weights", ("none", "balanced"), default="none") == "balanced":
            weights = balanced(target.get("counts"))
        return cls(tuple(str(name) for name in target["classes"]), weights)

    def loss(self, model: nn.Module, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The model's own terms. Raises RecipeError for a model that is no detector."""
        own = own_losses(model)
        if own is None:
            name = type(model.network if isinstance(model, Prepared) else model).__name__
            what = f"{name} has no loss of its own, as a detector must"
            raise RecipeError(what, where="model.name", remedy="choose a detector: ssd-small, yolo-small, faster-rcnn")
        terms, output = own(batch.inputs, known(batch), batch.masks)
        return from_terms(terms, output, batch.counts, totals)

    def predict(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """(picture, object, 6), or with masks 6 + 28·28."""
        found: Tensor = model(*inputs)
        return found

    def metrics(self, final: bool) -> dict[str, Metric | RowMetric]:
        """COCO's mean average precision at an IoU of ½ first."""
        return dict(detection_metrics(final, self.classes))

    def table(self, prediction: Tensor) -> dict[str, np.ndarray]:
        """`prediction`: how many objects there are in each picture, those of a score of 0.3 and more."""
        return {"prediction": (prediction[..., 5] >= SURE).sum(1).cpu().numpy()}
