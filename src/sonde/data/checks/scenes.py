"""What can be wrong with pictures in which places are known: objects without number, classes that a part lacks, masks that cannot be read.

What concerns a single box or mask the reader has said already (readers/boxes_checked.py, readers/mask_pairs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from sonde.data.checks.look import Looked, threaded
from sonde.data.checks.subject import Rows, Subject, count, quoted, verb
from sonde.data.contents import Pictures
from sonde.errors import DataError, Problem

RARE = 10  # training objects of a class under which it is hardly learned
VOID = 255


def check(subject: Subject, looked: Looked) -> list[Problem]:
    """All problems beyond single boxes."""
    if subject.content.kind == "masks":
        return unreadable_masks(subject) if subject.deep else []
    return other_sizes(subject, looked) + crowded(subject) + bare(subject) + rare_classes(subject)


def other_sizes(subject: Subject, looked: Looked) -> list[Problem]:
    """Pictures whose own size is not the one that their annotation says, where they were opened."""
    problems = []
    for rows in subject.sources:
        looks, frame = looked.looks.get(rows.part, []), rows.examples.frame
        for row, look in enumerate(looks):
            if look.size is None or look.size == (frame["width"][row], frame["height"][row]):
                continue
            said = f"the picture has {look.size[0]} × {look.size[1]} pixels, and its annotation says {frame['width'][row]} × {frame['height'][row]}"
            remedy = "is it another picture's annotation, or turned by the camera's note (EXIF)? `--on-error skip` leaves it out"
            problems.append(_told(subject, Problem("error", subject.place(rows, row), said, remedy)))
    return problems


def _told(subject: Subject, problem: Problem) -> Problem:
    return replace(problem, level="warning", found=f"{problem.found}; left out") if subject.data.on_error == "skip" else problem


def crowded(subject: Subject) -> list[Problem]:
    """Pictures with more objects than there are slots for."""
    slots, problems = subject.data.slots, []
    for rows in subject.parts.values():
        counts = rows.column("boxes").list.len().to_numpy()
        over = np.flatnonzero(counts > slots)
        if len(over):
            said = f"{count(len(over), 'picture')} {verb(len(over), 'has', 'have')} more than {slots} objects, up to {counts.max()}"
            said += f": the largest {slots} are kept"
            remedy = f"to learn from all: --set data.slots={counts.max()}"
            problems.append(Problem("warning", f"{subject.where(rows)}, {subject.places(rows, over)}", said, remedy))
    return problems


def bare(subject: Subject) -> list[Problem]:
    """Pictures without objects, which train as examples of nothing; a part without any object."""
    problems = []
    for rows in subject.parts.values():
        counts = rows.column("boxes").list.len().to_numpy()
        empty = np.flatnonzero(counts == 0)
        if len(rows) and len(empty) == len(rows):
            level = "error" if rows is subject.train else "warning"
            said = f"no picture of the {rows.part} part has an object"
            problems.append(Problem(level, subject.where(rows), said, "annotate some of them, or give other data"))  # type: ignore[arg-type]
        elif len(empty):
            said = f"{count(len(empty), 'picture')} of {len(rows):,} in the {rows.part} part {verb(len(empty), 'has', 'have')} no object"
            remedy = "nothing to do where that is so: the model learns to find nothing there"
            problems.append(Problem("note", f"{subject.where(rows)}, {subject.places(rows, empty)}", said, remedy))
    return problems


def rare_classes(subject: Subject) -> list[Problem]:
    """Classes that no training picture shows, or few."""
    counted = {entry["name"]: entry["counts"].get(subject.train.part, 0) for entry in classes(subject)}
    elsewhere = {entry["name"] for entry in classes(subject) if sum(entry["counts"].values())}
    problems = []
    never = [name for name, number in counted.items() if not number and name in elsewhere]
    unused = [name for name, number in counted.items() if not number and name not in elsewhere]
    rare = [name for name, number in counted.items() if 0 < number < RARE]
    where = subject.where(subject.train)
    if never:
        said = f"{count(len(never), 'class', 'classes')} {verb(len(never), 'occurs', 'occur')} in other parts alone: {quoted(never)}"
        problems.append(Problem("warning", where, said, "it cannot be learned: add training pictures of it"))
    if unused:
        said = f"{count(len(unused), 'listed class', 'listed classes')} {verb(len(unused), 'has', 'have')} no object in any part: {quoted(unused)}"
        problems.append(Problem("note", where, said, "nothing to do"))
    if rare and any(number >= RARE for number in counted.values()):
        said = f"{count(len(rare), 'class', 'classes')} {verb(len(rare), 'has', 'have')} fewer than {RARE} training objects: {quoted(rare)}"
        problems.append(Problem("note", where, said, "add pictures of them, or show them more often: --set data.balance=true"))
    return problems


def unreadable_masks(subject: Subject) -> list[Problem]:
    """Masks that cannot be read, or hold values that stand for no class."""
    problems = []
    for rows in subject.sources:
        masks = rows.examples.masks
        if masks is not None:
            found = threaded(lambda row, store=masks: _mask_problem(store, row), range(len(rows)))  # type: ignore[misc]
            problems += [_told(subject, problem) for problem in found if problem is not None and not subject.told(problem.where)]
    return problems


def _mask_problem(masks: Pictures, row: int) -> Problem | None:
    try:
        masks.read(row)
    except DataError as error:
        return error.problems[0]
    return None


def classes(subject: Subject) -> list[dict[str, Any]]:
    """Objects of each class in each part, for data.json; of masks, where all are opened, the pictures that show it."""
    names: Sequence[str] = subject.content.examples.classes
    parts: dict[str, dict[str, int]] = {}
    for part, rows in subject.parts.items():
        if subject.content.kind == "boxes":
            counted = rows.column("labels").explode().drop_nulls().alias("label").value_counts(name="count")
            parts[part] = dict(counted.iter_rows())
        elif subject.deep:
            parts[part] = _shown(rows, names)
    return [{"name": name, "counts": {part: counts.get(name, 0) for part, counts in parts.items()}} for name in names] if parts else []


def _shown(rows: Rows, names: Sequence[str]) -> dict[str, int]:
    """How many pictures show each class."""
    masks = rows.examples.masks
    if masks is None:
        return {}
    chosen = range(len(rows.examples)) if rows.index is None else rows.index.tolist()
    seen = np.zeros(256, dtype=np.int64)
    for present in threaded(lambda row: _present(masks, row), chosen):
        seen += present
    return {name: int(seen[number]) for number, name in enumerate(names)}


def _present(masks: Pictures, row: int) -> np.ndarray:
    try:
        return np.bincount(masks.read(int(row)).reshape(-1), minlength=256) > 0
    except DataError:  # named among the problems
        return np.zeros(256, dtype=bool)




def figures(subject: Subject) -> dict[str, float | int]:
    """How many objects the training pictures hold, for data.json; nothing of masks."""
    if subject.content.kind != "boxes" or not len(subject.train):
        return {}
    counts = subject.train.column("boxes").list.len().to_numpy()
    frame = subject.train.examples.frame
    share = frame.select(
        (pl.col("area").explode() / (pl.col("width") * pl.col("height")).repeat_by(pl.col("area").list.len()).explode()).sqrt().median()
    ).item()
    found = {"least": int(counts.min()), "median": float(np.median(counts)), "most": int(counts.max())}
    return found | ({} if share is None else {"side": float(share)})
