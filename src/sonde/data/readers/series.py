"""Numeric series: one number for each moment. Rows are put in order of time; gaps and doubles are said, not filled."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.readers.dates import parse_dates, parse_numbered_dates
from sonde.data.readers.leave_out import OnError, leave_out
from sonde.errors import DataError, Problem
from sonde.recipe import Data

_LISTED = 100  # rows with a bad date that are listed


def as_series(content: Content, data: Data) -> Content:
    """The content as a series where the table is one: a column of dates and a column of numbers, or numbers alone.

    Columns that `data` leaves out (`drop`, `id`, or what is not among `features`, target and time) do not count. Any
    other content is given back as it is.
    """
    if content.kind != "table":
        return content
    found = series_columns(content.examples.frame, data)
    return content if found is None else to_series(content, time=found[0], target=found[1], on_error=data.on_error)


def series_columns(frame: pl.DataFrame, data: Data) -> tuple[str | None, str] | None:
    """The date column (None: there is none) and the number column of a table that is a series; None where it is not."""
    wanted = {*data.features, *data.target, *([data.time] if data.time else [])} if data.features else set(frame.columns)
    names = [name for name in frame.columns if name in wanted and name not in data.drop and name != data.id]
    numbers = [name for name in names if frame[name].dtype.is_numeric() and name != data.time]
    if len(numbers) != 1 or len(names) > 2 or (data.target and data.target != (numbers[0],)) or frame.height < 2:
        return None
    if len(names) == 1:
        return None, numbers[0]
    time = next(name for name in names if name != numbers[0])
    return (time, numbers[0]) if _dates(frame[time], numbered=data.time == time) is not None else None


def to_series(content: Content, *, time: str | None, target: str, on_error: OnError = "stop") -> Content:
    """A table's column `target` as a series in order of `time`; without `time` the rows stand in order.

    The frame keeps the two columns alone; `time` becomes one of dates or times.

    Raises
    ------
    DataError
        When a column is missing or `time` is not one of dates.
    """
    parts: dict[Part, Examples] = {}
    problems = list(content.problems)
    notes = list(content.notes)
    for part, examples in content.parts.items():
        where = content.origin if part == "all" else f"{content.origin} ({part})"
        missing = [name for name in (time, target) if name is not None and name not in examples.frame.columns]
        if missing:
            remedy = f"the columns are {', '.join(examples.frame.columns)}"
            raise DataError(Problem("error", where, f"there is no column {missing[0]!r}", remedy))
        if time is None:
            parts[part] = Examples(examples.frame.select(target), lines=examples.lines)
            continue
        parts[part], said, more = _in_order(examples, time, target, where, on_error)
        problems += said
        notes += more
    rows = sum(len(examples) for examples in parts.values())
    reason = f"a column of numbers ({target}), {rows:,} rows" + ("" if time is None else f", and one of dates ({time})")
    return dataclasses.replace(
        content, kind="series", parts=parts, reason=reason, target=target, time=time, problems=tuple(problems), notes=tuple(notes)
    )


def _dates(column: pl.Series, *, numbered: bool = True) -> tuple[pl.Series, str] | None:
    return parse_dates(column) or (parse_numbered_dates(column) if numbered else None)


def _in_order(examples: Examples, time: str, target: str, where: str, on_error: OnError) -> tuple[Examples, list[Problem], list[str]]:
    written = examples.frame[time]
    parsed = _dates(written)
    if parsed is None:
        first = written.drop_nulls().head(1).to_list()
        found = f"column {time!r} is not one of dates ({first[0] if first else 'all missing'!r})"
        raise DataError(Problem("error", where, found, "write dates as 2021-01-26"))
    dates, form = parsed
    notes = []
    if "%m/%d" in form and written.drop_nulls().str.contains(r"^(0?[1-9]|1[0-2])/(0?[1-9]|1[0-2])/").all():
        notes.append(f"{time}: dates are read as month/day/year, though day/month/year would fit too; write them as 2021-01-26")
    wrong = np.flatnonzero(dates.is_null().to_numpy())
    problems = [_bad_date(examples, int(row), written, where, time) for row in wrong[:_LISTED]]
    if len(wrong) > _LISTED:
        problems.append(Problem("error", where, f"{len(wrong) - _LISTED:,} more rows have no date", f"mend or remove them ({time})"))
    problems += _doubles(examples, dates, where, time)
    table = Examples(examples.frame.with_columns(dates.alias(time)).select(time, target), lines=examples.lines)
    kept, problems = leave_out(table, problems, on_error)
    order = kept.frame[time].arg_sort(nulls_last=True).to_numpy()  # stable: doubles keep their order
    if not np.array_equal(order, np.arange(len(order))):
        lines = np.array([kept.line(int(row)) for row in order])
        kept = Examples(kept.frame[order], lines=lines)
        notes.append(f"{time}: rows were not in order of time; they are now, from {_shown(kept.frame[time][0])}")
    return kept, _moved(problems, order), notes + _gaps(kept.frame[time].drop_nulls().unique().sort(), time)


def _moved(problems: list[Problem], order: np.ndarray) -> list[Problem]:
    """The problems with their rows' new places."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return [problem if problem.example is None else dataclasses.replace(problem, example=int(place[problem.example])) for problem in problems]


