"""Plain text: files, folders, gzipped or not. Rows are lines with their ends, so that all rows together are the text.

A text of more than LARGE bytes is cut into rows once, in Arrow files in the cache, and its frame is mapped from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers import text_files
from sonde.data.readers.encodings import texts
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.row_files import Pieces, mapped_rows
from sonde.data.readers.text_files import TextFile, by_part, even_ends
from sonde.errors import DataError, Problem

LONG: Final = 10_000  # characters after which a line goes on in a new row, so that a book on one line can be cut into parts
_ROWS = re.compile(f"[^\n]{{1,{LONG}}}\n?|\n")


def read_text(files: Sequence[TextFile], *, origin: Path, on_error: OnError = "stop", sentences: bool = False) -> Content:
    """The files as parts where their names say so (train.txt, test.txt), else one after the other.

    With `sentences` each line is an example by itself: without its end, blank ones left out.

    Raises
    ------
    DataError
        A file that cannot be read, has no text, or mixes encodings.
    """
    parts = by_part(files) if len(files) > 1 else None
    chosen: dict[Part, list[TextFile]] = {"all": list(files)} if parts is None else {part: [file] for part, file in parts.items()}
    notes: list[str] = []
    examples: dict[Part, Examples] = {}
    size = 0
    for part, some in chosen.items():
        frames, lines = [], []
        for file in some:
            frame, numbers, said = _rows(file, on_error)
            frames.append(frame)
            lines.append(numbers)
            notes += [f"{file.where}: {note}" if len(files) > 1 else note for note in said]
        whole = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)
        examples[part] = Examples(whole, lines=lines[0] if len(lines) == 1 else np.concatenate(lines))
        if sentences:
            examples[part], said = as_sentences(examples[part], str(origin))
            notes += said
        size += int(examples[part].frame["text"].str.len_chars().sum())
    what = "a text" if len(files) == 1 else f"{len(files)} texts"
    named = f" in {', '.join(chosen)}" if len(chosen) > 1 else ""
    rows = sum(map(len, examples.values()))
    paths = list(dict.fromkeys(file.path for file in files))
    return Content(
        kind="text",
        origin=str(origin),
        name=origin.resolve().name.partition(".")[0],
        reason=f"{rows:,} sentences, one a line" if sentences else f"{what} of {size:,} characters{named}",
        parts=examples,
        fingerprint=of_files(paths),
        files=tuple(paths),
        notes=tuple(notes),
    )


def as_sentences(examples: Examples, origin: str) -> tuple[Examples, list[str]]:
    """Lines without their ends, and what is to be said; blank ones are left out. Raises DataError where all are blank."""
    values = examples.frame["text"].str.strip_chars("\r\n")
    kept_rows = (values.str.strip_chars() != "").arg_true().to_numpy()
    blank = len(values) - len(kept_rows)
    if not len(kept_rows):
        raise DataError(Problem("error", origin, "all lines are blank", "write one sentence a line"))
    whole = Examples(examples.frame.with_columns(values.alias("text")), lines=examples.lines)
    if not blank:
        return whole, []
    return whole.take(kept_rows), [f"{blank:,} blank {'line was' if blank == 1 else 'lines were'} left out"]


def _rows(file: TextFile, on_error: OnError) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Rows of a file, the line on which each stands, and what is to be said."""
    found = file.read(on_error, text_files.LARGE)
    if found is None:
        return _mapped(file, on_error)
    text, notes = found
    if not text.strip():
        raise DataError(Problem("error", file.where, "there is no text in this file", "give a file with text"))
    frame, lines, _ = _cut(text, 1)
    return frame, lines, notes


def _cut(text: str, line: int) -> tuple[pl.DataFrame, np.ndarray, int]:
    """Rows of a text that begins on `line`, their lines, and the line on which what follows begins."""
    found = _ROWS.findall(text)
    ends = np.fromiter((row.endswith("\n") for row in found), dtype=np.int64, count=len(found))
    return pl.DataFrame({"text": pl.Series(found, dtype=pl.String)}), np.cumsum(ends) - ends + line, line + int(ends.sum())


def _mapped(file: TextFile, on_error: OnError) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """As `_rows`, from files in the cache, which are made where they are missing."""
    texts_in, notes = texts(file.open, file.where, on_error)
    key = hashlib.sha256(f"2 {of_files([file.path])} {file.where} {on_error} {LONG}".encode()).hexdigest()[:32]

    def pieces() -> Pieces:
        line = 1
        for text in texts_in:
            frame, lines, line = _cut(even_ends(text), line)
            yield frame, lines

    frame, lines, _ = mapped_rows(key, pieces(), {})
    return frame, lines, notes
