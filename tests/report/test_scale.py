"""Axes: round marks, in range, few enough to read."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.report.scale import dated, linear, logarithmic, nice_step
from sonde.report.svg import spaced

FINITE = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_linear_axis_holds_its_values(values: list[float]) -> None:
    axis = linear(values, 0, 1000)
    room = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(values) + room
    assert axis.high >= max(values) - room
    assert axis.low < axis.high
    assert 1 <= len(axis.ticks) <= 21
    places = [axis.place(tick.value) for tick in axis.ticks]
    assert places == sorted(places)
    assert all(-25 <= place <= 1025 for place in places)
    assert len({tick.label for tick in axis.ticks}) == len(axis.ticks) or max(map(abs, values)) > 1e6 * (max(values) - min(values))


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=20))
def test_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    axis = logarithmic(values, 200, 0)
    assert axis.low <= min(values) * 1.001
    assert axis.high >= max(values) * 0.999
    assert 1 <= len(axis.ticks) <= 11
    assert all(-5 <= axis.place(tick.value) <= 205 for tick in axis.ticks)


@given(st.dates(), st.integers(0, 20000))
def test_dated_axis_holds_its_days(first: date, days: int) -> None:
    last = min(first + timedelta(min(days, (date.max - first).days)), date.max - timedelta(1))
    first = max(min(first, last), date.min + timedelta(1))
    axis = dated([first, last], 0, 1000)
    assert axis.low <= first.toordinal() <= last.toordinal() <= axis.high
    assert len(axis.ticks) <= 12


def labels(axis: object) -> list[str]:
    return [tick.label for tick in axis.ticks]  # type: ignore[attr-defined]


def test_labels_read_well() -> None:
    assert labels(linear([0, 1], 0, 1)) == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert labels(linear([1, 2], 0, 1, tight=True, whole=True)) == ["1", "2"]
    assert labels(linear([0.2, 0.9], 0, 1, whole=True)) == ["0.2", "0.4", "0.6", "0.8", "1.0"]
    assert labels(linear([0, 600_000], 0, 1)) == ["0", "200k", "400k", "600k"]
    assert labels(linear([-1, 1], 0, 1)) == ["−1.0", "−0.5", "0", "0.5", "1.0"]
    assert labels(linear([0.9, 1], 0, 1, percent=True)) == ["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]
    assert labels(linear([0, 3e-5], 0, 1)) == ["0", "10⁻⁵", "2×10⁻⁵", "3×10⁻⁵"]
    assert labels(logarithmic([0.011, 2.3], 0, 1)) == ["0.01", "0.1", "1"]
    assert labels(logarithmic([3, 6], 0, 1)) == ["2", "5", "10"]
    assert labels(logarithmic([1e-9, 1e3], 0, 1)) == ["10⁻⁹", "10⁻⁷", "10⁻⁵", "0.001", "0.1", "10", "1,000"]
    assert labels(dated([date(2021, 1, 26), date(2021, 2, 10)], 0, 1)) == ["26 Jan", "31 Jan", "5 Feb", "10 Feb"]
    assert labels(dated([date(2018, 3, 1), date(2024, 3, 1)], 0, 1)) == ["2019", "2020", "2021", "2022", "2023", "2024"]


def test_one_value_still_makes_an_axis() -> None:
    for axis in (linear([5.0], 0, 1), linear([0.0], 0, 1), linear([], 0, 1), logarithmic([5.0], 0, 1), logarithmic([], 0, 1)):
        assert axis.low < axis.high
        assert axis.ticks


def test_what_differs_by_rounding_alone_is_one_value() -> None:
    axis = linear([1.0, 0.99999985, 0.9999999], 0, 100)
    assert [tick.label for tick in axis.ticks] == ["0.90", "0.95", "1.00", "1.05", "1.10"]
    assert axis.place(1.0) == pytest.approx(50, abs=1e-3)


def test_steps_are_1_2_5() -> None:
    assert [nice_step(step) for step in (0.9, 1.1, 2.3, 7, 0.03)] == pytest.approx([1, 2, 5, 10, 0.05])
    assert nice_step(0) == nice_step(float("nan")) == 1


def test_places_beyond_the_ends_stay_near() -> None:
    axis = linear([0, 1], 0, 1000)
    assert axis.place(1e300) == pytest.approx(1020)
    assert axis.place(-1e300) == pytest.approx(-20)


def test_labels_that_would_touch_are_thinned_evenly() -> None:
    axis = linear([0, 100], 0, 1000, count=25)
    shown = spaced(axis)
    gaps = {round(b.value - a.value, 6) for a, b in pairwise(shown)}
    assert 2 <= len(shown) < len(axis.ticks)
    assert len(gaps) == 1
