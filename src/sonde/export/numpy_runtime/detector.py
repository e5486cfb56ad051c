"""The objects of pictures, a row each, in the pictures' own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import scenes
from .boxes import best_boxes, fused, in_original

if TYPE_CHECKING:
    from .model import Model

COLUMNS = ("image", "label", "score", "left", "top", "right", "bottom")


class Detector:
    """`models`: one, or the folds of one run, whose boxes are fused. `preprocessing` is that of the first."""

    def __init__(self, models: list[Model]) -> None:
        self.models, self.preprocessing = models, models[0].preprocessing

    def predict(self, source: Any, *, least: float = 0.0) -> dict[str, Any]:
        """Columns by name, as `sonde predict` has them: `image`, `label`, `score`, `left`, `top`, `right`, `bottom` in pixels of the picture.

        A row an object of a score of at least `least`, a picture's surest first; a picture without any has one row, of None but for its name.
        `source`: a path of a picture or folder, a list of paths, an array (n, height, width[, channels]), or a file of one.
        """
        classes = self.preprocessing["answer"]["classes"]
        table: list[tuple[Any, ...]] = []
        for name, rows in self.objects(source):
            sure = rows[rows[:, 5].astype(np.float64) >= least]
            table += [(name, classes[int(row[4])], float(row[5]), *map(float, row[:4])) for row in sure] or [(name, *[None] * 6)]
        return {column: [row[place] for row in table] for place, column in enumerate(COLUMNS)}

    def objects(self, source: Any) -> Iterator[tuple[str, np.ndarray]]:
        """Of each picture its name and rows (left, top, right, bottom, class, score) in its own pixels, the surest first."""
        fitted = [model.preprocessing["preparation"] for model in self.models]
        for looks in zip(*(scenes.seen(source, at_least=each["longer"]) for each in fitted), strict=True):
            found, scales = [], []
            for model, own, (name, picture, size) in zip(self.models, fitted, looks, strict=True):
                found.append(answers(model, scenes.place(picture, own, name, size)[None])[0])
                scales.append(scenes.scale(size, own))
            rows = found[0] if len(found) == 1 else self._fused(found, scales)
            yield looks[0][0], in_original(rows, scales[0], looks[0][2])

    def _fused(self, found: list[np.ndarray], scales: list[float]) -> np.ndarray:
        """What several models found, on the canvas of the first."""
        answer = self.preprocessing["answer"]
        single = np.array(scales, dtype=np.float32)
        for rows, factor in zip(found, single[0] / single, strict=True):
            rows[:, :4] *= factor
        return fused(found, threshold=answer["together"], most=answer["most"])


def answers(model: Model, canvases: np.ndarray) -> list[np.ndarray]:
    """Of each canvas rows (left, top, right, bottom, class, score) in its pixels. The graph gives (picture, place, 4 + class): boxes and scores."""
    limits = {key: model.preprocessing["answer"][key] for key in ("iou", "most", "floor", "candidates")}
    return [best_boxes(each[:, :4], each[:, 4:], **limits) for each in model.outputs(canvases)]
