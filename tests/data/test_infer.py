"""The task from the data, and what is said where it cannot be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from data.making import pictures, series, table
from sonde.data.infer import infer
from sonde.errors import DataError, RecipeError
from sonde.recipe import Data

MANY = list(range(30))


@pytest.mark.parametrize(
    ("target", "task", "reason"),
    [
        ([0.5, 1.5, 2.0] * 10, "regression", "a number with fractions"),
        (MANY, "regression", "30 distinct values, more than 20"),
        ([0, 1, 2] * 10, "classification", "a whole number with 3 distinct values"),
        ([0.0, 1.0, 2.0] * 10, "classification", "a whole number with 3 distinct values"),
        (["a", "b", "c"] * 10, "classification", "3 classes"),
        ([True, False, None] * 10, "classification", "2 classes"),
        ([f"class {i}" for i in MANY], "classification", "30 classes"),
    ],
)
def test_one_target_of_a_table(target: list[Any], task: str, reason: str) -> None:
    found = infer(table({"x": MANY, "y": target}), Data(target=("y",)))
    assert found.task == task
    assert reason in found.reason
    assert found.targets == ("y",)
    assert found.flag == ("--task regression" if task == "classification" else "--task classification")


def test_several_targets() -> None:
    content = table({"x": MANY, "rain": [0, 1, 1] * 10, "snow": [True, False, True] * 10, "degrees": [0.5] * 29 + [1.0]})
    assert infer(content, Data(target=("rain", "snow"))).task == "multi-label-classification"
    assert infer(content, Data(target=("rain", "degrees"))).task == "regression"
    assert infer(content, Data(target=("x", "degrees"))).task == "regression"
    with pytest.raises(DataError, match="neither a number nor 0/1"):
        infer(table({"a": ["x", "y"], "b": [0, 1]}), Data(target=("a", "b")))


def test_a_table_without_a_target_lists_its_columns() -> None:
    with pytest.raises(DataError, match=r"t\.csv: which column is to be predicted\? There are: size, price\n.*name one, such as --target 'price'"):
        infer(table({"size": [1, 2], "price": [3, 4]}), Data())


def test_an_unknown_target_names_the_nearest_column() -> None:
    with pytest.raises(DataError, match=r"there is no column 'pirce' to predict\n.*did you mean 'price'"):
        infer(table({"size": [1, 2], "price": [3, 4]}), Data(target=("pirce",)))


def test_a_target_named_twice() -> None:
    with pytest.raises(DataError, match="names a column twice: price, price"):
        infer(table({"price": [3, 4]}), Data(target=("price", "price")))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([None, None], "the target has no values: all 2 rows are missing"),
        ([float("nan"), float("nan")], "the target has no values"),
        (["a", "a"], "the target is always 'a', so there is nothing to learn"),
        ([3.0, None], "the target is always 3.0"),
        ([[1], [2]], "the target holds lists or structures"),
    ],
)
def test_targets_that_cannot_be_learnt(values: list[Any], found: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv, column 'y': " + found):
        infer(table({"x": [1, 2], "y": values}), Data(target=("y",)))


def test_pictures_are_classified_by_their_label_however_many_classes() -> None:
    picture = np.zeros((4, 4, 1), np.uint8)
    found = infer(pictures([picture] * 60, list(range(60))), Data())
    assert (found.task, found.targets) == ("classification", ("label",))
    assert infer(pictures([picture] * 4, [0.5, 1.5, 2.0, 3.0]), Data()).task == "regression"


def test_a_series_is_forecast() -> None:
    found = infer(series([1.0, 2.0, 3.0]), Data())
    assert (found.task, found.targets) == ("forecasting", ("y",))
    assert "next value of 'y'" in found.reason
    constant = infer(series([1.0, 1.0]), Data())
    assert constant.task == "forecasting"


def test_a_task_of_the_user_is_obeyed_or_refused() -> None:
    content = table({"x": MANY, "y": [1, 2, 3] * 10, "z": [f"{i}" for i in MANY], "w": [i / 7 for i in MANY]})
    assert infer(content, Data(target=("y",)), "regression").task == "regression"
    assert infer(content, Data(target=("y",)), "regression").flag == "--task"
    with pytest.raises(DataError, match="column 'z': regression predicts numbers, and the target holds '0'"):
        infer(content, Data(target=("z",)), "regression")
    with pytest.raises(DataError, match="30 distinct values in 30 rows, too many to be classes"):
        infer(content, Data(target=("w",)), "classification")
    with pytest.raises(DataError, match="classification predicts one column, and 2 were named"):
        infer(content, Data(target=("y", "z")[:1] + ("x",)), "classification")
    with pytest.raises(DataError, match="several labels are columns of 0 and 1"):
        infer(content, Data(target=("y",)), "multi-label-classification")
    with pytest.raises(DataError, match="forecasting needs a series of numbers, and this is of kind table"):
        infer(content, Data(target=("y",)), "forecasting")
    with pytest.raises(RecipeError, match="there is no task 'classify'"):
        infer(content, Data(target=("y",)), "classify")


def test_large_targets_are_told_from_fractions_without_counting() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    assert infer(table(pl.DataFrame({"x": values, "y": values})), Data(target=("y",))).task == "regression"
