"""What is wrong with a series, and its figures."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from data.checks.making import examine, none, numbers, one, series


def days(count: int, *, step: int = 1) -> list[date]:
    return [date(2021, 1, 26) + timedelta(days=step * day) for day in range(count)]


def test_a_clean_series() -> None:
    findings = examine(series({"day": days(100), "y": numbers(100)}), "forecasting")
    assert findings.problems == ()
    assert findings.to_json()["series"] | {"points": []} == {
        "start": "2021-01-26",
        "end": "2021-05-05",
        "step": "day",
        "gaps": 0,
        "points": [],
    }
    assert findings.to_json()["series"]["points"][0][0] == "2021-01-26"
    assert findings.to_json()["columns"][0]["why"] == "the time of each row"


def test_disorder() -> None:
    when = days(50)
    when[10], when[40] = when[40], when[10]
    problem = one(examine(series({"day": when, "y": numbers(50)}), "forecasting"), "order of time")
    assert problem.found == "rows are not in the order of time: 2 rows of 50 stand after a later one"
    assert problem.where == "s.csv, column 'day', lines 13, 42"


def test_gaps_are_counted_with_the_missing_days() -> None:
    when = [day for place, day in enumerate(days(60)) if place not in (10, 30, 31)]
    findings = examine(series({"day": when, "y": numbers(57)}), "forecasting")
    problem = one(findings, "gaps")
    assert problem.found == "2 gaps, 3 of 60 days are missing (2021-02-04 to 2021-02-06, 2021-02-24 to 2021-02-27)"
    assert problem.level == "note"
    assert findings.to_json()["series"]["gaps"] == 2


def test_missing_weekends_are_called_that() -> None:
    when = [day for day in days(140) if day.weekday() < 5]
    problem = one(examine(series({"day": when, "y": numbers(len(when))}), "forecasting"), "weekends")
    assert problem.level == "note"


def test_months_have_no_gaps() -> None:
    when = [date(2018 + month // 12, month % 12 + 1, 1) for month in range(48)]
    findings = examine(series({"day": when, "y": numbers(48)}), "forecasting")
    none(findings, "gap")
    assert findings.to_json()["series"]["step"] == "month"


def test_hours() -> None:
    when = [datetime(2021, 1, 1) + timedelta(minutes=15 * quarter) for quarter in range(200) if quarter != 77]
    findings = examine(series({"day": when, "y": numbers(199)}), "forecasting")
    assert findings.to_json()["series"]["step"] == "15-minute step"
    assert "1 gap, 1 of 200 15-minute steps are missing" in one(findings, "gap").found


def test_duplicate_dates() -> None:
    when = days(50)
    when[20] = when[19]
    problem = one(examine(series({"day": when, "y": numbers(50)}), "forecasting"), "has a time that an earlier row has")
    assert problem.level == "warning"
    assert problem.where.endswith("line 22")


def test_rows_without_a_date() -> None:
    when: list[date | None] = list(days(50))
    when[3] = None
    problem = one(examine(series({"day": when, "y": numbers(50)}), "forecasting"), "without a date")
    assert problem.level == "error"
    assert problem.where.endswith("line 5")


def test_missing_values_and_lone_ones() -> None:
    values = np.sin(np.arange(200) / 10) + 0.01 * numbers(200)
    values[50], values[120] = np.nan, 40.0
    findings = examine(series({"day": days(200), "y": values}), "forecasting")
    assert one(findings, "1 value of 200 missing").where.endswith("line 52")
    lone = one(findings, "far from both neighbours")
    assert lone.where.endswith("line 122")
    assert "(40)" in lone.found
    none(findings, "the target is missing")


def test_a_series_without_a_date() -> None:
    findings = examine(series({"y": numbers(40)}, time=None), "forecasting")
    assert findings.problems == ()
    drawn = findings.to_json()["series"]
    assert (drawn["start"], drawn["end"], drawn["step"], len(drawn["points"])) == ("0", "39", "1 row", 40)


def test_long_series_are_drawn_with_fewer_points() -> None:
    points = examine(series({"day": days(5000), "y": numbers(5000)}), "forecasting").to_json()["series"]["points"]
    assert len(points) == 1000
    assert points[-1][0] == str(days(5000)[-1])


def test_a_constant_series() -> None:
    assert one(examine(series({"day": days(50), "y": [3.0] * 50}), "forecasting"), "in all 50 examples").level == "error"


def test_dates_written_as_text() -> None:
    findings = examine(series(pl.DataFrame({"day": [str(day) for day in days(50)], "y": numbers(50)})), "forecasting")
    assert findings.to_json()["series"]["start"] == "2021-01-26"


def test_what_the_reader_said_is_not_repeated() -> None:
    when = [day for place, day in enumerate(days(60)) if place not in (10, 30, 31)]
    content = series({"day": when, "y": numbers(57)})
    told = type(content)(**{**vars(content), "notes": ("day: 2 gaps, 3 of 60 steps of a day are missing",)})
    assert examine(told, "forecasting").problems == ()
    half = [day for place, day in enumerate(days(120)) if place < 40 or place % 3]
    content = series({"day": half, "y": numbers(len(half))})
    told = type(content)(**{**vars(content), "notes": ("day: 27 gaps",)})
    assert one(examine(told, "forecasting"), "gaps").level == "warning"
