"""Estimators that stand in scikit-learn's pipelines, searches and cross-validations.

They use the same recipe, preparation and loop as `sonde train`; the run folder is a temporary one. All examples that
`fit` is given train: hold out your own, as scikit-learn's tools do.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any, no_type_check

import numpy as np
import polars as pl
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, column_or_1d, validate_data

from sonde import fit, tasks
from sonde.data.contents import Examples
from sonde.data.prepare.columns import build_columns
from sonde.recipe import Recipe, with_settings
from sonde.run import Run
from sonde.tasks.classification import Classification, class_probabilities

TARGET = "target of fit"
BLOCK = 4096  # rows predicted at once


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: parameters, and the way from arrays or frames to examples."""

    model: str
    epochs: int | None
    batch_size: int | None
    optimizer: str | None
    lr: float | None
    weight_decay: float | None
    settings: dict[str, Any] | None
    device: str | None
    random_state: Any

    @no_type_check  # scikit-learn's rule: what is wrong is told by fit, not here
    def __init__(
        self,
        model: str = "mlp",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: str | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        settings: dict[str, Any] | None = None,
        device: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.settings = settings
        self.device = device
        self.random_state = random_state

    def _frame(self, X: Any, *, reset: bool) -> pl.DataFrame:
        """Rows with one column a feature. Frames keep their text and categories; arrays must be numbers, NaN is missing."""
        if _is_frame(X):
            frame = X if isinstance(X, pl.DataFrame) else pl.from_pandas(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
            if frame.height < (least := 2 if reset else 1):
                raise ValueError(f"Found frame with {frame.height} sample(s) while a minimum of {least} is required.")
            return frame.rename({name: str(name) for name in frame.columns})
        array = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2 if reset else 1)
        if np.isinf(array).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float64').")
        names = getattr(self, "feature_names_in_", [f"x{number}" for number in range(array.shape[1])])
        return pl.DataFrame({str(name): array[:, place] for place, name in enumerate(names)})

    def _train(self, frame: pl.DataFrame, target: pl.Series, task: str) -> None:
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31 - 1)
        recipe = Recipe().replace(
            data={"target": (TARGET,), "validation": 0.0, "test": 0.0, "types": dict.fromkeys(_numbers(frame), "number")},
            task={"name": task},
            model={"name": self.model},
            optim={"name": self.optimizer, "lr": self.lr, "weight_decay": self.weight_decay},
            training={"epochs": self.epochs, "batch_size": self.batch_size, "seed": int(seed), "device": self.device, "compile": False},
        )
        recipe = with_settings(recipe, self.settings or {})
        with tempfile.TemporaryDirectory() as folder:
            run: Run = fit.train(recipe, data=frame.with_columns(target.alias(TARGET)), out=Path(folder) / "run", pages=False)
            self.recipe_ = run.recipe
            self.module_ = run.model
            self._keep(run)

    def _keep(self, run: Run) -> None:
        self._task: tasks.Task = run.task
        self._preparation = run.preparation

    def _predictions(self, X: Any) -> Any:
        check_is_fitted(self)
        columns = build_columns(self._preparation, None, Examples(self._frame(X, reset=False)))
        # In float64 a row's prediction does not depend on which others it comes with, up to the digits that are compared.
        module = copy.deepcopy(self.module_).double()
        with torch.no_grad():
            blocks = [self._task.predict(module, inputs) for inputs in zip(*(part.split(BLOCK) for part in columns.inputs), strict=True)]
        return torch.cat(blocks)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Tell classes apart. Parameters as in `sonde train`; `settings` are `--set` values, such as {"model.width": 64}.

    Attributes: `classes_`, `module_` (a plain torch module), `recipe_`, `n_features_in_`.
    """

    def fit(self, X: Any, y: Any) -> Classifier:
        """Train on rows X (array (row, feature) or frame) and labels y (row,)."""
        frame = self._frame(X, reset=True)
        y = column_or_1d(_values(y), warn=True)
        check_classification_targets(y)
        _same_length(frame, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}.")
        # Codes of equal length sort as the classes do.
        width = len(str(len(self.classes_)))
        self._train(frame, pl.Series([f"class {code:0{width}d}" for code in codes]), "classification")
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (row, class), in the order of `classes_`."""
        outputs = self._predictions(X)
        assert isinstance(self._task, Classification)
        probabilities: np.ndarray = class_probabilities(outputs, self._task.criterion).numpy()
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        chosen = self._predictions(X).argmax(1).numpy()
        labels: np.ndarray = self.classes_[chosen]
        return labels


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """Predict a number. Parameters as in `sonde train`; `settings` are `--set` values.

    Attributes: `module_` (a plain torch module), `recipe_`, `n_features_in_`.
    """

    def fit(self, X: Any, y: Any) -> Regressor:
        """Train on rows X (array (row, feature) or frame) and numbers y (row,)."""
        frame = self._frame(X, reset=True)
        y = column_or_1d(_values(y), warn=True).astype(np.float64)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        _same_length(frame, y)
        self._train(frame, pl.Series(y), "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted number of each row."""
        values: np.ndarray = self._predictions(X)[:, 0].numpy()
        return values


def _is_frame(X: Any) -> bool:
    """A polars or pandas frame with columns that are not all numbers (those of numbers alone go the array's way)."""
    if isinstance(X, pl.DataFrame):
        return True
    kinds = getattr(X, "dtypes", None)
    return hasattr(X, "columns") and kinds is not None and not all(getattr(kind, "kind", "O") in "biuf" for kind in kinds)


def _numbers(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind.is_numeric()]


def _values(y: Any) -> Any:
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None")
    return y.to_numpy() if isinstance(y, pl.Series) else y


def _same_length(frame: pl.DataFrame, y: np.ndarray) -> None:
    if frame.height != len(y):
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{frame.height}, {len(y)}]")
