"""What can be wrong with a series: its order, its gaps, its values."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sonde.data.checks.columns import number
from sonde.data.checks.subject import Level, Rows, Subject, count, verb
from sonde.data.prepare.dates import as_dates
from sonde.errors import Problem

POINTS = 1000  # drawn in a report
JUMP = 12.0  # robust standard deviations from which a change between neighbours is worth a word
SHOWN = 3
FEWEST = 30

_DAY = 86_400_000_000  # microseconds
_STEPS = {1: "microsecond", 1_000_000: "second", 60_000_000: "minute", 3_600_000_000: "hour", _DAY: "day", 7 * _DAY: "week"}


def check(subject: Subject) -> list[Problem]:
    """All problems of a series, part by part."""
    problems = []
    for rows in subject.sources:
        if len(rows) > 1:
            problems += order(subject, rows) + gaps(subject, rows)
        for target in subject.targets:
            if target in rows.examples.frame.columns:
                problems += values(subject, rows, target)
    return problems


def _time_column(subject: Subject) -> str | None:
    return subject.content.time or subject.data.time


def times(subject: Subject, rows: Rows) -> np.ndarray | None:
    """The time of each row in microseconds (dates) or in its own unit (numbers): (n,) float64, NaN where unknown."""
    name = _time_column(subject)
    if name is None or name not in rows.examples.frame.columns:
        return None
    column = rows.column(name)
    if not column.dtype.is_numeric():
        dates = as_dates(column)
        if dates is None:
            return None
        column = dates.to_physical()
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def step_of(when: np.ndarray) -> float:
    """The most frequent distance between neighbours in time; 0 where there is none."""
    distances = np.diff(np.unique(when[np.isfinite(when)]))
    if not distances.size:
        return 0.0
    found, counts = np.unique(distances, return_counts=True)
    return float(found[counts.argmax()])


def missing_steps(when: np.ndarray) -> tuple[np.ndarray, float]:
    """Where a gap begins (positions among the sorted distinct times) and the step."""
    distinct = np.unique(when[np.isfinite(when)])
    step = step_of(when)
    return (np.flatnonzero(np.diff(distinct) > 1.5 * step) if step else np.empty(0, dtype=np.int64)), step


def order(subject: Subject, rows: Rows) -> list[Problem]:
    """Rows out of time order, times that occur twice, times that are missing."""
    when = times(subject, rows)
    if when is None:
        return []
    where = subject.where(rows, column=_time_column(subject))
    problems = []
    unknown = np.flatnonzero(~np.isfinite(when))
    if len(unknown) and not subject.told("is missing") and not subject.told("is no date"):
        said = f"{count(len(unknown), 'row')} without a date"
        problems.append(Problem("error", f"{where}, {subject.places(rows, unknown)}", said, "fill the dates in or delete the rows"))
    known = when[np.isfinite(when)]
    back = np.flatnonzero(np.diff(when) < 0) + 1
    if len(back):
        said = f"rows are not in the order of time: {count(len(back), 'row')} of {len(when):,} stand after a later one"
        problems.append(
            Problem("note", f"{where}, {subject.places(rows, back)}", said, "nothing to do: rows are put in order before windows are cut")
        )
    if len(np.unique(known)) < len(known) and not subject.told("stands on line", "already"):
        by_time = np.argsort(when, kind="stable")
        again = np.sort(by_time[1:][np.diff(when[by_time]) == 0])
        said = f"{count(len(again), 'row')} {verb(len(again), 'has', 'have')} a time that an earlier row has"
        remedy = "keep one value for each time; one file for each series where several are mixed"
        problems.append(Problem("warning", f"{where}, {subject.places(rows, again)}", said, remedy))
    return problems


def gaps(subject: Subject, rows: Rows) -> list[Problem]:
    """Times that are left out."""
    when = times(subject, rows)
    if when is None:
        return []
    distinct = np.unique(when[np.isfinite(when)])
    found, step = missing_steps(when)
    if not len(found):
        return []
    absent = int(np.round(np.diff(distinct)[found] / step - 1).sum())
    dates = not rows.column(_time_column(subject) or "").dtype.is_numeric()
    shown = ", ".join(f"{_time(distinct[place], dates)} to {_time(distinct[place + 1], dates)}" for place in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    if dates and _only_weekends(distinct, found, step):
        remedy = "nothing to do: the day before a Monday is its Friday"
        return [Problem("note", subject.where(rows, column=_time_column(subject)), "weekends are missing, and nothing else", remedy)]
    said = f"{count(len(found), 'gap')}, {absent:,} of {absent + len(distinct):,} {_unit(step, dates)}s are missing ({shown}{more})"
    level: Level = "warning" if absent > 0.1 * len(distinct) else "note"
    if level == "note" and subject.told("gaps"):
        return []
    remedy = "fill them in where you know the values: windows count rows, not days"
    return [Problem(level, subject.where(rows, column=_time_column(subject)), said, remedy)]


def _only_weekends(distinct: np.ndarray, found: np.ndarray, step: float) -> bool:
    """Whether each gap in days goes from a Friday to a Monday."""
    if step != _DAY:
        return False
    before, after = (distinct[found + shift] // _DAY for shift in (0, 1))
    return bool(((after - before == 3) & ((before + 3) % 7 == 4)).all())  # day 0, 1970-01-01, was a Thursday


def values(subject: Subject, rows: Rows, target: str) -> list[Problem]:
    """Missing values, and single values far from their neighbours."""
    column = rows.column(target)
    if not column.dtype.is_numeric():
        return []
    numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    where, problems = subject.where(rows, column=target), []
    lacking = np.flatnonzero(np.isnan(numbers))
    if 0 < len(lacking) < len(numbers):
        said = f"{count(len(lacking), 'value')} of {len(numbers):,} missing"
        remedy = "windows that hold one are left out; fill them in where you know them"
        problems.append(Problem("note", f"{where}, {subject.places(rows, lacking)}", said, remedy))
    finite = np.flatnonzero(np.isfinite(numbers))
    changes = np.diff(np.clip(numbers[finite], -1e150, 1e150))  # so that no product overflows
    if len(changes) < FEWEST:
        return problems
    spread = 1.4826 * float(np.median(np.abs(changes - np.median(changes))))
    if spread > 0:
        jumps = np.flatnonzero(
            (np.abs(changes[:-1]) > JUMP * spread) & (np.abs(changes[1:]) > JUMP * spread) & (changes[:-1] * changes[1:] < 0)
        )
        if len(jumps):
            lone = finite[jumps + 1]
            said = f"{count(len(lone), 'value')} far from both neighbours ({', '.join(f'{numbers[row]:.6g}' for row in lone[:SHOWN])})"
            problems.append(
                Problem(
                    "note", f"{where}, {subject.places(rows, lone)}", said, "correct them if they are mistakes; errors there will be large"
                )
            )
    return problems


def figures(subject: Subject) -> dict[str, Any]:
    """Start, end, step, number of gaps and at most `POINTS` points of the first target, for data.json."""
    rows = Rows("all", subject.content.examples)
    when = times(subject, rows)
    target = next((name for name in subject.targets if name in rows.examples.frame.columns), None)
    if target is None or not len(rows):
        return {"start": None, "end": None, "step": None, "gaps": 0, "points": []}
    numbers = rows.column(target).cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    name = _time_column(subject)
    dates = when is not None and name is not None and not rows.column(name).dtype.is_numeric()
    when = np.arange(len(rows), dtype=np.float64) if when is None else when
    known = np.flatnonzero(np.isfinite(when) & np.isfinite(numbers))
    known = known[np.argsort(when[known], kind="stable")]
    if not len(known):
        return {"start": None, "end": None, "step": None, "gaps": 0, "points": []}
    found, step = missing_steps(when)
    drawn = known if len(known) <= POINTS else known[np.linspace(0, len(known) - 1, POINTS).astype(np.int64)]
    written = "1 row" if name is None else f"{_unit(step, dates)}"
    points = [[_time(when[row], dates), number(numbers[row])] for row in drawn]
    return {
        "start": _time(when[known[0]], dates),
        "end": _time(when[known[-1]], dates),
        "step": written,
        "gaps": len(found),
        "points": points,
    }


def _time(value: float, dates: bool) -> str:
    if not dates:
        return f"{value:.15g}"
    written = str(np.datetime64(int(value), "us"))
    return written.removesuffix(".000000").removesuffix("T00:00:00").replace("T", " ")


def _unit(step: float, dates: bool) -> str:
    """`day`, `15-minute step`, `step`."""
    if not dates or step <= 0:
        return "step" if not dates else "row"
    for name, shortest, longest in (("month", 28, 31), ("quarter", 90, 92), ("year", 365, 366)):
        if shortest * _DAY <= step <= longest * _DAY:
            return name
    best = max(size for size in _STEPS if step % size == 0)
    times = int(step // best)
    return _STEPS[best] if times == 1 else f"{times}-{_STEPS[best]} step"
