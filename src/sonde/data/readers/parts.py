"""Which part of the data a file or folder speaks of, by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sonde.data.contents import Part
from sonde.data.readers.class_folders import PART_NAMES
from sonde.errors import DataError, Problem


def part_in(name: str) -> Part | None:
    """The part that a path names, its last piece first: annotations/instances_val2017.json → validation."""
    for piece in reversed(name.lower().split("/")):
        for word in re.split(r"[^a-z]+", piece.rsplit(".", 1)[0]):
            if word in PART_NAMES:
                return PART_NAMES[word]
    return None


def parts_named(names: Sequence[str], *, origin: Path) -> list[Part]:
    """The part of each of several files, by their names; a single one is `all`.

    Raises
    ------
    DataError
        When it is not clear what several files are.
    """
    found = [part_in(name) for name in names]
    if len(names) == 1:
        return ["all"]
    if None in found or "train" not in found:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        said = f"there are {len(names)} files of annotations: {shown}"
        raise DataError(Problem("error", str(origin), said, "give one of them, or name them train, val and test"))
    return [part for part in found if part is not None]
