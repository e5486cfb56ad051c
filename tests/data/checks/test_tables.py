"""What is wrong with columns: each finding with its place, its words and its remedy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data.checks.making import examine, none, numbers, one, table
from sonde.errors import DataError


def test_text_in_a_column_of_numbers_names_line_column_and_value() -> None:
    age = [str(20 + row % 37) for row in range(200)]
    age[4], age[90] = "forty", "12y"
    problem = one(examine(table({"age": age, "x": numbers(200), "y": numbers(200, seed=1)})), "text in a column of numbers")
    assert problem.level == "error"
    assert problem.where == "t.csv, column 'age', lines 6, 92"
    assert problem.found == "text in a column of numbers: 2 values of 200 are not a number: 'forty', '12y'"
    assert "correct these cells" in problem.remedy
    assert "--set data.types.age=category" in problem.remedy


def test_one_word_in_a_short_column_is_named() -> None:
    problem = one(examine(table({"age": ["1", "2", "x", "4", "5"], "y": [1.5, 2.0, 3.0, 4.0, 5.0]})), "text in a column of numbers")
    assert problem.where.endswith("column 'age', line 4")
    assert "1 value of 5 is not a number: 'x'" in problem.found


def test_marks_of_missing_values_get_their_own_remedy() -> None:
    age = ["-" if row % 50 == 0 else str(row) for row in range(200)]
    problem = one(examine(table({"age": age, "y": numbers(200)})), "text in a column of numbers")
    assert problem.remedy.startswith("leave these cells empty")


def test_text_in_numbers_is_a_warning_when_such_rows_are_left_out() -> None:
    content = table({"age": ["1", "2", "x", "4", "5"], "y": [1.5, 2.0, 3.0, 4.0, 5.0]})
    problem = one(examine(content, on_error="skip"), "text in a column of numbers")
    assert problem.level == "warning"
    assert "left out" in problem.found


def test_text_in_the_test_file_is_found_there() -> None:
    train = pl.DataFrame({"age": range(100), "y": numbers(100)})
    test = pl.DataFrame({"age": ["1", "old", "3"], "y": [0.5, 1.5, 2.5]})
    problem = one(examine(table(train, test=test)), "text in a column of numbers")
    assert problem.where == "test.csv, column 'age', line 3"


def test_codes_are_names_and_not_numbers() -> None:
    codes = {
        "rooms": ["1", "2", "3", "4+"] * 50,
        "zip": [f"0{1000 + row % 40}" for row in range(200)],
        "account": [str(10**20 + row % 40) for row in range(200)],
    }
    findings = examine(table(codes | {"y": numbers(200)}))
    types = {column["name"]: column["type"] for column in findings.to_json()["columns"]}
    assert types == {"rooms": "category", "zip": "category", "account": "category", "y": "number"}
    none(findings, "text in a column of numbers")


def test_a_type_that_the_user_gives_wins() -> None:
    content = table({"age": ["1", "2", "x", "4", "5"], "y": [1.5, 2.0, 3.0, 4.0, 5.0]})
    findings = examine(content, types={"age": "category"})
    none(findings, "text in a column of numbers")
    assert findings.to_json()["columns"][0]["why"] == "as given in data.types"


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinities_are_errors(bad: float) -> None:
    values = numbers(100)
    values[[3, 8]] = bad
    problem = one(examine(table({"x": values, "y": numbers(100, seed=1)})), "infinite")
    assert problem.level == "error"
    assert problem.where == "t.csv, column 'x', lines 5, 10"
    assert problem.found == "2 infinite values"
    assert "division by zero" in problem.remedy


def test_infinities_written_as_text_are_found() -> None:
    values = [str(value) for value in numbers(100)]
    values[7], values[9] = "inf", "n.a."
    assert one(examine(table({"x": values, "y": numbers(100, seed=1)})), "infinite").where.endswith("line 9")


def test_not_a_number_counts_as_missing() -> None:
    values = numbers(100)
    values[:7] = np.nan
    findings = examine(table({"x": values, "y": numbers(100, seed=1)}))
    column = findings.to_json()["columns"][0]
    assert column["missing"] == 7
    assert np.isclose(column["mean"], values[7:].mean())
    assert one(findings, "missing values").found == "1 column with missing values in 100 rows: 'x' 7"
    assert not findings.errors


def test_a_column_of_infinities_still_has_finite_figures() -> None:
    values = numbers(100)
    values[0] = np.inf
    column = examine(table({"x": values, "y": numbers(100, seed=1)})).to_json()["columns"][0]
    assert column["max"] == pytest.approx(values[1:].max())
    assert sum(column["histogram"]["counts"]) == 99


def test_similar_column_names() -> None:
    problem = one(
        examine(table({"Floor Area": numbers(60), "floor_area": numbers(60, seed=1), "y": numbers(60, seed=2)})), "differ only in case"
    )
    assert "'Floor Area', 'floor_area'" in problem.found
    assert "--drop" in problem.remedy


def test_constant_empty_and_identifier_columns_are_left_out_with_a_word() -> None:
    frame = {
        "id": range(100),
        "site": ["north"] * 100,
        "later": pl.Series([None] * 100, dtype=pl.Float64),
        "uuid": [f"{row:08x}-a" for row in range(100)],
        "x": numbers(100),
        "y": numbers(100, seed=1),
    }
    findings = examine(table(frame))
    roles = {column["name"]: column["role"] for column in findings.to_json()["columns"]}
    assert roles == {"id": "left-out", "site": "left-out", "later": "left-out", "uuid": "left-out", "x": "feature", "y": "target"}
    assert "the same value in every row" in one(findings, "'site'").found
    assert "no value at all" in one(findings, "'later'").found
    assert "--set data.types.id=category" in one(findings, "'id'").remedy
    assert one(findings, "'uuid'").level == "note"


def test_what_the_user_drops_is_not_reported() -> None:
    findings = examine(table({"site": ["north"] * 100, "x": numbers(100), "y": numbers(100, seed=1)}), drop=("site",))
    assert not [problem for problem in findings.problems if "site" in problem.where]
    assert findings.to_json()["columns"][0]["why"] == "named by --drop"


def test_almost_all_missing() -> None:
    values = pl.Series([1.0, 2.0, 3.0] + [None] * 97)
    problem = one(examine(table({"pool": values, "x": numbers(100), "y": numbers(100, seed=1)})), "97 of 100 values are missing")
    assert "column 'pool'" in problem.where
    assert "97.0%" in problem.found


def test_many_categories() -> None:
    rows = 400
    values = [f"T{row % 300}" for row in range(rows)]
    problem = one(examine(table({"ticket": values, "x": numbers(rows), "y": numbers(rows, seed=1)})), "different categories")
    assert problem.found.startswith("300 different categories in 400 values")


def test_words_for_missing_values_among_categories() -> None:
    values = ["red", "unknown", "blue", "green"] * 25
    problem = one(examine(table({"colour": values, "x": numbers(100), "y": numbers(100, seed=1)})), "reads like a missing value")
    assert "'unknown' (25 rows)" in problem.found


def test_categories_spelled_in_two_ways() -> None:
    values = ["North", "north", "South", "East"] * 25
    problem = one(examine(table({"side": values, "x": numbers(100), "y": numbers(100, seed=1)})), "differ only in case or blanks")
    assert "'North', 'north'" in problem.found
    assert problem.level == "warning"


def test_wide_range() -> None:
    values = np.exp(np.linspace(0, 14, 200))
    problem = one(examine(table({"income": values, "y": numbers(200)})), "powers of ten")
    assert problem.found.startswith("positive values over 6 powers of ten")


def test_values_cut_off_at_the_largest() -> None:
    values = np.minimum(np.abs(numbers(1000)) * 100, 200).round(1)
    problem = one(examine(table({"x": numbers(1000, seed=1), "y": values})), "exactly 200")
    assert "cut off" in problem.found
    assert "leave such rows out" in problem.remedy


def test_no_pile_in_counts_or_classes() -> None:
    rng = np.random.default_rng(0)
    none(examine(table({"n": rng.poisson(3, 1000), "c": rng.integers(0, 40, 1000), "y": numbers(1000)})), "cut off")


def test_dates_of_another_form_are_named() -> None:
    dates = [f"2021-01-{1 + row % 28:02d}" for row in range(100)]
    dates[10], dates[20] = "12 March 21", "soon"
    problem = one(examine(table({"day": dates, "x": numbers(100), "y": numbers(100, seed=1)})), "cannot be read as dates")
    assert problem.where == "t.csv, column 'day', lines 12, 22"
    assert "like '2021-01-01': '12 March 21', 'soon'" in problem.found
    assert "YYYY-MM-DD" in problem.remedy


def test_day_and_month_that_cannot_be_told_apart() -> None:
    dates = [f"0{1 + row % 9}/0{1 + row % 7}/2021" for row in range(100)]
    problem = one(examine(table({"day": dates, "x": numbers(100), "y": numbers(100, seed=1)})), "cannot be told apart")
    assert "the month is taken to come first" in problem.found


def test_plain_dates_are_no_problem() -> None:
    findings = examine(table({"day": [f"2021-01-{1 + row % 28:02d}" for row in range(100)], "x": numbers(100), "y": numbers(100, seed=1)}))
    assert findings.to_json()["columns"][0]["type"] == "date"
    assert not findings.problems


def test_no_rows_and_no_columns_to_learn_from() -> None:
    empty = examine(table(pl.DataFrame({"x": [], "y": []}, schema={"x": pl.Float64, "y": pl.Float64})))
    assert "there is no example" in empty.errors[0].found
    alone = examine(table({"id": range(100), "y": numbers(100)}))
    assert one(alone, "no column is left to learn 'y' from").level == "error"
    with pytest.raises(DataError, match="no column is left to learn 'y' from; left out: id"):
        alone.stop()


def test_few_rows() -> None:
    assert "only 12 examples" in one(examine(table({"x": numbers(12), "y": numbers(12, seed=1)})), "only 12").found


def test_a_clean_table_has_no_problem() -> None:
    findings = examine(table({"x": numbers(200), "c": ["a", "b"] * 100, "y": numbers(200, seed=1)}))
    assert findings.problems == ()
    findings.stop()
