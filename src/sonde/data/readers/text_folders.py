"""Which form of text files hold: running text, sentences with labels, pairs, or tagged tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sonde.data.contents import Content, Part
from sonde.data.readers.archives import is_archive
from sonde.data.readers.delimited import Dialect, first_records
from sonde.data.readers.parallel import parallel_files, read_parallel
from sonde.data.readers.tagged import is_tagged, read_tagged
from sonde.data.readers.text import read_text
from sonde.data.readers.text_files import PLAIN, TABBED, TAGGED, TextFile, by_part, is_about, members_of
from sonde.data.readers.two_columns import is_two_columns, read_two_columns
from sonde.errors import DataError, Problem
from sonde.recipe import Data

_MARKS: Final = ("\t", ";", ",")


def read_text_file(path: Path, data: Data) -> Content | None:
    """The content of one file; None where it is no text but, say, a table."""
    return _read([TextFile(path)], data, origin=path)


def read_text_member(path: Path, data: Data) -> Content | None:
    """The content of the texts in an archive; None where it holds none, or pictures."""
    files = members_of(path, (*PLAIN, *TABBED, *TAGGED))
    if len(files) > 1 and by_part(files) is None:
        shown = ", ".join(file.where.partition(":")[2] for file in files[:8])
        found = f"there are {len(files)} texts in this archive ({shown})"
        raise DataError(Problem("error", str(path), found, "unpack it and give one of them, or name them train, valid and test"))
    return _read(files, data, origin=path) if files else None


def read_text_folder(folder: Path, files: Sequence[Path], data: Data, *, plain: bool = False) -> Content | None:
    """The content of a folder's `files` where they are parallel text, tagged tokens or two columns; with `plain` also running text."""
    if plain:
        texts = [TextFile(file) for file in files]
        texts = [file for file in texts if file.suffix in PLAIN and not is_about(file.name)]
        if not texts or (not _is_prose(data) and is_even(texts[0].head())):  # tables are opened by name
            return None
        return read_text(texts, origin=folder, on_error=data.on_error, sentences=bool(data.target))
    kept = [file for file in files if not is_about(file.name) and not is_archive(file)]
    pairs = parallel_files(kept)
    if pairs:
        return read_parallel(pairs, data, origin=folder)
    for suffixes in (TAGGED, TABBED, PLAIN):
        chosen = [file for file in map(TextFile, kept) if file.suffix in suffixes]
        if chosen and by_part(chosen) is not None:
            return _read(chosen, data, origin=folder, plain=False)
    return None


def _read(files: Sequence[TextFile], data: Data, *, origin: Path, plain: bool = True) -> Content | None:
    """Files of one form, told from the first; running text only where it is `plain` that there is nothing else."""
    parts: Mapping[Part, TextFile] = by_part(files) or {}
    if not parts or files[0].suffix not in (*PLAIN, *TABBED, *TAGGED):
        return None
    first = parts.get("train") or parts["all"]
    if is_tagged(first):
        return read_tagged(parts, data, origin=origin)
    head = first.head()
    if is_two_columns(head):
        return read_two_columns(parts, data, origin=origin)
    if plain and first.suffix in PLAIN and (_is_prose(data) or not is_even(head)):
        return read_text(files, origin=origin, on_error=data.on_error, sentences=bool(data.target))
    return None


def _is_prose(data: Data) -> bool:
    """Whether the recipe says that a file is text, however even its lines are: it names a tokeniser, and no column of a table."""
    return data.tokenizer is not None and data.text is None


def is_even_file(path: Path) -> bool:
    """Whether a file is a table by its lines, and none that describes the data."""
    return not is_about(path.name) and is_even(TextFile(path).head())


def is_even(head: bytes) -> bool:
    """Whether the first lines of a file cut into as many fields each, and more than one: then it is a table, whatever its name says."""
    lines = head.decode("utf-8", "replace").split("\n")[:-1][:100]
    filled = [line for line in lines if line.strip()]
    if len(filled) < 2:
        return False
    for mark in _MARKS:
        rows = first_records(filled, Dialect(mark)).fields
        if len(rows) == len(filled) and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1:
            return True
    return False
