"""Dates written as text."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.prepare.dates import FORMATS, as_dates, date_format

MOMENTS = st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=5)


@given(MOMENTS, st.sampled_from(FORMATS))
@settings(max_examples=150, deadline=None)
def test_what_is_written_in_a_format_is_read_by_it(moments: list[datetime], form: str) -> None:
    moments = [moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in moments]
    python = form.replace("%.f", ".%f")
    texts = [moment.strftime(python) for moment in moments]
    expected = [datetime.strptime(text, python) for text in texts]
    found = as_dates(pl.Series("d", texts), form)
    assert found is not None
    assert found.to_list() == expected


def test_the_day_comes_first_only_if_some_value_shows_it() -> None:
    assert date_format(pl.Series(["03/04/2024", "05/06/2024"])) == "%m/%d/%Y"
    assert date_format(pl.Series(["03/04/2024", "15/06/2024"])) == "%d/%m/%Y"
    assert date_format(pl.Series(["2024-01-02", None, " 2024-05-06 "])) == "%Y-%m-%d"


@pytest.mark.parametrize("texts", [["soon"], ["2024-01-02", "2024-13-01"], [None], ["12.5"], ["2011"]])
def test_texts_that_are_no_dates(texts: list[str | None]) -> None:
    assert date_format(pl.Series(texts, dtype=pl.String)) is None


def test_dates_and_times_pass_through() -> None:
    day = pl.Series([date(2024, 1, 2), None])
    assert as_dates(day).to_list() == [datetime(2024, 1, 2), None]  # type: ignore[union-attr]
    zoned = pl.Series([datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(0)))])
    assert as_dates(zoned).to_list() == [datetime(2024, 1, 2, 3)]  # type: ignore[union-attr]
    assert as_dates(pl.Series(["2024-01-02", "later"]), "%Y-%m-%d").to_list() == [datetime(2024, 1, 2), None]  # type: ignore[union-attr]
