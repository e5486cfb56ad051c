"""Targets: classes, labels and numbers, fitted on the training part."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from data.making import everything, table
from sonde.data.contents import Examples
from sonde.data.prepare.target import ahead, fit_target, skewness
from sonde.data.split import Selection
from sonde.errors import DataError, RecipeError
from sonde.tasks.transforms import from_target


def select(**columns: Any) -> Selection:
    return everything(table(columns))


def test_classes_stand_in_the_order_of_numbers_or_letters() -> None:
    assert fit_target("classification", {}, select(y=["b", "a", "b", "c"]), ("y",)).values == {
        "kind": "classes",
        "columns": ["y"],
        "classes": ["a", "b", "c"],
        "counts": [1, 2, 1],
    }
    assert fit_target("classification", {}, select(y=[10, 9, 100]), ("y",)).values["classes"] == ["9", "10", "100"]
    assert fit_target("classification", {}, select(y=[1.0, 0.0, None]), ("y",)).values["classes"] == ["0", "1"]
    assert fit_target("classification", {}, select(y=[True, False]), ("y",)).values["classes"] == ["false", "true"]


def test_class_numbers_and_missing_labels() -> None:
    target = fit_target("classification", {}, select(y=["b", "a", "c"]), ("y",))
    codes = target.encode(pl.DataFrame({"y": ["c", None, "a"]}))
    assert codes.dtype == np.int64
    assert codes.tolist() == [2, -1, 0]
    assert target.outputs == 3
    numbers = fit_target("classification", {}, select(y=[0, 1]), ("y",))
    for same in ([1, 0], [1.0, 0.0], ["1", "0"]):
        assert numbers.encode(pl.DataFrame({"y": same})).tolist() == [1, 0]


def test_unseen_labels_are_named_with_their_lines() -> None:
    target = fit_target("classification", {}, select(y=["cat", "dog"]), ("y",))
    message = r"new\.csv, line 3, column 'y': the label 'bird' does not occur in the training part\n.*are cat, dog: mend the label"
    with pytest.raises(DataError, match=message) as error:
        target.encode(pl.DataFrame({"y": ["cat", "bird", "fish"]}), origin="new.csv")
    assert [problem.example for problem in error.value.problems] == [1, 2]
    with pytest.raises(DataError, match=r"line 40, column 'y'"):
        target.encode(pl.DataFrame({"y": ["bird"]}), lines=np.array([40]))
    with pytest.raises(DataError, match="there is no column 'y'"):
        target.encode(pl.DataFrame({"x": ["cat"]}))


def test_several_labels() -> None:
    target = fit_target("multi-label-classification", {}, select(rain=[0, 1, 1], snow=[True, False, False]), ("rain", "snow"))
    assert target.values == {"kind": "labels", "columns": ["rain", "snow"], "counts": [2, 1]}
    encoded = target.encode(pl.DataFrame({"rain": [1, 0], "snow": [False, None]}))
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [[1, 0], [0, np.nan]])
    with pytest.raises(DataError, match="line 2, column 'rain': 2 is not 0 or 1"):
        target.encode(pl.DataFrame({"rain": [2], "snow": [True]}))


def test_numbers_stay_in_their_own_units() -> None:
    values = np.random.default_rng(0).normal(100, 5, 200)
    target = fit_target("regression", {}, select(y=values), ("y",))
    assert target.values["transform"] == "standardise"
    assert target.values["mean"][0] == pytest.approx(values.mean())
    assert target.values["std"][0] == pytest.approx(values.std())
    np.testing.assert_allclose(target.encode(pl.DataFrame({"y": values}))[:, 0], values, rtol=1e-6)


def test_skewed_positive_targets_are_predicted_as_logarithms() -> None:
    values = np.exp(np.random.default_rng(0).normal(12, 0.8, 500))
    target = fit_target("regression", {}, select(y=values), ("y",))
    assert target.values["transform"] == "log"
    assert "all targets are positive and skewed" in target.why
    transform = from_target(target.values)
    moved = transform.forward(torch.from_numpy(values)[:, None])
    assert abs(float(moved.mean())) < 1e-9
    assert float(moved.std(correction=0)) == pytest.approx(1)
    np.testing.assert_allclose(transform.inverse(moved)[:, 0], values, rtol=1e-9)
    assert fit_target("regression", {}, select(y=values - values.min()), ("y",)).values["transform"] == "standardise"
    assert fit_target("regression", {"transform": "standardise"}, select(y=values), ("y",)).values["transform"] == "standardise"
    assert fit_target("regression", {"transform": "none"}, select(y=values), ("y",)).values["mean"] == [0.0]


def test_transforms_that_cannot_be() -> None:
    with pytest.raises(RecipeError, match=r"task\.transform = 'logs' is not one of none, standardise, log"):
        fit_target("regression", {"transform": "logs"}, select(y=[1.0, 2.0]), ("y",))
    with pytest.raises(DataError, match=r"line 3, column 'y': -1 has no ln\(1 \+ y\)"):
        fit_target("regression", {"transform": "log"}, select(y=[1.0, -1.0]), ("y",))
    with pytest.raises(DataError, match="line 3, column 'y': inf is not a finite number"):
        fit_target("regression", {}, select(y=[1.0, float("inf")]), ("y",))


def test_fitted_on_the_training_part_alone() -> None:
    rows = np.arange(10)
    one = Selection(Examples(pl.DataFrame({"y": np.arange(20.0)})), rows)
    other = Selection(Examples(pl.DataFrame({"y": [*range(10), *([1e6] * 10)]}, schema={"y": pl.Float64}, strict=False)), rows)
    assert fit_target("regression", {}, one, ("y",)) == fit_target("regression", {}, other, ("y",))


def test_a_forecast_has_a_value_for_each_step_ahead() -> None:
    target = fit_target("forecasting", {"horizon": 3}, select(y=[1.0, 2.0, 3.0, 4.0]), ("y",))
    assert target.outputs == 3
    np.testing.assert_array_equal(target.encode(pl.DataFrame({"y": [1.0, 2.0, 3.0, 4.0]}))[2:], [[1, 2, 3], [2, 3, 4]])
    assert np.isnan(ahead(np.arange(3.0), 3)[:2]).any(1).all()


def test_skewness() -> None:
    assert skewness(np.array([1.0, 1.0])) == 0
    assert skewness(np.array([-1.0, 0.0, 1.0])) == pytest.approx(0, abs=1e-12)
    assert skewness(np.random.default_rng(0).exponential(size=200_000)) == pytest.approx(2, abs=0.1)
