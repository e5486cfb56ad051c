"""A classical model beside the network, on the same examples and the same encoded inputs: what a network has to beat.

Tables and series: histogram gradient boosting (Ke et al. 2017); pictures: logistic regression on the pixels. From
scikit-learn, with its defaults; compared, never saved.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sonde.data.prepare.columns import Columns
from sonde.run import Run
from sonde.training.evaluate import measure_predictions


def baseline(run: Run, part: str) -> tuple[str, dict[str, float]] | None:
    """The classical model's name and its measures on a part of the run's data; None where the task has none here."""
    target = run.target.values
    columns, index, _ = run.part("train")
    other, where, _ = run.part(part)
    if columns.targets is None or other.targets is None or target["kind"] == "labels" or target.get("horizon", 1) > 1:
        return None
    x, y = _inputs(columns, index), columns.targets[torch.from_numpy(index)].numpy()
    new = _inputs(other, where)
    seed, images = run.recipe.training.seed, run.description["kind"] == "images"
    if target["kind"] == "classes":
        name, outputs = _classify(x, y, new, classes=len(target["classes"]), seed=seed, images=images)
    elif len(target["columns"]) == 1:
        name, outputs = _regress(x, y[:, 0], new, seed=seed)
    else:
        return None
    rows = torch.from_numpy(where)
    return name, measure_predictions(run.task, outputs, other.targets[rows], (other.inputs[0][rows],))


def _inputs(columns: Columns, index: np.ndarray) -> np.ndarray:
    """All inputs of some rows side by side, float32; NaN is missing."""
    rows = torch.from_numpy(index)
    return torch.cat([part[rows].float().flatten(1) for part in columns.inputs], dim=1).numpy()


def _classify(x: np.ndarray, y: np.ndarray, new: np.ndarray, *, classes: int, seed: int, images: bool) -> tuple[str, Tensor]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=200) if images else HistGradientBoostingClassifier(random_state=seed)
    scale = 255.0 if images else 1.0
    model.fit(x / scale, y)
    known = model.predict_proba(new / scale)
    probabilities = np.full((len(new), classes), 1e-12)
    probabilities[:, model.classes_] = known
    return "logistic regression" if images else "gradient-boosted trees", torch.from_numpy(np.log(np.clip(probabilities, 1e-12, 1)))


def _regress(x: np.ndarray, y: np.ndarray, new: np.ndarray, *, seed: int) -> tuple[str, Tensor]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(random_state=seed).fit(x, y)
    return "gradient-boosted trees", torch.from_numpy(model.predict(new)).unsqueeze(1)
