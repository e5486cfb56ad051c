"""Rows whose texts are not blank; of more text than fits in memory written once and mapped."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.data.readers import text_files
from sonde.data.readers.arrow_map import can_map
from sonde.data.readers.row_files import CHUNK, Pieces, mapped_rows
from sonde.errors import DataError, Problem

NAMED: Final = 10  # lines that are named in a message


def filled(examples: Examples, columns: tuple[str, ...], where: str, fingerprint: str) -> tuple[Examples, list[Problem]]:
    """The rows in which none of `columns` is blank, these without blanks at their ends, and a warning that counts the others.

    Text of more than LARGE bytes is written into the cache so, once, and mapped from there.
    """
    frame = examples.frame
    size = sum(int(frame[name].str.len_bytes().sum() or 0) for name in columns if frame[name].dtype == pl.String)
    said: dict[str, Any] = {"blank": [], "count": 0}
    if size > text_files.LARGE and all(can_map(dtype) for dtype in frame.dtypes):
        numbers = b"" if examples.lines is None else hashlib.sha256(np.ascontiguousarray(examples.lines).tobytes()).digest()
        told = f"filled 1 {fingerprint} {where} {frame.columns} {columns} {len(examples)} {numbers.hex()}"
        found, lines, said = mapped_rows(hashlib.sha256(told.encode()).hexdigest()[:32], _full_rows(examples, columns, CHUNK, said), said)
    else:
        ((found, lines),) = _full_rows(examples, columns, max(len(examples), 1), said)
    if not said["count"]:
        return Examples(found, lines=None if examples.lines is None else lines), []
    if said["count"] == len(examples):
        raise DataError(Problem("error", where, "there is no text in any row", "name another column with --text"))
    shown = ", ".join(map(str, said["blank"])) + (", …" if said["count"] > NAMED else "")
    what = "pairs with a blank side" if len(columns) > 1 else "rows without text"
    told = f"{said['count']:,} {what} left out" if said["count"] > 1 else f"a {what.replace('pairs', 'pair').replace('rows', 'row')} was left out"
    problem = Problem("warning", f"{where}, line{'s' * (said['count'] > 1)} {shown}", told, "fill them in, or delete these lines")
    return Examples(found, lines=lines), [problem]


def _full_rows(examples: Examples, columns: tuple[str, ...], step: int, said: dict[str, Any]) -> Pieces:
    """Rows without a blank in `columns`, `step` at a time, and their lines; `said` counts the others and names the first."""
    for start in range(0, max(len(examples), 1), step):
        some = examples.frame.slice(start, step)
        some = some.with_columns(pl.col(*columns).cast(pl.String).fill_null("").str.strip_chars())
        full = some.select(pl.all_horizontal(pl.col(*columns) != "")).to_series()
        lines = np.arange(start + 2, start + 2 + some.height) if examples.lines is None else np.asarray(examples.lines[start : start + step])
        blank = np.flatnonzero(~full.to_numpy())
        said["count"] += len(blank)
        said["blank"] += [int(lines[row]) for row in blank[: NAMED - len(said["blank"])]]
        yield (some, lines) if not len(blank) else (some.filter(full), lines[full.to_numpy()])
