"""What is wrong with the target and its classes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data.checks.making import examine, none, numbers, one, table
from sonde.errors import DataError, Problem


def labelled(labels: list[str], **data: object) -> object:
    return examine(table({"x": numbers(len(labels)), "z": numbers(len(labels), seed=1), "y": labels}), "classification", **data)  # type: ignore[arg-type]


def test_a_target_that_is_all_missing() -> None:
    findings = examine(table({"x": numbers(100), "y": pl.Series([None] * 100, dtype=pl.Float64)}))
    problem = one(findings, "all 100 values of the target are missing")
    assert problem.level == "error"
    assert "--target" in problem.remedy
    with pytest.raises(DataError, match="column 'y': all 100 values of the target are missing"):
        findings.stop()


@pytest.mark.parametrize("gone", [None, np.nan])
def test_some_targets_missing(gone: float | None) -> None:
    values: list[float | None] = list(numbers(100))
    values[3] = values[98] = gone
    problem = one(examine(table({"x": numbers(100, seed=1), "y": values})), "the target is missing in 2 examples of 100")
    assert problem.level == "error"
    assert problem.where == "t.csv, column 'y', lines 5, 100"
    assert one(examine(table({"x": numbers(100, seed=1), "y": values}), on_error="skip"), "the target is missing").level == "warning"


def test_a_constant_target() -> None:
    problem = one(examine(table({"x": numbers(100), "y": [4.5] * 100})), "the target is 4.5 in all 100 examples")
    assert problem.level == "error"
    problem = one(labelled(["cat"] * 100), "one class 'cat'")
    assert problem.level == "error"
    assert "another class" in problem.remedy


def test_a_constant_target_far_into_a_large_table_is_none() -> None:
    values = np.zeros(5000)
    values[-1] = 1.0
    none(examine(table({"x": numbers(5000), "y": values})), "in all")


def test_a_class_with_one_example() -> None:
    problem = one(labelled(["cat"] * 50 + ["dog"] * 49 + ["eel"]), "one example")
    assert problem.level == "error"
    assert problem.where == "t.csv, column 'y', line 101"
    assert problem.found == "class 'eel' has one example: it can be learned from or measured on, not both"
    assert "merge" in problem.remedy
    assert "--task regression" in problem.remedy


def test_a_class_with_one_example_in_given_parts_is_a_warning() -> None:
    train = pl.DataFrame({"x": numbers(51), "y": ["cat"] * 25 + ["dog"] * 25 + ["eel"]})
    test = pl.DataFrame({"x": numbers(20, seed=1), "y": ["cat", "dog"] * 10})
    assert one(examine(table(train, test=test), "classification"), "one example").level == "warning"


def test_classes_smaller_than_the_number_of_folds() -> None:
    problem = one(labelled(["cat"] * 50 + ["dog"] * 50 + ["eel"] * 3, folds=5), "fewer examples than there are folds")
    assert problem.found == "class 'eel' has fewer examples than there are folds (5)"
    assert "--folds 3" in problem.remedy


def test_imbalance() -> None:
    problem = one(labelled(["no"] * 400 + ["yes"] * 10), "40 to 1")
    assert problem.level == "warning"
    assert "class 'no' has 400 examples, class 'yes' 10" in problem.found
    assert "balanced-accuracy" in problem.remedy
    none(labelled(["no"] * 190 + ["yes"] * 10), "to 1")


def test_labels_that_differ_in_case_or_blanks() -> None:
    problem = one(labelled(["cat", "Cat", "dog", "dog "] * 30), "differ only in case or blanks")
    assert problem.level == "warning"
    assert "'Cat', 'cat'" in problem.found
    assert "'dog', 'dog '" in problem.found
    assert problem.remedy == "write each class in one way"


def test_labels_unseen_in_training_name_file_and_line() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": ["cat", "dog"] * 30})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": ["cat", "dog", "eel"] * 10})
    problem = one(examine(table(train, test=test), "classification"), "not among the training classes")
    assert problem.level == "error"
    assert problem.where == "test.csv, column 'y', lines 4, 7, 10, 13, 16 and 5 more"
    assert problem.found == "class 'eel' (10 examples) not among the training classes 'cat', 'dog'"


def test_an_unseen_label_that_is_probably_a_known_one() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": ["<=50K", ">50K"] * 30})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": ["<=50K.", "<=50K", ">50K"] * 10})
    problem = one(examine(table(train, test=test), "classification"), "not among the training classes")
    assert "write it in one way" in problem.remedy


def test_whole_floats_and_whole_numbers_are_the_same_class() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": [0, 1] * 30})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": [0.0, 1.0] * 15})
    findings = examine(table(train, test=test), "classification")
    none(findings, "not among")
    assert findings.to_json()["classes"] == [
        {"name": "0", "counts": {"train": 30, "test": 15}},
        {"name": "1", "counts": {"train": 30, "test": 15}},
    ]


def test_a_training_class_that_the_test_part_lacks() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": ["cat", "dog", "eel"] * 20})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": ["cat", "dog"] * 15})
    problem = one(examine(table(train, test=test), "classification"), "'eel' of the training part does not occur here")
    assert problem.level == "warning"
    assert problem.where.startswith("test.csv")


def test_what_the_reader_said_of_a_class_is_not_repeated() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": ["cat", "dog"] * 30})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": ["cat", "dog", "eel"] * 10})
    content = table(train, test=test)
    said = Problem("error", "t.csv", "the test part has 10 pictures of 'eel', a class that the training part lacks", "rename it")
    findings = examine(type(content)(**{**vars(content), "problems": (said,)}), "classification")
    assert [problem for problem in findings.problems if "eel" in problem.found] == [said]


def test_a_test_part_without_targets() -> None:
    train = pl.DataFrame({"x": numbers(60), "y": numbers(60, seed=2)})
    test = pl.DataFrame({"x": numbers(30, seed=1), "y": pl.Series([None] * 30, dtype=pl.Float64)})
    problem = one(examine(table(train, test=test)), "no test example has a target")
    assert problem.level == "warning"


def test_text_to_regress_on() -> None:
    problem = one(examine(table({"x": numbers(60), "y": ["low", "high", "mid"] * 20})), "regression needs numbers")
    assert "'low', 'high', 'mid'" in problem.found
    assert "--task classification" in problem.remedy


def test_labels_of_several_columns_must_be_0_and_1() -> None:
    frame = {"x": numbers(60), "rain": [0, 1] * 30, "snow": [0, 2, 1] * 20}
    findings = examine(table(frame), "multi-label-classification", ("rain", "snow"))
    problem = one(findings, "other than 0 and 1")
    assert problem.where.startswith("t.csv, column 'snow', lines 3, 6")
    assert "'2'" in problem.found
    assert findings.to_json()["classes"] == [{"name": "rain", "counts": {"all": 30}}, {"name": "snow", "counts": {"all": 20}}]


def test_classes_stand_in_the_order_of_their_numbers() -> None:
    labels = [str(label) for label in [10, 9, 2, 1] * 20]
    found = labelled(labels).to_json()["classes"]  # type: ignore[attr-defined]
    assert [entry["name"] for entry in found] == ["1", "2", "9", "10"]
