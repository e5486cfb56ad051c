"""What can be wrong with pictures: files that cannot be decoded, copies, odd sizes and colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sonde.data.checks.duplicates import gather
from sonde.data.checks.look import Look, Looked, sampled
from sonde.data.checks.subject import Level, Rows, Subject, count, verb
from sonde.data.contents import SCENES, Part
from sonde.errors import Problem

TINY, TINY_SHARE = 16, 0.25  # pixels of the shorter side, and share of the usual one
SIZE_RATIO = 4.0  # of the largest to the smallest longer side
ASPECT = 4.0  # of the longer to the shorter side
_CROP = "crop them: brought to a square, they lose most of what they show"
NOTEWORTHY = 0.01  # share of copies from which they are a warning, else a note

Group = Sequence[tuple[Rows, int]]  # the rows that hold one picture


def check(subject: Subject, looked: Looked) -> list[Problem]:
    """All problems of pictures, those that cannot be decoded first."""
    problems: list[Problem] = []
    for rows in subject.sources:
        looks = looked.looks.get(rows.part, [])
        problems += unreadable(subject, looks)
        problems += odd_sizes(subject, rows, looks) + blank(subject, rows, looks) + colours(subject, rows, looks)
    return problems + copies(subject, looked)


def unreadable(subject: Subject, looks: Sequence[Look]) -> list[Problem]:
    """Pictures that cannot be decoded, unless the reader named them already."""
    problems = [look.problem for look in looks if look.problem is not None]
    problems = [problem for problem in problems if not subject.told(problem.where)]
    skipped = subject.data.on_error == "skip"
    return [replace(problem, level="warning", found=f"{problem.found}; left out") if skipped else problem for problem in problems]


def odd_sizes(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Tiny pictures, very long ones, and sizes far apart."""
    sized = [(row, look.size) for row, look in enumerate(looks) if look.size is not None]
    if not sized:
        return []
    number = np.array([row for row, _ in sized])
    sides = np.array([size for _, size in sized], dtype=np.float64)
    short, long = sides.min(axis=1), sides.max(axis=1)
    where, problems = subject.where(rows), []
    usual = float(np.median(short))
    tiny = number[(short < TINY) & (short < TINY_SHARE * usual)]
    if len(tiny):
        said = f"{count(len(tiny), 'picture')} under {TINY} pixels where the others have about {usual:.0f}: {subject.places(rows, tiny)}"
        problems.append(Problem("warning", where, said, "look whether they show anything; remove thumbnails and icons"))
    stretched = number[long > ASPECT * short]
    if len(stretched):
        said = f"{count(len(stretched), 'picture')} more than {ASPECT:.0f} times as long as wide: {subject.places(rows, stretched)}"
        remedy = "cut them into pieces: scaled as a whole, they become narrow" if subject.content.kind in SCENES else _CROP
        problems.append(Problem("note", where, said, remedy))
    if long.max() > SIZE_RATIO * long.min():
        small, large = (sized[int(place)][1] for place in (long.argmin(), long.argmax()))
        said = f"sizes from {small[0]}×{small[1]} to {large[0]}×{large[1]} pixels (median {np.median(sides[:, 0]):.0f}×{np.median(sides[:, 1]):.0f})"
        problems.append(Problem("note", where, said, "nothing to do: all are brought to one size (--size)"))
    return problems


