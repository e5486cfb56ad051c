"""A classical model beside the network, on the same examples and the same encoded inputs: what a network has to beat.

Tables and series: histogram gradient boosting (Ke et al. 2017); pictures: logistic regression on the pixels; texts:
logistic regression on TF-IDF of words and pairs of neighbours (Spärck Jones 1972). From scikit-learn, with its defaults;
compared, never saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sonde.data.contents import Examples
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.text import formed
from sonde.run import Run
from sonde.training.evaluate import measure_predictions


def baseline(run: Run, part: str) -> tuple[str, dict[str, float]] | None:
    """The classical model's name and its measures on a part of the run's data; None where the task has none here."""
    target = run.target.values
    columns, index, examples = run.part("train")
    other, where, others = run.part(part)
    if columns.targets is None or other.targets is None or target["kind"] == "labels" or target.get("horizon", 1) > 1:
        return None
    y, rows = columns.targets[torch.from_numpy(index)].numpy(), torch.from_numpy(where)
    if columns.padded:
        if target["kind"] != "classes":
            return None
        texts, unseen = _texts(run, examples, index), _texts(run, others, where)
        outputs = _classify_texts(texts, y, unseen, classes=len(target["classes"]))
        return "logistic regression on TF-IDF", measure_predictions(run.task, outputs, other.targets[rows], (other.inputs[0][rows],))
    x, new = _inputs(columns, index), _inputs(other, where)
    seed, images = run.recipe.training.seed, run.description["kind"] == "images"
    if target["kind"] == "classes":
        name, outputs = _classify(x, y, new, classes=len(target["classes"]), seed=seed, images=images)
    elif len(target["columns"]) == 1:
        name, outputs = _regress(x, y[:, 0], new, seed=seed)
    else:
        return None
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
    return "logistic regression" if images else "gradient-boosted trees", _logits(model, new / scale, classes)


def _texts(run: Run, examples: Examples, index: np.ndarray) -> list[str]:
    """The texts of some rows, in the form that the run reads them in."""
    return list(formed(examples.frame[run.preparation.column].gather(index).to_list(), run.preparation.form))


def _classify_texts(texts: list[str], y: np.ndarray, new: list[str], *, classes: int) -> Tensor:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    # Every token counts, single letters and marks too, as the network reads them; 1 + ln of counts.
    count = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(count.fit_transform(texts), y)
    return _logits(model, count.transform(new), classes)


def _logits(model: Any, new: Any, classes: int) -> Tensor:
    """Ln of the probabilities of all classes, those that the model never saw too."""
    probabilities = np.full((new.shape[0], classes), 1e-12)
    probabilities[:, model.classes_] = model.predict_proba(new)
    return torch.from_numpy(np.log(np.clip(probabilities, 1e-12, 1)))


def _regress(x: np.ndarray, y: np.ndarray, new: np.ndarray, *, seed: int) -> tuple[str, Tensor]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(random_state=seed).fit(x, y)
    return "gradient-boosted trees", torch.from_numpy(model.predict(new)).unsqueeze(1)
