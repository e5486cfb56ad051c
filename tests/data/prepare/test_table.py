"""Tables: each kind of column, missing and unseen values, and nothing learnt from rows outside the training part."""

from __future__ import annotations

import json
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.making import everything, table
from sonde.data.contents import Examples
from sonde.data.prepare.encoders import Category, Date, Number, Text, fit_scale
from sonde.data.prepare.table import TablePreparation, fit_table
from sonde.data.split import Selection, split
from sonde.errors import DataError
from sonde.nn.normalise import normaliser
from sonde.recipe import Data

ROWS = 60
TARGET = ("y",)


def mixed(rows: int = ROWS) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "size": generator.normal(100, 20, rows),
            "price": np.exp(generator.normal(5, 1.5, rows)),
            "rooms": [None if row % 7 == 0 else row % 5 for row in range(rows)],
            "kind": [("a", "b", "c", None)[row % 4] for row in range(rows)],
            "sold": [date(2020, 1, 1) + timedelta(days=30 * row) for row in range(rows)],
            "notes": [f"a fine house number {row} with {'a garden' if row % 2 else 'two cellars'}" for row in range(rows)],
            "garage": [row % 3 == 0 for row in range(rows)],
            "key": [f"k{row:05d}" for row in range(rows)],
            "always": [1] * rows,
            "y": generator.normal(size=rows),
        }
    )


def fitted(frame: pl.DataFrame | dict[str, Any], data: Data | None = None, rows: np.ndarray | None = None) -> TablePreparation:
    chosen = everything(table(frame))
    return fit_table(chosen if rows is None else Selection(chosen.examples, rows), data or Data(), TARGET)


def normalised(prep: TablePreparation, frame: pl.DataFrame | dict[str, Any]) -> tuple[torch.Tensor, ...]:
    examples = Examples(pl.DataFrame(frame))
    return normaliser(prep.normalisation)(*(torch.from_numpy(array) for array in prep.encode(examples)))


def test_every_kind_of_column_is_told_and_described() -> None:
    prep = fitted(mixed())
    said = {row["name"]: (row["type"], row["role"]) for row in prep.describe()}
    assert said == {
        "size": ("number", "feature"),
        "price": ("number", "feature"),
        "rooms": ("number", "feature"),
        "kind": ("category", "feature"),
        "sold": ("date", "feature"),
        "notes": ("text", "feature"),
        "garage": ("category", "feature"),
        "key": ("identifier", "left-out"),
        "always": ("number", "left-out"),
    }
    why = {row["name"]: row["why"] for row in prep.describe()}
    assert "log(1 + |x|)" in why["price"]
    assert "log" not in why["size"]
    assert "missing ones take the mean, and a further column says so" in why["rooms"]
    assert "3 categories, missing and one for rare or unseen values" in why["kind"]
    assert "a value of its own in each row" in why["key"]
    assert "the same value in every row" in why["always"]


def test_the_model_s_first_step_gives_as_many_numbers_as_the_sizes_say() -> None:
    prep = fitted(mixed())
    numbers, codes = normalised(prep, mixed())
    assert numbers.shape == (ROWS, prep.sizes["numbers"])
    assert codes.shape == (ROWS, len(prep.sizes["categories"]))
    assert numbers.isfinite().all()
    assert all(codes[:, place].max() < size for place, size in enumerate(prep.sizes["categories"]))
    indicators = len(prep.normalisation["indicators"])
    centred = numbers[:, : prep.sizes["numbers"] - indicators]
    clipped = centred.abs().amax(0) >= prep.normalisation["clip"]
    assert centred.mean(0)[~clipped].abs().max() < 1e-4
    assert (centred.std(0, correction=0)[~clipped] - 1).abs().max() < 0.1  # rooms has missing values, which are 0


def test_statistics_are_those_of_the_training_part_alone() -> None:
    content = table(mixed(200))
    parts = split(content, Data(), task="regression", targets=TARGET, seed=3)
    unseen = np.concatenate([parts["validation"].index, parts["test"].index])
    others = mixed(200).with_columns(
        [
            pl.when(pl.int_range(pl.len()).is_in(unseen)).then(other).otherwise(pl.col(name)).alias(name)
            for name, other in {
                "size": pl.lit(1e9),
                "price": pl.lit(-5.0),
                "rooms": pl.lit(None),
                "kind": pl.lit("new"),
                "sold": pl.lit(None),
                "notes": pl.lit("zebra " * 5),
                "garage": pl.lit(None),
                "key": pl.lit("the same"),
                "always": pl.lit(7),
                "y": pl.lit(1e9),
            }.items()
        ]
    )
    before = fit_table(parts["train"], Data(), TARGET)
    after = fit_table(Selection(Examples(others), parts["train"].index), Data(), TARGET)
    assert before == after
    seen = parts["train"].index
    for one, other in zip(before.encode(content.examples, seen), after.encode(Examples(others), seen), strict=True):
        np.testing.assert_array_equal(one, other)