def blank(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Pictures of a single colour."""
    empty = np.array([row for row, look in enumerate(looks) if look.blank and look.size != (1, 1)], dtype=np.int64)
    if not len(empty):
        return []
    said = f"{count(len(empty), 'picture')} of one colour all over: {subject.places(rows, empty)}"
    return [Problem("warning", subject.where(rows), said, "look at them, and remove them if they show nothing")]


def colours(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Pictures stored in a way that is converted, and pictures that an EXIF entry turns."""
    problems = []
    modes = Counter(look.mode for look in looks if look.size is not None)
    words = {
        "L": "grey",
        "1": "black and white",
        "P": "with a palette",
        "CMYK": "CMYK",
        "LA": "grey with transparency",
        "RGBA": "with transparency",
    }
    if len(modes) > 1:
        said = "pictures are stored in different ways: " + ", ".join(
            f"{number:,} {words.get(mode, mode)}" for mode, number in modes.most_common()
        )
        odd = np.array([row for row, look in enumerate(looks) if look.size is not None and look.mode != modes.most_common(1)[0][0]])
        remedy = "nothing to do: all become RGB (transparent parts white), or grey where all are"
        problems.append(Problem("note", subject.where(rows), f"{said}; not like most: {subject.places(rows, odd)}", remedy))
    turned = np.array([row for row, look in enumerate(looks) if look.turned], dtype=np.int64)
    if len(turned):
        said = f"{count(len(turned), 'picture')} lying on the side by the camera's note (EXIF): {subject.places(rows, turned)}"
        problems.append(Problem("note", subject.where(rows), said, "nothing to do: they are put upright"))
    return problems


def copies(subject: Subject, looked: Looked) -> list[Problem]:
    """The same picture more than once: within a class, under two classes, in two parts."""
    groups = _groups(subject, looked)
    if not groups:
        return []
    two_classes = [group for group in groups if len({_label(subject, rows, row) for rows, row in group} - {None}) > 1]
    problems = []
    if two_classes:
        number = len(two_classes)
        said = f"{count(number, 'picture')} {verb(number, 'stands', 'stand')} under more than one class: {_named(subject, two_classes)}"
        problems.append(Problem("warning", subject.where(), said, "keep it under the right class and delete the other copy"))
    problems += _across_parts(subject, groups)
    inside = [group for group in groups if group not in two_classes and len({rows.part for rows, _ in group}) == 1]
    if inside:
        extra = sum(len(group) - 1 for group in inside)
        level: Level = "warning" if extra >= NOTEWORTHY * sum(len(rows) for rows in subject.parts.values()) else "note"
        another = "another one" if subject.content.kind in SCENES else "another one of its class"
        said = f"{count(extra, 'picture')} {verb(extra, 'is a copy', 'are copies')} of {another}: {_named(subject, inside)}"
        problems.append(Problem(level, subject.where(), said, "delete the copies"))
    return problems


def _groups(subject: Subject, looked: Looked) -> list[Group]:
    """Rows that hold the same picture."""
    parts = [(rows, looked.keys[source]) for rows in subject.parts.values() if (source := _source(subject, rows)) in looked.keys]
    if not parts:
        return []
    keys = np.concatenate([found if rows.index is None else found[rows.index] for rows, found in parts])
    starts = np.cumsum([0, *(len(rows) for rows, _ in parts)])
    known = np.flatnonzero(keys)
    same = gather(keys[known])
    groups: list[Group] = []
    for start, end in zip(same.starts, same.ends, strict=True):
        places = known[same.order[start:end]]
        numbers = np.searchsorted(starts, places, "right") - 1
        groups.append([(parts[number][0], int(place - starts[number])) for number, place in zip(numbers, places, strict=True)])
    return groups


def _across_parts(subject: Subject, groups: Sequence[Group]) -> list[Problem]:
    problems = []
    for part, held in subject.held_out.items():
        shared = [
            group for group in groups if any(rows.part == part for rows, _ in group) and any(rows is subject.train for rows, _ in group)
        ]
        if not shared:
            continue
        number = sum(1 for group in shared for rows, _ in group if rows.part == part)
        said = f"{count(number, 'picture')} of {len(held):,} in the {part} part {verb(number, 'stands', 'stand')} in the training part too"
        said += f": {_named(subject, shared)}"
        level: Level = "warning" if number >= NOTEWORTHY * len(held) else "note"
        problems.append(Problem(level, subject.where(held), said, "delete the copies from one of the two: results on them are too good"))
    return problems


def _named(subject: Subject, groups: Sequence[Group], limit: int = 3) -> str:
    shown = [" = ".join(subject.place(rows, row) for rows, row in group[:3]) for group in groups[:limit]]
    return "; ".join(shown) + (f"; and {len(groups) - limit:,} more" if len(groups) > limit else "")


def _source(subject: Subject, rows: Rows) -> Part:
    """The part of the files that rows were drawn from."""
    for part, examples in subject.content.parts.items():
        if examples is rows.examples:
            return part
    return rows.part


def _label(subject: Subject, rows: Rows, row: int) -> str | None:
    if subject.content.kind in SCENES:  # a picture has many, or none
        return None
    name = subject.targets[0] if subject.targets else "label"
    frame = rows.examples.frame
    return str(frame[name][rows.number(row)]) if name in frame.columns else None


def figures(subject: Subject, looked: Looked) -> dict[str, Any]:
    """Number, sizes and modes of the pictures for data.json; of some pictures where they were not decoded."""
    looks = [look for looks in looked.looks.values() for look in looks if look.size is not None]
    sizes, modes = Counter(look.size for look in looks if look.size is not None), Counter(look.mode for look in looks)
    pictures = subject.content.examples.pictures
    if not looks and pictures is not None:
        sizes, modes = sampled(pictures)
    listed = [[width, height, number] for (width, height), number in sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))]
    total = sum(len(rows.examples) for rows in subject.sources)
    return {"count": total, "sizes": listed, "modes": dict(modes.most_common()), "thumbnails": []}
