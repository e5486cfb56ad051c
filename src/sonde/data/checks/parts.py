"""What can be wrong with parts: columns that one of them lacks or holds in another type."""

from __future__ import annotations

import polars as pl

from sonde.data.checks.subject import Rows, Subject, count, quoted
from sonde.errors import Problem, nearest

SMALL = 20  # held-out examples under which a result says little


def check(subject: Subject) -> list[Problem]:
    """All problems between parts that need no look at the values."""
    problems = []
    for rows in subject.held_out.values():
        problems += columns(subject, rows) + small(subject, rows)
    return problems


def columns(subject: Subject, rows: Rows) -> list[Problem]:
    """Columns of the training part that a part lacks, and types that differ."""
    train, frame = subject.train.examples.frame, rows.examples.frame
    if frame is train:
        return []
    used = [column.name for column in subject.columns if column.role == "feature"]
    gone = [name for name in used if name not in frame.columns and not subject.told(repr(name), "is missing here")]
    problems = []
    if gone:
        others = [name for name in frame.columns if name not in train.columns]
        near = [f"{name!r} may be its {match!r}" for name in gone[:3] if (match := nearest(name, others))]
        said = f"the {rows.part} part has no column {quoted(gone)}" + (f" ({'; '.join(near)})" if near else "")
        problems.append(Problem("error", subject.where(rows), said, "give the parts the same columns, or --drop these"))
    for column in subject.columns:
        name = column.name
        if (
            column.role == "left-out"
            or name not in frame.columns
            or frame[name].null_count() == frame.height
            or train[name].null_count() == train.height
        ):
            continue
        if (
            column.type == "category"
            and train.schema[name].is_numeric() != frame.schema[name].is_numeric()
            and column.name not in subject.targets
        ):
            said = f"this column holds {_kind(train, name)} in the training part and {_kind(frame, name)} in the {rows.part} part"
            problems.append(Problem("warning", subject.where(rows, column=name), said, "write it in one way in all parts"))
    return problems


def small(subject: Subject, rows: Rows) -> list[Problem]:
    """A held-out part too small to tell good from bad."""
    if 0 < len(rows) < SMALL and subject.content.kind != "series" and len(subject.train) >= SMALL:
        said = f"the {rows.part} part has only {count(len(rows), 'example')}: what is measured there is rough"
        if subject.classifies:
            said += f", as each one moves the accuracy by {100 / len(rows):.0f} points in 100"
        return [Problem("note", subject.where(rows), said, f"give it more with --{rows.part}, or measure with --folds")]
    return []


def _kind(frame: pl.DataFrame, name: str) -> str:
    return "numbers" if frame[name].dtype.is_numeric() else "text"