def test_plain_data_hold_the_whole_preparation() -> None:
    prep = fitted(mixed())
    again = TablePreparation.from_json(json.loads(json.dumps(prep.to_json())))
    assert again == prep
    examples = Examples(mixed())
    for one, other in zip(prep.encode(examples), again.encode(examples), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_can_be_encoded_in_any_order() -> None:
    prep, examples = fitted(mixed()), Examples(mixed())
    order = np.random.default_rng(1).permutation(ROWS)
    for whole, some in zip(prep.encode(examples), prep.encode(examples, order), strict=True):
        np.testing.assert_array_equal(whole[order], some)


def test_unseen_and_rare_categories_share_code_0() -> None:
    category = Category.fit(pl.Series(["a"] * 30 + ["b"] * 28 + ["once"] + ["twice"] * 2))
    assert category.values == ("a", "b")
    codes = category.encode(pl.Series(["a", "b", "once", "new", None]))[1][:, 0]
    assert codes.tolist() == [1, 2, 0, 0, 0]
    with_missing = Category.fit(pl.Series(["a"] * 30 + [None] * 5))
    assert with_missing.sizes == (3,)
    assert with_missing.encode(pl.Series(["a", None, "new"]))[1][:, 0].tolist() == [1, 2, 0]


def test_categories_have_one_spelling() -> None:
    category = Category.fit(pl.Series([1, 2, 3] * 10))
    for values in (pl.Series([1.0, 3.0]), pl.Series(["1", " 3 "]), pl.Series([1, 3], dtype=pl.UInt8)):
        assert category.encode(values)[1][:, 0].tolist() == [1, 3]
    assert Category.fit(pl.Series([True, False] * 10)).encode(pl.Series([True, False, None]))[1][:, 0].tolist() == [2, 1, 0]


def test_small_tables_keep_their_categories() -> None:
    assert Category.fit(pl.Series(["x", "y", "z"])).values == ("x", "y", "z")


def test_a_date_is_year_day_month_and_weekday() -> None:
    days = [date(2023, 12, 31), date(2024, 1, 1), None]  # a Sunday and a Monday
    encoder = Date.fit(pl.Series(days))
    numbers, codes = encoder.encode(pl.Series(days))
    assert codes.tolist() == [[12, 7], [1, 1], [0, 0]]
    assert np.isnan(numbers[2]).all()
    assert numbers[1, 1] - numbers[0, 1] == 1
    assert len(encoder.scales) == 2
    texts = pl.Series(["2023-12-31 06:00:00", "2024-01-01 18:30:00", None])
    clock = Date.fit(texts)
    hours = clock.encode(texts)[0][:, 2] + clock.scales[2].offset
    assert hours[:2].tolist() == [6.0, 18.5]


def test_words_are_counted_up_to_a_cap() -> None:
    texts = pl.Series([f"Red red house, no {row}" for row in range(50)] + ["blue House"] * 50)
    text = Text.fit(texts)
    assert text.vocabulary == ("blue", "house", "no", "red")[:1] + ("no", "red")  # `house` stands in every text
    numbers = text.encode(pl.Series(["RED red-blue", None, "unknown"]))[0]
    np.testing.assert_allclose(numbers, np.log1p([[1, 0, 2], [0, 0, 0], [0, 0, 0]]), rtol=1e-6)
    many = Text.fit(pl.Series([" ".join(f"w{(row + word) % 600}" for word in range(120)) for row in range(300)]))
    assert len(many.vocabulary) == 200


def test_numbers_far_from_zero_keep_their_differences() -> None:
    seconds = 1.7e12 + np.arange(100.0)
    number = Number.fit(pl.Series(seconds))
    encoded = number.encode(pl.Series(seconds))[0][:, 0]
    np.testing.assert_array_equal(np.diff(encoded), 1.0)
    assert np.unique(seconds.astype(np.float32)).size == 1  # what would be left without the offset


@given(st.lists(st.floats(-1e30, 1e30) | st.none(), min_size=3, max_size=50))
@settings(max_examples=80, deadline=None)
def test_any_finite_column_is_normalised_to_finite_numbers(values: list[float | None]) -> None:
    scale = fit_scale(pl.Series(values, dtype=pl.Float64).fill_null(float("nan")).to_numpy())
    assert np.isfinite([scale.offset, scale.mean, scale.std]).all()
    assert scale.missing == (None in values)
    step = normaliser({"kind": "table", "mean": [scale.mean], "std": [scale.std], "log": [scale.log], "indicators": [], "clip": 4.0})
    assert step(torch.tensor(Number(scale).encode(pl.Series(values, dtype=pl.Float64))[0]))[0].isfinite().all()


@pytest.mark.parametrize(
    ("column", "bad", "found"),
    [
        ([1.0, 2.0, 3.0] * 4, [1.0, float("inf"), 2.0], r"line 3, column 'x': inf is infinite\n.*replace it by a number"),
        ([1.0, 2.0, 3.0] * 4, [1.0, 1e300, 2.0], "line 3, column 'x': 1e\\+300 is beyond the numbers that a model works with"),
        ([1.0, 2.0, 3.0] * 4, ["1", "two", ""], "line 3, column 'x': 'two' is not a number"),
        (["2024-01-05", "2024-02-07", "2024-03-08"] * 4, ["2024-01-05", "soon", ""], "line 3, column 'x': 'soon' is no date"),
    ],
)
def test_values_that_cannot_be_used_are_named(column: list[Any], bad: list[Any], found: str) -> None:
    prep = fitted({"x": column, "y": [0.5, 1.0] * 6})
    with pytest.raises(DataError, match=found) as error:
        prep.encode(Examples(pl.DataFrame({"x": bad})))
    assert [problem.example for problem in error.value.problems] == [1]


def test_infinite_values_do_not_spoil_the_statistics() -> None:
    clean = fitted({"x": [1.0, 2.0, 3.0, 4.0] * 5, "y": [0.5] * 20})
    spoilt = fitted({"x": [1.0, 2.0, 3.0, 4.0] * 5 + [float("inf"), 1e300], "y": [0.5] * 22})
    assert clean.normalisation == spoilt.normalisation


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(DataError, match=r"there is no column 'kind'(.*\n)+.*there is no column 'sold'"):
        fitted(mixed()).encode(Examples(mixed().drop("kind", "sold")))


def test_types_features_drop_id_and_group_are_obeyed() -> None:
    def roles(data: Data) -> dict[str, tuple[str, str]]:
        return {row["name"]: (row["type"], row["role"]) for row in fitted(mixed(), data).describe()}

    assert roles(Data(types={"rooms": "category", "key": "category"}))["rooms"] == ("category", "feature")
    assert roles(Data(features=("key", "size")))["key"] == ("category", "left-out")  # every value is rare
    assert {name for name, (_, role) in roles(Data(features=("kind", "size"))).items() if role == "feature"} == {"kind", "size"}
    assert roles(Data(drop=("kind",)))["kind"][1] == "left-out"
    assert roles(Data(id="rooms"))["rooms"][1] == "left-out"
    assert roles(Data(group="rooms"))["rooms"][1] == "left-out"
    assert roles(Data(types={"size": "identifier"}))["size"] == ("identifier", "left-out")
    with pytest.raises(DataError, match=r"--drop: there is no column 'kinds'\n.*did you mean 'kind'"):
        roles(Data(drop=("kinds",)))


def test_a_table_without_anything_to_learn_from() -> None:
    with pytest.raises(DataError, match="no column is left to learn from \\('x': the same value in every row"):
        fitted({"x": [1, 1, 1], "y": [1.0, 2.0, 3.0]})


def test_durations_and_times_of_day_are_numbers() -> None:
    frame = {"took": [timedelta(seconds=row) for row in range(12)], "at": [time(row, 30) for row in range(12)], "y": [0.5, 1.5] * 6}
    numbers = fitted(frame).encode(Examples(pl.DataFrame(frame)))[0]
    assert numbers[:, 0].tolist() == [float(row) for row in range(12)]
    assert numbers[:, 1].tolist() == [row + 0.5 for row in range(12)]


def test_rows_without_any_value_can_be_encoded() -> None:
    prep = fitted(mixed())
    empty = pl.DataFrame({name: [None, None] for name, _ in prep.used})
    numbers, codes = normalised(prep, empty)
    assert numbers.isfinite().all()
    missing = {name: code for (name, _), code in zip([(n, e) for n, e in prep.used if e.sizes and n != "sold"], codes[0, [0, 3]].tolist(), strict=True)}
    assert missing == {"kind": 4, "garage": 0}


def test_a_table_of_categories_alone() -> None:
    prep = fitted({"x": ["a", "b"] * 10, "y": [1.0, 2.0] * 10})
    numbers, codes = prep.encode(Examples(pl.DataFrame({"x": ["b", "a"]})))
    assert numbers.shape == (2, 0)
    assert codes.tolist() == [[2], [1]]
    assert prep.sizes == {"numbers": 0, "categories": (3,)}


def test_house_prices(sonde_data: Path) -> None:
    frame = pl.read_csv(sonde_data / "house_prices" / "train.csv", null_values="NA").rename({"SalePrice": "y"})
    prep = fitted(frame)
    roles = {row["name"]: row["role"] for row in prep.describe()}
    assert [name for name, role in roles.items() if role == "left-out"] == ["Id"]
    assert prep.sizes["numbers"] == 36 + 3
    assert len(prep.sizes["categories"]) == 43
    numbers, _ = normalised(prep, frame)
    assert numbers.isfinite().all()
    assert numbers.abs().max() <= 4