def _bad_date(examples: Examples, row: int, written: pl.Series, where: str, time: str) -> Problem:
    value = written[row]
    found = f"{time} is missing" if value is None else f"{time} is {value!r}, which is no date like the others"
    return Problem("error", f"{where}, line {examples.line(row)}", found, "write the date, or remove the row; `--on-error skip` leaves it out", example=row)


def _doubles(examples: Examples, dates: pl.Series, where: str, time: str) -> list[Problem]:
    """One complaint about each row whose date stands in an earlier row too."""
    again = np.flatnonzero((~dates.is_first_distinct() & dates.is_not_null()).to_numpy())
    firsts = {value: row for row, value in reversed(list(enumerate(dates.to_list())))} if len(again) else {}
    problems = [
        Problem(
            "error",
            f"{where}, line {examples.line(int(row))}",
            f"{time} {_shown(dates[int(row)])} stands on line {examples.line(firsts[dates[int(row)]])} already",
            "keep one value a date; `--on-error skip` keeps the first",
            example=int(row),
        )
        for row in again[:_LISTED]
    ]
    if len(again) > _LISTED:
        problems.append(Problem("error", where, f"{len(again) - _LISTED:,} more dates stand twice", "several series in one file? Split them"))
    return problems


def _gaps(dates: pl.Series, time: str) -> list[str]:
    """What is said of moments that are missing, by the most usual step."""
    if len(dates) < 3:
        return []
    steps = dates.diff().drop_nulls()
    step = steps.mode().min()
    assert isinstance(step, timedelta)
    if step >= timedelta(days=28):  # months and years are not all of one length
        wide = steps.filter(steps > step * 1.15)
        return [f"{time}: {len(wide)} gaps"] if len(wide) else []
    wide = steps.filter(steps > step)
    if not len(wide):
        return []
    missing = round(sum((gap / step for gap in wide.to_list()), 0.0)) - len(wide)
    place = int(np.argmax(steps.to_numpy()))
    return [
        f"{time}: {len(wide)} gaps, {missing:,} of {len(dates) + missing:,} steps of {_step(step)} are missing; "
        f"the longest follows {_shown(dates[place])}. Nothing is filled in: windows count rows, not days"
    ]


def _step(step: timedelta) -> str:
    days, hours = step / timedelta(days=1), step / timedelta(hours=1)
    if days >= 1:
        return "a day" if days == 1 else f"{days:g} days"
    return "an hour" if hours == 1 else f"{hours:g} hours" if hours > 1 else f"{step.total_seconds():g} seconds"


def _shown(value: date | datetime) -> str:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
