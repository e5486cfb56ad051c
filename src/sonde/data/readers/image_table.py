"""A table that names picture files, such as leaves' `images/0.jpg,maclura_pomifera`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import joined, of_files
from sonde.data.readers.leave_out import leave_out
from sonde.data.readers.pictures import FilePictures, is_picture, mode_notes, modes
from sonde.errors import DataError, Problem, did_you_mean
from sonde.recipe import Data

_TRIED = 20  # values that a column is told by
_LISTED = 1000
_ENDINGS = ("", ".jpg", ".png", ".jpeg")  # contests often name pictures without their suffix


def as_image_table(content: Content, data: Data, folder: Path) -> Content:
    """The table's pictures with its other columns beside them, where `data.images` or its values name files; else `content` as it is.

    Files are looked for from `folder`, from its subfolders `images`, `train` and `test`, and by their full paths.

    Raises
    ------
    DataError
        When `data.images` is no column, or none of the files that it names is there.
    """
    if content.kind != "table":
        return content
    frame = content.examples.frame
    if data.images is not None and data.images not in frame.columns:
        found = f"there is no column {data.images!r} with picture names"
        raise DataError(Problem("error", content.origin, found, f"{did_you_mean(data.images, frame.columns)} (--images)"))
    column = data.images or _picture_column(frame, folder)
    if column is None:
        return content
    parts: dict[Part, Examples] = {}
    problems, notes = list(content.problems), list(content.notes)
    used: list[Path] = []
    for part, examples in content.parts.items():
        parts[part], said, more, files = _with_pictures(examples, column, folder, content.origin, data)
        problems += said
        notes += more
        used += files
    others = [name for name in frame.columns if name not in (column, data.id, "image", *data.drop)]
    target = content.target if content.target != column else None
    total = sum(map(len, parts.values()))
    return dataclasses.replace(
        content,
        kind="images",
        reason=f"a table that names {total:,} pictures (column {column!r})",
        parts=parts,
        fingerprint=joined([content.fingerprint, of_files(used, folder)]),
        target=target or (others[0] if len(others) == 1 else None),
        files=(*content.files, *used),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _picture_column(frame: pl.DataFrame, folder: Path) -> str | None:
    """The first column of text all of whose first values are names of files that are there."""
    for name in frame.columns:
        if frame[name].dtype == pl.String:
            values = frame[name].head(50 * _TRIED).drop_nulls().head(_TRIED).to_list()
            named = sum(map(is_picture, values)) == len(values)
            if values and (named or _short(values)) and _best_place(values, folder)[2] >= (0.5 if named else 1.0) * len(values):
                return name
    return None


def _short(values: list[str]) -> bool:
    """Whether the values could be file names without suffix (looking for files costs time)."""
    return all(0 < len(value) <= 100 and " " not in value for value in values)


def _best_place(values: list[str], folder: Path) -> tuple[Path, str, int]:
    """The folder and ending with which most values are files, and how many."""
    best = (folder, "", 0)
    for base in (folder, folder / "images", folder / "train", folder / "test"):
        if base.is_dir():
            for ending in _ENDINGS:
                found = sum((base / (value + ending)).is_file() for value in values)
                if found > best[2]:
                    best = (base, ending, found)
    return best


def _with_pictures(
    examples: Examples, column: str, folder: Path, origin: str, data: Data
) -> tuple[Examples, list[Problem], list[str], list[Path]]:
    values = examples.frame[column].cast(pl.String).to_list()
    base, ending, found = _best_place([value for value in values if value][:_TRIED], folder)
    if not found:
        first = next((value for value in values if value), "")
        what = f"column {column!r} names no file that is there (the first is {first!r})"
        raise DataError(Problem("error", origin, what, f"put the pictures into {folder} or write their paths as seen from there"))
    paths = [base / (value + ending) if value else base for value in values]
    problems = []
    for row in [row for row, path in enumerate(paths) if not path.is_file()][:_LISTED]:
        what = f"the picture {values[row]!r} is not there" if values[row] else f"{column!r} is missing"
        where = f"{origin}, line {examples.line(row)}, column {column!r}"
        problems.append(Problem("error", where, what, f"put it into {base}, or remove the row; `--on-error skip` leaves it out", example=row))
    names = [value or "" for value in values]
    frame = examples.frame if "image" in examples.frame.columns else examples.frame.with_columns(pl.Series("image", names, dtype=pl.String))
    store = FilePictures(paths, names)
    kept, problems = leave_out(Examples(frame, store, examples.lines), problems, data.on_error)
    there = [path for path in paths if path.is_file()]
    return kept, problems, mode_notes(modes(store, np.arange(len(paths)))), there
