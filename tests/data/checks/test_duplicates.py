"""Rows that stand in the data more than once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data.checks.making import examine, none, numbers, one, table
from sonde.data.checks import duplicates


def frame(rows: int, *, seed: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(rows), "x": numbers(rows, seed=seed), "c": [f"c{row % 7}" for row in range(rows)], "y": numbers(rows, seed=seed + 9)}
    )


def test_repeated_rows_are_counted_without_their_id() -> None:
    plain = frame(100)
    copies = plain[[3, 3, 50]].with_columns(id=pl.Series([100, 101, 102]))
    problem = one(examine(table(pl.concat([plain, copies]))), "repeat an earlier one exactly")
    assert problem.level == "warning"
    assert problem.found == "3 rows of 103 repeat an earlier one exactly, identifiers aside (lines 5, 102, 103; lines 52, 104)"
    assert "delete the copies" in problem.remedy


def test_a_single_copy_among_many_is_a_note() -> None:
    plain = frame(300)
    problem = one(examine(table(pl.concat([plain, plain[[7]].with_columns(id=pl.Series([300]))]))), "repeats an earlier one exactly")
    assert problem.level == "note"


def test_missing_values_are_equal() -> None:
    x, z, y = numbers(100), numbers(100, seed=1), numbers(100, seed=2)
    x[91:], z[91:], y[91:] = np.nan, np.nan, 1.0
    assert "8 rows" in one(examine(table({"x": x, "z": z, "y": y})), "repeat an earlier").found


def test_same_inputs_with_different_targets() -> None:
    plain = frame(100)
    other = plain[[3, 4]].with_columns(id=pl.Series([100, 101]), y=pl.Series([0.5, 0.75]))
    findings = examine(table(pl.concat([plain, other])))
    problem = one(findings, "different target")
    assert problem.found == "4 rows have the inputs of another row but a different target (lines 5, 102; lines 6, 103)"
    none(findings, "repeat an earlier")


def test_rows_in_training_and_test_both() -> None:
    train, test = frame(100), frame(20, seed=5)
    test = pl.concat([test, train[[10, 11]]])
    problem = one(examine(table(train, test=test)), "in the test part stand")
    assert problem.level == "warning"
    assert problem.where == "test.csv"
    assert problem.found == "2 rows of 22 in the test part stand in the train part too (line 22 as line 12, line 23 as line 13)"
    assert "too good" in problem.remedy


def test_rows_on_two_sides_of_a_drawn_split() -> None:
    plain = frame(100)
    whole = pl.concat([plain, plain[[0, 1, 2]].with_columns(id=pl.Series([100, 101, 102]))])
    cut = {"train": range(80), "validation": range(80, 90), "test": range(90, 103)}
    problem = one(examine(table(whole), cut=cut), "in the test part stand in the train part")
    assert "3 rows of 13" in problem.found
    assert "line 102 as line 2" in problem.found


def test_rows_in_validation_and_test_both() -> None:
    whole = pl.concat([frame(100), frame(100)[[85]].with_columns(id=pl.Series([100]))])
    cut = {"train": range(80), "validation": range(80, 90), "test": range(90, 101)}
    assert "in the test part stands in the validation part too" in one(examine(table(whole), cut=cut), "validation part too").found


def test_few_columns_repeat_by_nature() -> None:
    rng = np.random.default_rng(0)
    whole = {"a": rng.integers(0, 2, 500), "b": rng.integers(0, 3, 500), "y": rng.integers(0, 2, 500)}
    cut = {"train": range(400), "test": range(400, 500)}
    assert examine(table(whole), "classification", cut=cut).problems == ()
    twice = {"x": np.repeat(numbers(250), 2), "b": np.repeat(rng.integers(0, 3, 250), 2), "y": np.repeat(rng.integers(0, 2, 250), 2)}
    assert one(examine(table(twice), "classification"), "250 rows of 500 repeat").level == "warning"


def test_large_tables_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "ALL_ROWS", 1000)
    plain = frame(3000)
    whole = pl.concat([plain, plain[:600].with_columns(id=pl.arange(3000, 3600))])
    cut = {"train": range(3000), "test": range(3000, 3600)}
    findings = examine(table(whole), deep=False, cut=cut)
    problem = one(findings, "sampled rows of the test part")
    found, sampled = (int(word.replace(",", "")) for word in problem.found.split(" sampled")[0].split(" of "))
    assert found == sampled > 300
    assert problem.level == "warning"
    exact = one(examine(table(whole), deep=True, cut=cut), "in the test part stand")
    assert exact.found.startswith("600 rows of 600")


def test_copies_within_a_large_table_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "ALL_ROWS", 1000)
    plain = frame(3000)
    whole = pl.concat([plain, plain[:900].with_columns(id=pl.arange(3000, 3900))])
    problem = one(examine(table(whole), deep=False, cut={"train": range(3900)}), "stand there more than once")
    found, sampled = (int(word.replace(",", "")) for word in problem.found.split(" sampled")[0].split(" of "))
    assert 0.4 < found / sampled < 0.52  # 1,800 of 3,900 rows have a twin


def test_groups_of_equal_keys() -> None:
    groups = duplicates.gather(np.array([5, 7, 5, 9, 7, 7], dtype=np.uint64))
    assert [groups.order[start:end].tolist() for start, end in zip(groups.starts, groups.ends, strict=True)] == [[0, 2], [1, 4, 5]]
    assert groups.extra == 3
    assert duplicates.gather(np.empty(0, dtype=np.uint64)).extra == 0
