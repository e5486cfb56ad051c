"""The estimators pass scikit-learn's own checks, and stand in its pipelines, searches and cross-validations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sonde.errors import RecipeError
from sonde.sklearn import Classifier, Regressor

SMALL: dict[str, Any] = {"epochs": 20, "batch_size": 16, "lr": 0.02, "settings": {"model.width": 16}}
QUICK: dict[str, Any] = {"epochs": 5, "batch_size": 32, "lr": 0.02, "settings": {"model.width": 16}}

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks([Classifier(**SMALL), Regressor(**SMALL)])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    """Every check applies; none is expected to fail."""
    check(estimator)


def mixed(rows: int = 80) -> tuple[pl.DataFrame, np.ndarray]:
    """A table of a number with gaps, a text category and a date-free integer, and labels that the category decides."""
    draw = np.random.default_rng(0)
    city = draw.choice(["Delft", "Graz", "Porto"], rows)
    frame = pl.DataFrame({"size": draw.normal(size=rows), "city": city, "rooms": draw.integers(1, 6, rows)})
    frame = frame.with_columns(pl.when(pl.int_range(rows) % 7 == 0).then(None).otherwise(pl.col("size")).alias("size"))
    return frame, np.where(city == "Graz", "far", "near")


def test_cross_validation_on_iris() -> None:
    assert cross_val_score(Classifier(**SMALL), *IRIS, cv=3).mean() > 0.9


def test_cross_validation_on_diabetes() -> None:
    assert cross_val_score(Regressor(**SMALL), *DIABETES, cv=3, scoring="r2").mean() > 0.3


def test_in_a_pipeline_and_a_search() -> None:
    x, y = IRIS
    pipeline = make_pipeline(StandardScaler(), Classifier(**QUICK))
    search = GridSearchCV(pipeline, {"classifier__lr": [1e-6, 0.05]}, cv=2).fit(x, y)
    assert search.best_params_ == {"classifier__lr": 0.05}
    assert search.best_estimator_.score(x, y) > 0.85


def test_clone_has_the_parameters_and_not_the_fit() -> None:
    fitted = Classifier(**QUICK).fit(*IRIS)
    bare = clone(fitted)
    assert bare.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        bare.predict(IRIS[0])


@pytest.mark.parametrize("kind", ["polars", "pandas", "pandas categories"])
def test_frames_keep_their_text(kind: str) -> None:
    frame, y = mixed()
    x: Any = frame
    if kind != "polars":
        x = pd.DataFrame(frame.to_dict(as_series=False))
    if kind == "pandas categories":
        x["city"] = x["city"].astype("category")
    fitted = Classifier(**SMALL).fit(x, y)
    assert fitted.score(x, y) > 0.95
    assert list(fitted.feature_names_in_) == ["size", "city", "rooms"]
    unseen = x[:2].with_columns(pl.lit("Oslo").alias("city")) if kind == "polars" else x[:2].assign(city="Oslo")
    assert np.isfinite(fitted.predict_proba(unseen)).all()


def test_columns_of_a_frame_are_those_of_the_fit() -> None:
    frame, y = mixed()
    fitted = Classifier(**QUICK).fit(frame, y)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename({"city": "town"}))


def test_missing_numbers() -> None:
    x, y = IRIS[0].copy(), IRIS[1]
    x[::5, 2] = np.nan
    fitted = Classifier(**QUICK).fit(x, y)
    assert np.isfinite(fitted.predict_proba(x)).all()


@pytest.mark.parametrize("settings", [{}, {"task.loss": "squared"}])
def test_probabilities(settings: dict[str, Any]) -> None:
    x, y = IRIS
    fitted = Classifier(**QUICK | {"settings": {"model.width": 16, **settings}}).fit(x, y)
    probabilities = fitted.predict_proba(x)
    assert probabilities.shape == (150, 3)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)
    chosen = np.searchsorted(fitted.classes_, fitted.predict(x))
    np.testing.assert_array_equal(probabilities[np.arange(150), chosen], probabilities.max(1))


def test_many_classes_keep_their_order() -> None:
    """Twelve classes of names that sort otherwise than numbers do."""
    y = np.repeat(np.arange(12), 8) * 3 - 10
    x = np.eye(12)[np.repeat(np.arange(12), 8)]
    fitted = Classifier(epochs=20, batch_size=8, lr=0.05).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), y)


@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_same_random_state_same_result(make: Any) -> None:
    x, y = IRIS
    draw = [make(**QUICK, random_state=state).fit(x, y).module_.state_dict() for state in (3, 3, np.random.RandomState(3), 4)]
    same = [all(torch.equal(draw[0][name], other[name]) for name in draw[0]) for other in draw]
    assert same == [True, True, False, False]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))])
def test_copies_predict_the_same(copied: Any) -> None:
    frame, y = mixed()
    fitted = Classifier(**QUICK).fit(frame, y)
    np.testing.assert_array_equal(copied(fitted).predict_proba(frame), fitted.predict_proba(frame))


def test_predictions_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, y = mixed()
    fitted = Classifier(**QUICK).fit(frame, y)
    whole = fitted.predict_proba(frame)
    monkeypatch.setattr("sonde.sklearn.BLOCK", 7)
    np.testing.assert_allclose(fitted.predict_proba(frame), whole, atol=1e-12)


def test_nothing_is_left_behind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Regressor(**QUICK).fit(*DIABETES)
    assert not list(tmp_path.iterdir())


def test_unknown_values_are_told_by_fit() -> None:
    with pytest.raises(RecipeError, match="there is no model 'mpl'"):
        Classifier("mpl").fit(*IRIS)
    with pytest.raises(RecipeError, match=r"training\.epochs = -1"):
        Classifier(epochs=-1).fit(*IRIS)
