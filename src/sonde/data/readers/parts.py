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


def parts_named(names: Sequence[str], *, origin: Path) -> dict[int, Part]:
    """The part of each of several files, by place: by their names, or `all` of a single one.

    Files that name no part are left out where others do, train among them (raccoon_labels.csv beside train_labels.csv).

    Raises
    ------
    DataError
        When it is not clear what several files are.
    """
    if len(names) == 1:
        return {0: "all"}
    found: dict[int, Part] = {place: part for place, name in enumerate(names) if (part := part_in(name)) is not None}
    if "train" not in found.values() or len(set(found.values())) < len(found):
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        said = f"there are {len(names)} files of annotations: {shown}"
        raise DataError(Problem("error", str(origin), said, "give one of them, or name them train, val and test"))
    return found if len(found) > 1 else {next(iter(found)): "all"}


def left_out(names: Sequence[str], parts: dict[int, Part]) -> list[str]:
    """A line about files that name no part, where there are such."""
    others = [name for place, name in enumerate(names) if place not in parts]
    return [f"{', '.join(others[:5])} {'is' if len(others) == 1 else 'are'} not read: the other files name their parts"] if others else []
