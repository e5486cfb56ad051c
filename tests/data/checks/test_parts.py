"""What is wrong between parts."""

from __future__ import annotations

import polars as pl

from data.checks.making import examine, none, numbers, one, table


def test_a_column_that_the_test_part_lacks() -> None:
    train = pl.DataFrame({"x": numbers(60), "floor area": numbers(60, seed=1), "y": numbers(60, seed=2)})
    test = train[:30].rename({"floor area": "floor_area"})
    problem = one(examine(table(train, test=test)), "has no column")
    assert problem.level == "error"
    assert problem.where == "test.csv"
    assert problem.found == "the test part has no column 'floor area' ('floor area' may be its 'floor_area')"
    assert "--drop" in problem.remedy


def test_a_column_that_is_text_in_one_part_and_numbers_in_the_other() -> None:
    train = pl.DataFrame({"grade": ["a", "b", "c"] * 20, "y": numbers(60, seed=2)})
    test = pl.DataFrame({"grade": [1, 2, 3] * 10, "y": numbers(30, seed=3)})
    assert "text in the training part and numbers in the test part" in one(examine(table(train, test=test)), "this column holds").found


def test_a_test_part_of_few_examples() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": numbers(60, seed=2)})
    problem = one(examine(table(train, test=train[:4])), "the test part has only 4 examples")
    assert problem.found.endswith("what is measured there is rough")
    labelled = train.with_columns(y=pl.Series(["a", "b"] * 30))
    problem = one(examine(table(labelled, test=labelled[:4].with_columns(x=pl.lit(9.0))), "classification"), "only 4 examples")
    assert "25 points in 100" in problem.found


def test_parts_that_fit() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": numbers(60, seed=2)})
    test = pl.DataFrame({"x": numbers(60, seed=7), "y": numbers(60, seed=8)})
    none(examine(table(train, test=test)), "")
