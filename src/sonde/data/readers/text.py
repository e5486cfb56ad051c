"""Plain text: a file, a folder of files, gzipped or not. Rows are lines with their ends, so that all rows together are the text."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples
from sonde.data.fingerprint import of_files
from sonde.errors import DataError, Problem

SUFFIXES: Final = (".txt", ".txt.gz", ".text")
LOOKED_AT: Final = 65_536  # bytes of a file in which it is looked whether it is a table
LONG: Final = 10_000  # characters after which a line goes on in a new row, so that a book on one line can be cut into parts
_ROWS = re.compile(f"[^\n]{{1,{LONG}}}\n?|\n")


def is_text(path: Path) -> bool:
    """Whether the name is one of a plain text."""
    return path.name.lower().endswith(SUFFIXES)


def is_even(path: Path) -> bool:
    """Whether the first lines all hold as many tabs, semicolons or commas, and some: then this is a table, whatever its name says."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            lines = [line for line in file.read(LOOKED_AT).split(b"\n")[:-1] if line.strip()][:100]
    except (OSError, EOFError, zlib.error):
        return False  # the reader says what is wrong
    return len(lines) > 1 and any(lines[0].count(mark) and len({line.count(mark) for line in lines}) == 1 for mark in (b"\t", b";", b","))


def read_text(paths: Sequence[Path], *, origin: Path) -> Content:
    """The files one after the other. Raises DataError for a file that cannot be read, has no text or is no UTF-8."""
    texts = [_decoded(path) for path in paths]
    rows: list[str] = []
    lines: list[np.ndarray] = []
    for text in texts:
        found = _ROWS.findall(text)
        rows += found
        ends = np.fromiter((row.endswith("\n") for row in found), dtype=np.int64, count=len(found))
        lines.append(np.cumsum(ends) - ends + 1)
    characters = sum(len(text) for text in texts)
    what = "a text" if len(paths) == 1 else f"{len(paths)} texts"
    return Content(
        kind="text",
        origin=str(origin),
        name=origin.resolve().name.partition(".")[0],
        reason=f"{what} of {characters:,} characters",
        parts={"all": Examples(pl.DataFrame({"text": pl.Series(rows, dtype=pl.String)}), lines=np.concatenate(lines))},
        fingerprint=of_files(paths),
        files=tuple(paths),
    )


def _decoded(path: Path) -> str:
    """A file as text, its line ends as they are written everywhere else: `\\n`."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Problem("error", str(path), f"this text cannot be read ({error})", "fetch or write the file again")) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = f"byte {raw[error.start]:#04x} at offset {error.start:,} is no UTF-8"
        raise DataError(Problem("error", f"{path}, line {line}", found, "save the file as UTF-8")) from None
    if not text.strip():
        raise DataError(Problem("error", str(path), "there is no text in this file", "give a file with text"))
    return text.replace("\r\n", "\n").replace("\r", "\n")
