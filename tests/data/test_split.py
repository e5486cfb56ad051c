"""Parts and folds: disjoint, complete, of exact size, in proportion, and never a group on two sides."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import chain

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.making import everything, pictures, series, table
from sonde.data.contents import Content
from sonde.data.split import Selection, folds, missing_targets, split
from sonde.errors import DataError, RecipeError
from sonde.recipe import Data

CLASS, REGRESSION = "classification", "regression"


def parts_of(content: Content, data: Data, task: str = REGRESSION, seed: int = 0) -> dict[str, list[int]]:
    found = split(content, data, task=task, targets=("y",), seed=seed)
    return {str(name): part.index.tolist() for name, part in found.items()}


def numbers(count: int) -> Content:
    return table({"x": np.arange(count), "y": np.arange(count) / 3})


@given(st.integers(10, 400), st.floats(0, 0.4), st.floats(0, 0.4), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_random_parts_are_disjoint_complete_and_exact(count: int, validation: float, test: float, seed: int) -> None:
    found = parts_of(numbers(count), Data(validation=validation, test=test), seed=seed)
    assert sorted(chain(*found.values())) == list(range(count))
    for name, share in (("validation", validation), ("test", test)):
        wanted = max(round(share * count), 1) if share > 0 else 0
        assert len(found.get(name, [])) == wanted
    assert all(rows == sorted(rows) for rows in found.values())


@given(st.lists(st.sampled_from("aaaaabbc"), min_size=12, max_size=300), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_stratified_parts_hold_each_class_in_proportion(labels: list[str], seed: int) -> None:
    found = parts_of(table({"y": labels}), Data(), CLASS, seed)
    assert sorted(chain(*found.values())) == list(range(len(labels)))
    assert [len(found[name]) for name in ("validation", "test")] == [round(0.15 * len(labels))] * 2
    for label in set(labels):
        total = labels.count(label)
        for name, share in (("validation", 0.15), ("test", 0.15)):
            assert abs(sum(labels[row] == label for row in found[name]) - share * total) < 2.5  # each end of the stretch is off by about 1


def test_a_class_of_one_example_is_trained_on() -> None:
    for seed in range(20):
        labels = ["a"] * 30 + ["b"] * 30 + ["rare"]
        assert 60 in parts_of(table({"y": labels}), Data(), CLASS, seed)["train"]


def test_every_class_is_trained_on_whatever_the_shares() -> None:
    labels = ["a"] * 30 + ["b"] * 2 + ["c"]
    for seed in range(10):
        train = parts_of(table({"y": labels}), Data(validation=0.3, test=0.5), CLASS, seed)["train"]
        assert {labels[row] for row in train} == {"a", "b", "c"}


def test_a_split_is_a_function_of_the_seed() -> None:
    content = numbers(100)
    assert parts_of(content, Data(), seed=1) == parts_of(content, Data(), seed=1)
    assert parts_of(content, Data(), seed=1) != parts_of(content, Data(), seed=2)


def test_whole_numbers_are_counts_of_examples() -> None:
    found = parts_of(numbers(100), Data(validation=10, test=25))
    assert [len(found[name]) for name in ("train", "validation", "test")] == [65, 10, 25]
    assert set(parts_of(numbers(100), Data(validation=0, test=0))) == {"train"}
    with pytest.raises(RecipeError, match=r"data\.test = 2\.5"):
        parts_of(numbers(100), Data(test=2.5))
    with pytest.raises(DataError, match="80 examples for the test part and 30 for validation leave none of 100 to train on"):
        parts_of(numbers(100), Data(validation=30, test=80))


@given(st.lists(st.integers(0, 12), min_size=20, max_size=200), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_group_is_never_on_two_sides(groups: list[int], seed: int) -> None:
    if len(set(groups)) < 3:
        return
    content = table({"y": np.arange(len(groups)) / 3, "who": groups})
    found = parts_of(content, Data(group="who"), seed=seed)
    sides = [{groups[row] for row in rows} for rows in found.values()]
    assert len(found) == 3
    assert all(a.isdisjoint(b) for i, a in enumerate(sides) for b in sides[i + 1 :])
    assert sorted(chain(*found.values())) == list(range(len(groups)))


def test_groups_of_one_give_exact_shares() -> None:
    content = table({"y": np.arange(100) / 3, "who": np.arange(100)})
    assert {name: len(rows) for name, rows in parts_of(content, Data(group="who")).items()} == {"train": 70, "validation": 15, "test": 15}
    with pytest.raises(DataError, match="column 'who' has 2 different values, too few for 3 parts, as equal ones stay together"):
        parts_of(table({"y": [1.5, 2, 3, 4], "who": [1, 1, 2, 2]}), Data(group="who"))
    with pytest.raises(DataError, match=r"there is no column 'whom'\n.*did you mean 'who'"):
        parts_of(content, Data(group="whom"))


def test_by_time_the_latest_rows_are_the_test_part() -> None:
    days = [date(2020, 1, 1) + timedelta(days=int(day)) for day in np.random.default_rng(0).permutation(100)]
    for column in (days, [str(day) for day in days], [day.toordinal() for day in days]):
        found = parts_of(table({"y": np.arange(100) / 3, "when": column}), Data(time="when"))
        times = {name: [days[row] for row in rows] for name, rows in found.items()}
        assert max(times["train"]) < min(times["validation"])
        assert max(times["validation"]) < min(times["test"])
        assert len(times["test"]) == 15


def test_a_time_that_is_no_date_is_named() -> None:
    content = table({"y": np.arange(10) / 3, "when": ["2020-01-01"] * 4 + ["soon"] + ["2020-01-02"] * 5})
    with pytest.raises(DataError, match=r"t\.csv, line 6, column 'when': 'soon' is no date"):
        parts_of(content, Data(time="when"))


def test_a_series_is_cut_by_time_whatever_else() -> None:
    found = parts_of(series(list(range(20))), Data(test=5, validation=3), "forecasting")
    assert found == {"train": list(range(12)), "validation": [12, 13, 14], "test": [15, 16, 17, 18, 19]}
    with pytest.raises(RecipeError, match="would put the days around an unseen day into training"):
        parts_of(series([1.0, 2.0, 3.0]), Data(split="random"), "forecasting")


def test_given_parts_are_obeyed_and_validation_is_carved_from_training() -> None:
    rows = pl.DataFrame({"y": np.arange(40) / 3})
    found = split(table(rows, test=rows.head(7)), Data(), task=REGRESSION, targets=("y",), seed=0)
    assert {name: len(part) for name, part in found.items()} == {"train": 34, "validation": 6, "test": 7}
    assert found["train"].examples is found["validation"].examples
    assert found["test"].examples is not found["train"].examples
    both = split(table(rows, validation=rows.head(7)), Data(), task=REGRESSION, targets=("y",), seed=0)
    assert {name: len(part) for name, part in both.items()} == {"train": 40, "validation": 7}
    with pytest.raises(DataError, match=r"t\.csv \(test part\): there is no column 'y' to compare predictions with"):
        split(table(rows, test=rows.rename({"y": "z"})), Data(), task=REGRESSION, targets=("y",), seed=0)


def test_rows_without_a_target_stop_or_are_left_out() -> None:
    content = table({"y": [1.5, None, 2.5, float("nan")] + [3.5] * 16})
    assert missing_targets(content.examples, ("y",)).tolist() == [1, 3]
    with pytest.raises(DataError, match=r"t\.csv, line 3, column 'y': the target is missing\n(.*\n)*.*line 5") as error:
        parts_of(content, Data())
    assert [problem.example for problem in error.value.problems] == [1, 3]
    assert sorted(chain(*parts_of(content, Data(on_error="skip")).values())) == [0, 2, *range(4, 20)]


def test_a_picture_without_a_label_is_named() -> None:
    picture = np.zeros((4, 4, 1), np.uint8)
    with pytest.raises(DataError, match=r"cats, cats/2\.png, column 'label': the target is missing"):
        split(pictures([picture] * 4, ["a", "b", None, "b"]), Data(), task=CLASS, targets=("label",), seed=0)


def test_fewer_training_examples_are_nested() -> None:
    small = parts_of(numbers(100), Data(examples=10))
    large = parts_of(numbers(100), Data(examples=30))
    assert len(small["train"]) == 10
    assert set(small["train"]) < set(large["train"])
    assert small["test"] == large["test"]
    labels = ["a"] * 80 + ["b"] * 20
    chosen = parts_of(table({"y": labels}), Data(examples=10), CLASS)["train"]
    assert sum(labels[row] == "b" for row in chosen) in (2, 3)
    rare = [*labels, *"cdefg" * 3]
    assert {rare[row] for row in parts_of(table({"y": rare}), Data(examples=7), CLASS)["train"]} == set("abcdefg")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Data(split="group"), "--split group needs to know by which column"),
        (Data(split="time"), "--split time needs to know by which column"),
        (Data(split="given"), "--split given needs data that name their parts"),
        (Data(split="stratified"), "balances classes, and the task is regression"),
        (Data(group="x", time="x"), "--group and --time were both given"),
        (Data(test="elsewhere.csv"), "the test part was to come from 'elsewhere.csv'"),
    ],
)
def test_splits_that_do_not_fit(data: Data, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parts_of(numbers(20), data)


def test_with_folds_nothing_else_is_held_out() -> None:
    assert set(parts_of(numbers(20), Data(folds=5))) == {"train"}
    assert {name: len(rows) for name, rows in parts_of(numbers(20), Data(folds=5, test=0.2)).items()} == {"train": 16, "test": 4}


@given(st.integers(10, 120), st.integers(2, 10), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_each_example_is_held_out_once(count: int, k: int, seed: int) -> None:
    pairs = folds(everything(numbers(count)), Data(), task=REGRESSION, targets=("y",), k=k, seed=seed)
    assert sorted(np.concatenate([held for _, held in pairs]).tolist()) == list(range(count))
    for kept, held in pairs:
        assert sorted([*kept, *held]) == list(range(count))
        assert count // k <= len(held) <= -(-count // k)


@given(st.lists(st.sampled_from("aaab"), min_size=20, max_size=150), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_folds_hold_each_class_in_proportion(labels: list[str], k: int) -> None:
    pairs = folds(everything(table({"y": labels})), Data(), task=CLASS, targets=("y",), k=k, seed=0)
    for label in set(labels):
        held = [sum(labels[row] == label for row in rows) for _, rows in pairs]
        assert max(held) - min(held) <= 1


def test_folds_by_group_and_by_time() -> None:
    groups = np.repeat(np.arange(10), np.arange(1, 11))
    content = table({"y": groups / 3, "who": groups})
    pairs = folds(everything(content), Data(group="who"), task=REGRESSION, targets=("y",), k=5, seed=0)
    assert all(set(groups[kept]).isdisjoint(groups[held]) for kept, held in pairs)
    assert sorted(len(held) for _, held in pairs) == [11] * 5
    with pytest.raises(RecipeError, match="11 folds of 10 groups"):
        folds(everything(content), Data(group="who"), task=REGRESSION, targets=("y",), k=11, seed=0)
    for kept, held in folds(everything(series(list(range(30)))), Data(), task="forecasting", targets=("y",), k=5, seed=0):
        assert kept.max() < held.min()
    with pytest.raises(RecipeError, match="1 folds of 55 examples"):
        folds(everything(content), Data(), task=REGRESSION, targets=("y",), k=1, seed=0)


def test_folds_are_positions_in_the_selection() -> None:
    chosen = Selection(numbers(100).examples, np.arange(50, 60))
    pairs = folds(chosen, Data(), task=REGRESSION, targets=("y",), k=5, seed=0)
    assert sorted(np.concatenate([held for _, held in pairs]).tolist()) == list(range(10))
