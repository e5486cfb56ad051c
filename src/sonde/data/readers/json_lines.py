"""JSON: one object a line (JSON lines), or one list of objects."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from sonde.data.contents import Examples
from sonde.data.readers.delimited import Table
from sonde.data.readers.encodings import decoded
from sonde.data.readers.frames import from_rows, tidied
from sonde.data.readers.leave_out import OnError, leave_out
from sonde.errors import DataError, Problem

_EXAMPLE = '{"age": 31, "city": "Oslo"}'
REMEDY = f"write one object a line, such as {_EXAMPLE}; `--on-error skip` leaves such lines out"


def read_json_lines(raw: bytes, *, where: str, on_error: OnError = "stop") -> Table:
    """The table in a JSON lines file. A line that is no object is an error of that row, which may be left out.

    Raises
    ------
    DataError
        An empty file, or one without any object.
    """
    text, notes = decoded(raw, where, on_error)
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row, wrong = object_of(line)
        if wrong:
            problems.append(Problem("error", f"{where}, line {number}", wrong, REMEDY, example=len(rows)))
        rows.append(row)
        lines.append(number)
    if len(problems) == len(rows):
        raise DataError(problems[:1])
    return _table(rows, where, notes, problems, lines, on_error)


def read_json(raw: bytes, *, where: str) -> Table:
    """The table in a JSON file that holds a list of objects.

    Raises
    ------
    DataError
        JSON that is not well formed (with its line) or anything but a list of objects.
    """
    text, notes = decoded(raw, where)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(Problem("error", f"{where}, line {error.lineno}", f"this is not JSON ({error.msg})", "mend the file")) from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(Problem("error", where, "this JSON is not a list of objects", f"write [{_EXAMPLE}, …]"))
    return _table(rows, where, notes, [], list(range(len(rows))), "stop")


def object_of(line: str) -> tuple[dict[str, Any], str | None]:
    """The object that a line holds, or what is wrong with the line."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return {}, f"this is not JSON ({error.msg}, column {error.colno})"
    return (value, None) if isinstance(value, dict) else ({}, f"this is {type(value).__name__}, not an object")


def _table(rows: list[dict[str, Any]], where: str, notes: list[str], problems: list[Problem], lines: list[int], on_error: OnError) -> Table:
    query, said = tidied(from_rows(rows, where).lazy(), where)
    examples, problems = leave_out(Examples(query.collect(), lines=np.asarray(lines, dtype=np.int64)), problems, on_error)
    return Table(examples, tuple(problems), (*notes, *said))
