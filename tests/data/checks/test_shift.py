"""How new data differ from the training data."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.checks.making import arrays
from sonde import recipe
from sonde.data.checks.shift import psi, shift, tenths
from sonde.data.contents import Examples
from sonde.errors import Problem


def frame(rows: int, *, seed: int, mean: float = 0.0, colours: tuple[float, ...] = (0.5, 0.3, 0.2), missing: float = 0.0) -> Examples:
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, 1, rows)
    x[rng.random(rows) < missing] = np.nan
    table = {
        "id": np.arange(rows) + 1000 * seed,
        "x": x,
        "z": rng.exponential(size=rows),
        "colour": rng.choice(["red", "green", "blue"], rows, p=colours),
    }
    return Examples(pl.DataFrame(table))


def found(train: Examples, new: Examples, **options: bool) -> list[Problem]:
    return shift(train, new, recipe.Data(id="id"), **options)


@pytest.mark.parametrize("rows", [20, 50, 300, 5000])
def test_the_same_distribution_has_not_shifted(rows: int) -> None:
    train = frame(3000, seed=1)
    problems = [problem for seed in range(2, 12) for problem in found(train, frame(rows, seed=seed), whole=rows == 300 and seed < 4)]
    assert len(problems) <= 1, "\n".join(map(str, problems))  # chance finds one in a thousand, and 30 columns were asked


def test_a_number_that_has_moved() -> None:
    problems = found(frame(3000, seed=1), frame(500, seed=2, mean=1.0))
    assert len(problems) == 1
    assert problems[0].level == "warning"
    assert problems[0].where == "the new data, column 'x'"
    assert problems[0].found.startswith("values have shifted: median 0.9271, in the training data -0.001003")
    assert "train again" in problems[0].remedy


def test_a_small_move_is_a_note() -> None:
    problems = found(frame(20_000, seed=1), frame(20_000, seed=2, mean=0.4))
    assert [problem.level for problem in problems] == ["note"]


def test_values_beyond_the_training_range() -> None:
    train, new = frame(2000, seed=1), frame(500, seed=2)
    metres = Examples(new.frame.with_columns(z=pl.when(pl.col("x") > 1).then(pl.col("z") * 1000).otherwise(pl.col("z"))))
    said = [problem for problem in found(train, metres) if "beyond all training values" in problem.found]
    assert len(said) == 1
    assert "check the units" in said[0].remedy


def test_shares_of_categories() -> None:
    problems = found(frame(3000, seed=1), frame(500, seed=2, colours=(0.1, 0.3, 0.6)))
    assert len(problems) == 1
    assert "'blue' is 59% of rows, in the training data 19%" in problems[0].found


def test_new_categories() -> None:
    new = frame(400, seed=2).frame.with_columns(colour=pl.when(pl.col("id") % 4 == 0).then(pl.lit("pink")).otherwise(pl.col("colour")))
    problems = found(frame(3000, seed=1), Examples(new))
    assert problems[0].level == "warning"
    assert problems[0].found == "'pink' (100 rows of 400) did not occur in the training data"
    one = frame(400, seed=2).frame.with_columns(colour=pl.when(pl.col("id") == 2007).then(pl.lit("pink")).otherwise(pl.col("colour")))
    assert [problem.level for problem in found(frame(3000, seed=1), Examples(one))] == ["note"]


def test_missing_values() -> None:
    problems = found(frame(3000, seed=1), frame(300, seed=2, missing=0.4))
    assert "% of the values are missing, in the training data 0%" in problems[0].found


def test_dates() -> None:
    days = pl.DataFrame({"day": pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 12, 31), eager=True)})
    problems = shift(Examples(days[:500]), Examples(days[600:]), recipe.Data(), name="march.csv")
    assert problems[0].where == "march.csv, column 'day'"
    assert "2020-01-01 to 2021-05-14" in problems[0].found


def test_a_shift_that_only_the_whole_shows() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 4000))
    train, new = Examples(pl.DataFrame({"x": x, "z": x + 0.1 * z})), Examples(pl.DataFrame({"x": x, "z": -x + 0.1 * z}))
    assert shift(train, new, recipe.Data()) == []
    problems = shift(train, new, recipe.Data(), whole=True)
    assert len(problems) == 1
    assert "a classifier tells these rows from training rows" in problems[0].found


def test_pictures_that_are_darker() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 256, (120, 8, 8, 3), dtype=np.uint8)
    train, same = arrays(pixels[:60], ["a"] * 60), arrays(pixels[60:], ["a"] * 60)
    assert shift(train, same, recipe.Data()) == []
    problems = shift(train, arrays(pixels[60:] // 2, ["a"] * 60), recipe.Data())
    assert any("brightness of pictures has shifted" in problem.found for problem in problems)


def test_too_few_new_examples_give_no_answer() -> None:
    assert found(frame(3000, seed=1), frame(19, seed=2, mean=5.0)) == []


def test_columns_that_are_left_out_are_not_compared() -> None:
    assert shift(frame(3000, seed=1), frame(500, seed=2, mean=2.0), recipe.Data(id="id", drop=("x",))) == []


def test_psi_by_hand() -> None:
    difference = psi(np.array([500, 500]), np.array([800, 200]))
    p, q = np.array([500.5, 500.5]) / 1001, np.array([800.5, 200.5]) / 1001
    assert difference.psi == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert difference.real
    assert not psi(np.array([5, 5]), np.array([8, 2])).real


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=12), st.integers(0, 3))
def test_psi_of_equal_histograms_is_zero_and_never_negative(counts: list[int], seed: int) -> None:
    expected = np.array(counts)
    assert psi(expected, expected).psi == pytest.approx(0)
    assert psi(expected, np.random.default_rng(seed).permutation(expected)).psi >= 0


def test_tenths_of_values_with_many_zeros() -> None:
    values = np.concatenate([np.zeros(800), np.arange(200.0)])
    assert tenths(values, values).psi == pytest.approx(0)
    assert tenths(values, np.ones(500)).real
