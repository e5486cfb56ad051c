"""Numbers for people to read."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.report.measures import interval, meaning, measure, spread, written
from sonde.report.numbers import count, finite, finites, items, listing, percent, plural, plus_minus, seconds, show, table, tables


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (1797, "1,797"), (-3, "−3"), (0.98151, "0.9815"), (0.5, "0.5"), (1234.56, "1,235"), (3.2e-5, "3.2×10⁻⁵"), (1e-6, "10⁻⁶"),
        (123456789, "123,456,789"), (1.5e12, "1.5×10¹²"), (-2.5e-7, "−2.5×10⁻⁷"), (None, "–"), (math.nan, "–"), (math.inf, "–"), ("text", "text"),
    ],
)  # fmt: skip
def test_show(value: object, shown: str) -> None:
    assert show(value) == shown


@given(st.floats(-1e300, 1e300))
def test_show_says_the_number(value: float) -> None:
    plain = show(value).replace(",", "").replace("−", "-")
    found = re.fullmatch(r"(-?[\d.]*)×?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", plain)
    if found:
        power = found[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        plain = f"{found[1] if found[1] not in ('', '-') else found[1] + '1'}e{power}"
    assert float(plain) == pytest.approx(value, rel=6e-4, abs=1e-300)


def test_percent_never_claims_all_or_nothing() -> None:
    assert percent(1.0) == "100.0 %"
    assert percent(0.99999) == "99.999 %"
    assert percent(0.0) == "0.0 %"
    assert percent(0.00001) == "0.001 %"
    assert percent(0.9815) == "98.2 %"
    assert percent(0.999, 0) == "> 99 %"
    assert percent(0.001, 0) == "< 1 %"
    assert percent(0.9999999) == "> 99.999 %"
    assert percent(1e-9) == "< 0.001 %"
    assert percent(-0.0004, 0) == "0 %"
    assert percent(math.nan) == "–"


def test_durations() -> None:
    assert [seconds(value) for value in (0.5, 8.44, 99.4, 200, 7500, None)] == ["0.5 s", "8.4 s", "99 s", "3 min 20 s", "2 h 05 min", "–"]


def test_deviation_has_two_digits_and_the_mean_as_many() -> None:
    assert plus_minus(0.12956, 0.003) == "0.1296 ± 0.0030"
    assert plus_minus(26559.8, 615.2) == "26,560 ± 615"
    assert plus_minus(-0.00009, 0.00034) == "−0.00009 ± 0.00034"
    assert plus_minus(2.0, 0.0) == "2 ± 0"
    assert plus_minus(2.0, None) == "2"


def test_words() -> None:
    assert plural(1, "epoch") == "1 epoch"
    assert plural(1200, "epoch") == "1,200 epochs"
    assert plural(2, "class", "classes") == "2 classes"
    assert [listing([]), listing(["a"]), listing(["a", "b", "c"])] == ["", "a", "a, b and c"]


def test_values_are_taken_for_what_they_are() -> None:
    assert [finite(value) for value in (1, 2.5, True, "3", None, math.nan, math.inf, 10**400)] == [
        1.0,
        2.5,
        None,
        None,
        None,
        None,
        None,
        None,
    ]
    assert [count(value) for value in (3, 3.0, -1, "x")] == [3, 3, None, None]
    assert finites([1, "x", None, math.nan, 2]) == [1.0, 2.0]
    assert (table([1]), tables({"a": 1}), tables([1, {"a": 1}]), items("ab"), items((1, 2))) == ({}, [], [{"a": 1}], [], [1, 2])


def test_measures_are_written_as_the_field_does() -> None:
    assert written("accuracy", 0.98) == "98.0 %"
    assert written("rmse", 26120.8) == "26,121"
    assert written("top-3", 0.5) == "50.0 %"
    assert written("loss", math.nan) == "not a number"
    assert spread("accuracy", 0.982, 0.003) == "98.2 ± 0.3 %"
    assert spread("rmsle", 0.13, None) == "0.13"
    assert measure("some-new-error").better == "lower"
    assert measure("some-new-gain").better == "higher"


def test_meaning_in_plain_words() -> None:
    assert "about 98.2 get the right" in meaning("accuracy", 0.9815, "test")
    assert "about 99 get" in meaning("accuracy", 0.99, "test")
    assert "factor of about 1.14" in meaning("rmsle", 0.13, "test")
    assert meaning("unknown", 1.0, "test") == ""


def test_wilson_interval() -> None:
    """Against the formula's published example: 0 of 10 gives (0, 0.278), 5 of 10 gives (0.237, 0.763)."""
    assert interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert interval(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
