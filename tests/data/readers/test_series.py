"""Series: told from tables, put in order, gaps and doubles said."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.contents import Content, Examples
from sonde.data.readers.dates import parse_dates, parse_numbered_dates
from sonde.data.readers.series import as_series, to_series
from sonde.errors import DataError
from sonde.recipe import Data

DAYS = [f"2021-01-{day:02}" for day in range(1, 13)]


def table(lines: np.ndarray | None = None, **columns: list[object]) -> Content:
    frame = pl.DataFrame(columns)
    return Content("table", "t.csv", "t", "a table", {"all": Examples(frame, lines=lines)}, "0")


def test_a_date_and_a_number_are_a_series() -> None:
    content = as_series(table(day=DAYS, views=list(range(12))), Data())
    assert (content.kind, content.time, content.target) == ("series", "day", "views")
    assert content.reason == "a column of numbers (views), 12 rows, and one of dates (day)"
    frame = content.examples.frame
    assert frame.schema == {"day": pl.Date, "views": pl.Int64}
    assert frame["day"][0] == date(2021, 1, 1)
    assert content.notes == ()
    assert content.problems == ()


def test_numbers_alone_are_a_series() -> None:
    content = as_series(table(views=[3.5, 4.5, None]), Data())
    assert (content.kind, content.time, content.target) == ("series", None, "views")


@pytest.mark.parametrize(
    ("columns", "data"),
    [
        ({"day": DAYS, "a": list(range(12)), "b": list(range(12))}, Data()),
        ({"x": list(range(12)), "y": list(range(12))}, Data()),
        ({"word": ["w"] * 12, "y": list(range(12))}, Data()),
        ({"day": DAYS, "word": ["w"] * 12}, Data()),
        ({"day": DAYS, "y": list(range(12))}, Data(target=("day",))),
    ],
)
def test_other_tables_stay_tables(columns: dict[str, list[object]], data: Data) -> None:
    assert as_series(table(**columns), data).kind == "table"


@pytest.mark.parametrize("data", [Data(drop=("b",)), Data(features=("a",), time="day"), Data(id="b")])
def test_columns_that_do_not_count(data: Data) -> None:
    content = as_series(table(day=DAYS, a=list(range(12)), b=list(range(12))), data)
    assert (content.kind, content.time, content.target) == ("series", "day", "a")
    assert content.examples.frame.columns == ["day", "a"]


def test_numbers_as_dates_where_they_are_named() -> None:
    years = table(year=list(range(1990, 2002)), y=[0.5] * 12)
    assert as_series(years, Data()).kind == "table"
    content = as_series(years, Data(time="year"))
    assert (content.kind, content.examples.frame["year"][0]) == ("series", date(1990, 1, 1))


def test_rows_are_put_in_order_and_keep_their_lines() -> None:
    content = as_series(table(day=[DAYS[3], DAYS[0], DAYS[2], DAYS[1]], y=[3, 0, 2, 1]), Data())
    assert content.examples.frame["y"].to_list() == [0, 1, 2, 3]
    assert [content.examples.line(row) for row in range(4)] == [3, 5, 4, 2]
    assert content.notes == ("day: rows were not in order of time; they are now, from 2021-01-01",)


def test_gaps_are_said() -> None:
    content = as_series(table(day=[DAYS[0], DAYS[1], DAYS[2], DAYS[5], DAYS[6], DAYS[8]], y=list(range(6))), Data())
    assert len(content.examples) == 6
    (note,) = content.notes
    assert note.startswith("day: 2 gaps, 3 of 9 steps of a day are missing; the longest follows 2021-01-03.")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=4, max_size=30, unique=True))
def test_gaps_are_counted(days: list[int]) -> None:
    """Whatever days are there and in which order, the rows come out sorted and the missing days are counted."""
    first = date(2021, 1, 1)
    content = as_series(table(day=[str(first + timedelta(days=day)) for day in days], y=days), Data())
    assert content.examples.frame["y"].to_list() == sorted(days)
    steps = np.diff(sorted(days))
    if (steps == 1).sum() > len(steps) / 2:
        missing = max(days) - min(days) + 1 - len(days)
        said = [note for note in content.notes if "missing" in note]
        assert bool(said) == bool(missing)
        assert not said or f", {missing} of {missing + len(days)} steps of a day are missing" in said[0]


def test_months_have_no_gaps_for_being_of_different_length() -> None:
    months = [str(date(2020 + month // 12, month % 12 + 1, 1)) for month in range(24)]
    assert as_series(table(month=months, y=list(range(24))), Data()).notes == ()
    assert as_series(table(month=months[:5] + months[7:], y=list(range(22))), Data()).notes == ("month: 1 gaps",)


def test_hours() -> None:
    hours = [f"2021-01-01 {hour:02}:00:00" for hour in (0, 1, 2, 5)]
    content = as_series(table(when=hours, y=[1, 2, 3, 4]), Data())
    assert content.examples.frame["when"][3] == datetime(2021, 1, 1, 5)
    assert "2 of 6 steps of an hour are missing; the longest follows 2021-01-01 02:00:00" in content.notes[0]


def test_wrong_dates_are_named_by_line() -> None:
    days = [*DAYS[:5], "2021-13-45", *DAYS[5:], None]
    columns = {"day": days, "y": list(range(14))}
    wrong, missing = as_series(table(**columns), Data()).problems
    assert (wrong.level, wrong.where) == ("error", "t.csv, line 7")
    assert wrong.found == "day is '2021-13-45', which is no date like the others"
    assert (missing.where, missing.found) == ("t.csv, line 15", "day is missing")
    skipped = as_series(table(**columns), Data(on_error="skip"))
    assert len(skipped.examples) == 12
    assert [problem.level for problem in skipped.problems] == ["warning", "warning"]


def test_problems_follow_their_rows_into_order() -> None:
    content = as_series(table(day=[DAYS[4], DAYS[2], DAYS[2], *DAYS[5:]], y=list(range(10))), Data())
    (problem,) = content.problems
    assert problem.where == "t.csv, line 4"
    assert problem.found == "day 2021-01-03 stands on line 3 already"
    assert problem.remedy == "keep one value a date; `--on-error skip` keeps the first"
    assert problem.example is not None
    assert content.examples.frame["y"][problem.example] == 2
    kept = as_series(table(day=[DAYS[4], DAYS[2], DAYS[2], *DAYS[5:]], y=list(range(10))), Data(on_error="skip"))
    assert kept.examples.frame["y"].to_list()[:2] == [1, 0]


@pytest.mark.parametrize(
    ("values", "form", "first"),
    [
        (["2021-01-26", "2021-01-27"], "%Y-%m-%d", date(2021, 1, 26)),
        (["26.01.2021", "27.01.2021"], "%d.%m.%Y", date(2021, 1, 26)),
        (["01/02/2021", "01/26/2021"], "%m/%d/%Y", date(2021, 1, 2)),
        (["01/02/2021", "26/01/2021"], "%d/%m/%Y", date(2021, 2, 1)),
        (["20210126"], "%Y%m%d", date(2021, 1, 26)),
        (["2021-01-26T10:30:00"], "%Y-%m-%dT%H:%M:%S", datetime(2021, 1, 26, 10, 30)),
    ],
)
def test_forms_of_dates(values: list[str], form: str, first: object) -> None:
    found = parse_dates(pl.Series("day", values))
    assert found is not None
    assert (found[1], found[0][0]) == (form, first)


def test_a_date_that_could_be_read_either_way_is_said() -> None:
    content = as_series(table(day=["01/02/2021", "02/03/2021", "03/04/2021"], y=[1, 2, 3]), Data())
    assert content.notes[0] == (
        "day: dates are read as month/day/year, though day/month/year would fit too; write them as 2021-01-26"
    )


@pytest.mark.parametrize("values", [["a", "b"], [None, None], [1.5, 2.5], [True, False]])
def test_what_is_no_date(values: list[object]) -> None:
    assert parse_dates(pl.Series("day", values)) is None


def test_numbered_dates() -> None:
    for values, first in (([20210126, 20210127], date(2021, 1, 26)), ([1990, 1991], date(1990, 1, 1))):
        found = parse_numbered_dates(pl.Series("day", values))
        assert found is not None
        assert found[0][0] == first
    assert parse_numbered_dates(pl.Series("day", [5, 6])) is None
    assert parse_numbered_dates(pl.Series("day", [20219926])) is None


@pytest.mark.parametrize(
    ("time", "target", "message"),
    [
        ("when", "y", r"t.csv: there is no column 'when'\n  → the columns are day, y"),
        ("y", "day", r"t.csv: column 'y' is not one of dates \(0.5\)\n  → write dates as 2021-01-26"),
    ],
)
def test_what_is_refused(time: str, target: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_series(table(day=DAYS, y=[0.5] * 12), time=time, target=target)
