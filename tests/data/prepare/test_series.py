"""Series as windows: nothing of a later day stands in an example."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.making import everything, series
from sonde.data.prepare.columns import build_columns
from sonde.data.prepare.series import SeriesPreparation, fit_series
from sonde.data.prepare.target import fit_target
from sonde.data.split import Selection, split
from sonde.errors import DataError, RecipeError
from sonde.recipe import Data


def fitted(count: int, window: int, horizon: int = 1) -> SeriesPreparation:
    return fit_series(everything(series([float(day) for day in range(count)])), ("y",), {"window": window, "horizon": horizon})


@given(st.integers(1, 10), st.integers(1, 4), st.integers(20, 40))
@settings(max_examples=40, deadline=None)
def test_inputs_are_the_days_before_the_targets(window: int, horizon: int, count: int) -> None:
    content = series([float(day) for day in range(count)])
    target = fit_target("forecasting", {"horizon": horizon}, everything(content), ("y",))
    columns = build_columns(fitted(count, window, horizon), target, content.examples)
    assert columns.targets is not None
    assert columns.valid.tolist() == [day >= window + horizon - 1 for day in range(count)]
    for day in np.flatnonzero(columns.valid):
        assert columns.targets[day].tolist() == [float(day - step) for step in reversed(range(horizon))]
        assert columns.inputs[0][day].tolist() == [float(day - horizon - back) for back in reversed(range(window))]


def test_a_window_of_the_unseen_part_looks_back_and_no_target_is_seen_in_training() -> None:
    content = series([float(day) for day in range(40)])
    parts = split(content, Data(test=10, validation=0), task="forecasting", targets=("y",), seed=0)
    prep = fit_series(parts["train"], ("y",), {"window": 7, "horizon": 3})
    target = fit_target("forecasting", {"horizon": 3}, parts["train"], ("y",))
    columns = build_columns(prep, target, content.examples)
    assert columns.targets is not None
    train = parts["train"].index[columns.valid[parts["train"].index]]
    assert columns.targets[train].max() == 29
    assert columns.valid[parts["test"].index].all()
    assert columns.inputs[0][30].tolist() == [21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0]


def test_windows_with_a_gap_are_not_valid() -> None:
    values = [float(day) for day in range(12)]
    content = series([*values[:6], None, *values[7:]])
    columns = build_columns(fitted(12, 2), fit_target("forecasting", {}, everything(content), ("y",)), content.examples)
    assert np.flatnonzero(columns.valid).tolist() == [2, 3, 4, 5, 9, 10, 11]


def test_statistics_are_those_of_the_training_part() -> None:
    values = np.random.default_rng(0).normal(50, 3, 30)
    one = fit_series(Selection(series([*values, *values]).examples, np.arange(30)), ("y",), {})
    other = fit_series(Selection(series([*values, *([1e6] * 30)]).examples, np.arange(30)), ("y",), {})
    assert one == other
    assert one.normalisation == {"kind": "series", "mean": pytest.approx(values.mean()), "std": pytest.approx(values.std())}
    assert one.sizes == {"numbers": 7, "categories": ()}


def test_plain_data_hold_it() -> None:
    prep = fitted(30, 5, 2)
    assert SeriesPreparation.from_json(json.loads(json.dumps(prep.to_json()))) == prep
    assert "the next 2 values from the 5 before" in prep.describe()[0]["why"]


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="the training part has 5 values, and a window of 7 with its target takes 8"):
        fitted(5, 7)
    with pytest.raises(RecipeError, match=r"task\.window = 0 is not a whole number of at least 1"):
        fitted(5, 0)
    with pytest.raises(DataError, match="there is no column 'y', which the model learned from"):
        fitted(20, 3).encode(everything(series([1.0], z=[2.0])).examples.__class__(series([1.0], z=[2.0]).examples.frame.drop("y")))
