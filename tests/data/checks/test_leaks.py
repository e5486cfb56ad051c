"""Columns that give the target away, and honest ones that do not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data.checks.making import examine, none, numbers, one, table


def test_a_copy_of_a_class() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(["ill", "well"], 400)
    frame = {"x": numbers(400), "ward": np.where(y == "ill", "B", rng.choice(["A", "C"], 400)), "y": y}
    problem = one(examine(table(frame), "classification"), "gives the target")
    assert problem.level == "warning"
    assert problem.where == "t.csv, column 'ward'"
    assert "it alone tells the class of 100.0% of rows" in problem.found
    assert "--drop ward" in problem.remedy


def test_a_number_that_gives_a_rare_class_away() -> None:
    rng = np.random.default_rng(1)
    rare = rng.random(2000) < 0.05
    frame = {"x": numbers(2000), "paid": np.where(rare, 50 + rng.random(2000), 49 * rng.random(2000)), "y": np.where(rare, "yes", "no")}
    assert "'paid'" in one(examine(table(frame), "classification"), "gives the target").where


def test_missing_values_that_give_the_class_away() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 500)
    outcome = pl.Series([None if label else float(value) for label, value in zip(y, rng.random(500), strict=True)])
    assert "'outcome'" in one(examine(table({"x": numbers(500), "outcome": outcome, "y": y}), "classification"), "gives the target").where


@pytest.mark.parametrize("function", [lambda y: -3 * y + 1, np.exp, lambda y: y**3])
def test_a_monotone_function_of_a_quantity(function: object) -> None:
    y = numbers(500)
    problem = one(examine(table({"x": numbers(500, seed=1), "copy": function(y), "y": y})), "gives the target")  # type: ignore[operator]
    assert "rank correlation" in problem.found
    assert "'copy'" in problem.where


def test_a_function_of_the_column_that_is_not_monotone() -> None:
    x = np.random.default_rng(3).uniform(-1, 1, 4000)
    problem = one(examine(table({"x": numbers(4000), "root": x, "y": x**2})), "gives the target")
    assert "of the target's variance" in problem.found


def test_honest_columns() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 1000)
    frame = {"good": y + rng.normal(size=1000), "better": y + 0.5 * rng.normal(size=1000), "city": rng.choice(list("abcde"), 1000), "y": y}
    none(examine(table(frame), "classification"), "gives the target")
    x = rng.normal(size=1000)
    none(examine(table({"good": x, "noise": rng.normal(size=1000), "y": x + 0.2 * rng.normal(size=1000)})), "gives the target")


def test_the_only_feature_may_be_a_function_of_the_target() -> None:
    x = numbers(200)
    none(examine(table({"x": x, "y": 2 * x + 1})), "gives the target")


def test_few_rows_prove_nothing() -> None:
    none(examine(table({"x": [0, 0, 1, 1], "z": [0, 1, 0, 1], "y": [0, 1, 1, 0]}), "classification"), "gives the target")


def test_a_key_column_that_is_different_in_each_row_gives_nothing_away() -> None:
    rng = np.random.default_rng(5)
    frame = {"key": [f"k{value}" for value in rng.permutation(600)], "x": numbers(600), "y": rng.integers(0, 2, 600)}
    none(examine(table(frame), "classification", types={"key": "category"}), "gives the target")
