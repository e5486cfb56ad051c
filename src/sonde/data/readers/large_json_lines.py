"""JSON lines larger than memory: types are told from all lines first, then rows go some at a time into a memory-mapped file, once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.data.fingerprint import of_files
from sonde.data.readers.delimited import LISTED, Table
from sonde.data.readers.encodings import texts
from sonde.data.readers.frames import from_values
from sonde.data.readers.json_lines import REMEDY, object_of
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.row_files import CHUNK, Pieces, mapped_rows
from sonde.errors import DataError, Problem

# Types from narrow to wide: a column has the widest of its pieces'; text beside anything else is text.
_WIDTH: Final = (pl.Boolean, pl.Int64, pl.Float64, pl.String)


def read_large_json_lines(path: Path, *, on_error: OnError = "stop") -> Table:
    """The table in a file; arguments and refusals are those of `read_json_lines`."""
    where = str(path)
    said: dict[str, Any] = {"wrong": [], "count": 0, "notes": []}
    key = hashlib.sha256(f"json lines 1 {pl.__version__} {of_files([path])} {on_error}".encode()).hexdigest()[:32]
    frame, lines, said = mapped_rows(key, _pieces(path, on_error, said), said)
    problems = [Problem("error", f"{where}, line {line}", wrong, REMEDY, example=row) for line, row, wrong in said["wrong"]]
    if said["count"] > len(problems):
        problems.append(Problem("error", where, f"{said['count'] - len(problems):,} more lines hold no object", REMEDY))
    if on_error == "skip":
        problems = [dataclasses.replace(each, level="warning", found=f"{each.found}; left out", example=None) for each in problems]
    return Table(Examples(frame, lines=lines), tuple(problems), tuple(said["notes"]))


def _pieces(path: Path, on_error: OnError, said: dict[str, Any]) -> Pieces:
    """Rows and their lines, CHUNK at a time. Into `said`: the lines without an object, under "stop" with the row that stands for each."""
    types, rows_before = _types(path, on_error), 0
    for rows, lines, wrong in _chunks(path, on_error, said):
        kept = [place for place, row in enumerate(rows) if row is not None or on_error == "stop"]
        for place, what in wrong.items():
            said["count"] += 1
            if len(said["wrong"]) < LISTED:
                said["wrong"].append((lines[place], rows_before + place if on_error == "stop" else None, what))
        rows_before += len(kept)
        table = [rows[place] or {} for place in kept]
        columns = [_column(name, [row.get(name) for row in table], dtype) for name, dtype in types.items()]
        yield pl.DataFrame(columns), np.asarray([lines[place] for place in kept], dtype=np.int64)


def _types(path: Path, on_error: OnError) -> dict[str, Any]:
    """The type of each column, from all of its values. Raises DataError where no line holds an object with a value."""
    types: dict[str, Any] = {}
    first: dict[str, Any] = {}
    for rows, lines, wrong in _chunks(path, on_error, {"notes": []}):
        if wrong and not first:
            place, what = next(iter(wrong.items()))
            first = {"line": lines[place], "what": what}
        names: dict[str, None] = {}
        for row in rows:
            names.update(dict.fromkeys(row or ()))
        for name in names:
            found = from_values(name, [row.get(name) for row in rows if row])
            if found.null_count() < len(found):
                types[name] = max(found.dtype, types.get(name) or found.dtype, key=_WIDTH.index)
            else:
                types.setdefault(name, None)
    if not types:
        at, what = (f"{path}, line {first['line']}", first["what"]) if first else (str(path), "the rows hold no values")
        raise DataError(Problem("error", at, what, REMEDY))
    return {name: dtype or pl.String for name, dtype in types.items()}


def _column(name: str, values: list[Any], dtype: Any) -> pl.Series:
    found = from_values(name, values)
    if found.dtype == dtype:
        return found
    if dtype == pl.String:
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    if found.null_count() == len(found):
        return pl.Series(name, [None] * len(values), dtype=dtype)
    return found.cast(dtype)


Chunk = tuple[list[Mapping[str, Any] | None], list[int], dict[int, str]]


def _chunks(path: Path, on_error: OnError, said: dict[str, Any]) -> Iterator[Chunk]:
    """Objects (None for a line without one) and their lines, and what is wrong with the others by their place."""
    pieces, said["notes"] = texts(lambda: path.open("rb"), str(path), on_error)
    rows: list[Mapping[str, Any] | None] = []
    lines: list[int] = []
    wrong: dict[int, str] = {}
    before = 0
    for piece in pieces:
        numbered = piece.removesuffix("\n").split("\n")
        for number, line in enumerate(numbered, before + 1):
            if not line.strip():
                continue
            row, what = object_of(line)
            if what:
                wrong[len(rows)] = what
            rows.append(None if what else row)
            lines.append(number)
            if len(rows) == CHUNK:
                yield rows, lines, wrong
                rows, lines, wrong = [], [], {}
        before += len(numbered)
    if rows:
        yield rows, lines, wrong
