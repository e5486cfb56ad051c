"""What can be wrong with annotated objects and their pictures, all objects at once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from sonde.data.outlines import runs
from sonde.data.readers.annotations import Annotations
from sonde.errors import Problem, did_you_mean

SLACK = 1.0  # pixels by which a box may reach beyond its picture without a word: rounding, and corners counted from 1
ASPECT = 32.0  # of the longer to the shorter side, above which nothing of a picture is left when its longer side is scaled
LISTED = 1000  # problems of one sort that are listed one by one
SKIP = "`--on-error skip` leaves the picture out"


@dataclass(frozen=True)
class Checked:
    """Boxes float64 (object, 4) cut at their pictures' borders, which objects are `kept`, areas, class names and problems."""

    boxes: np.ndarray
    kept: np.ndarray
    area: np.ndarray
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]


def checked(found: Annotations, sizes: np.ndarray) -> Checked:
    """Look at every picture and object. `sizes` int64 (picture, 2) are widths and heights, 0 where unknown.

    Objects of no width or height are left out, each with a warning; boxes that reach beyond their pictures are cut. What would
    teach something wrong is an error of its picture: numbers that are none, corners that changed sides, boxes that lie outside
    altogether, classes without a name, run-length codes of the wrong length, and pictures that are missing or mere lines.
    """
    problems = list(found.problems) + _pictures(found, sizes)
    owner = np.array(found.image, dtype=np.int64)
    boxes = found.corners()
    limits = np.tile(sizes[owner].astype(np.float64), 2).reshape(-1, 4)
    if found.relative:
        boxes = boxes * limits
    known: np.ndarray = np.all(limits > 0, axis=1)
    finite: np.ndarray = np.all(np.isfinite(boxes), axis=1)
    sides = boxes[:, 2:] - boxes[:, :2]
    negative = finite & (sides < 0).any(1)
    empty = finite & ~negative & (sides <= 0).any(1)
    cut = np.where(known[:, None], np.clip(boxes, 0, np.where(limits > 0, limits, np.inf)), boxes)
    outside = finite & ~negative & ~empty & ((cut[:, 2:] - cut[:, :2]) <= 0).any(1)
    over = finite & ~negative & ~empty & ~outside & known & (np.abs(cut - boxes).max(1, initial=0) > SLACK)

    def each(mask: np.ndarray, said: str, remedy: str, *, warning: bool = False) -> None:
        for i in np.flatnonzero(mask)[:LISTED]:
            where = f"{found.where[owner[i]]}, {found.called[i]}"
            problems.append(
                Problem("warning" if warning else "error", where, said.format(box=_shown(boxes[i])), remedy, None if warning else int(owner[i]))
            )

    each(~finite, "the box {box} is not four numbers", f"mend it; {SKIP}")
    each(negative, "the box {box} has a negative size: its right or bottom edge comes before its left or top", f"exchange the two corners; {SKIP}")
    each(empty, "the box {box} has no width or no height; this object is left out", "draw it again, or delete it", warning=True)
    for i in np.flatnonzero(outside)[:LISTED]:
        width, height = sizes[owner[i]]
        where = f"{found.where[owner[i]]}, {found.called[i]}"
        said = f"the box {_shown(boxes[i])} lies outside its picture of {width} × {height} pixels"
        problems.append(Problem("error", where, said, f"is it another picture's? Mend or delete it; {SKIP}", int(owner[i])))
    if over.any():
        first = [f"{found.where[owner[i]]}, {found.called[i]}" for i in np.flatnonzero(over)[:5]]
        more = f" and {over.sum() - 5:,} more" if over.sum() > 5 else ""
        many = f"{over.sum():,} box{'' if over.sum() == 1 else 'es'} reach{'es' if over.sum() == 1 else ''} beyond the picture"
        problems.append(Problem("note", "; ".join(first) + more, f"{many} by more than a pixel", "nothing to do: cut at the border"))
    classes, unnamed = _classes(found, owner)
    problems += unnamed + _outlines(found, owner, sizes)
    area = np.array(found.area, dtype=np.float64)
    own = np.clip(cut[:, 2:] - cut[:, :2], 0, None).prod(1)
    named = np.array([label is not None for label in found.labels], dtype=bool)
    kept = finite & ~negative & ~empty & ~outside & named
    return Checked(cut, kept, np.where(np.isfinite(area) & (area > 0), area, own), classes, tuple(problems))


def _pictures(found: Annotations, sizes: np.ndarray) -> list[Problem]:
    """Pictures that are missing, and those that are mere lines."""
    problems = []
    missing = [i for i, place in enumerate(found.places) if place is None]
    for i in missing[:LISTED]:
        remedy = f"put it beside the annotations, or delete its entry; {SKIP}"
        problems.append(Problem("error", found.where[i], f"the picture {found.names[i]!r} is not there", remedy, i))
    for i in missing[LISTED:]:
        problems.append(Problem("error", found.where[i], "a picture is not there", SKIP, i))
    short, long = sizes.min(1, initial=2**31), sizes.max(1, initial=0)
    for i in np.flatnonzero((short > 0) & (long > ASPECT * short)).tolist():
        said = f"the picture is {sizes[i, 0]} × {sizes[i, 1]:,} pixels: scaled down as a whole, nothing of it would be left"
        problems.append(Problem("error", f"{found.where[i]} ({found.names[i]})", said, f"cut it into pieces; {SKIP}", i))
    for i in np.flatnonzero(short <= 0).tolist():
        if found.places[i] is not None:
            said = "the size of the picture is not annotated and cannot be read from it"
            problems.append(Problem("error", f"{found.where[i]} ({found.names[i]})", said, f"is it damaged? Replace it; {SKIP}", i))
    return problems


def _classes(found: Annotations, owner: np.ndarray) -> tuple[tuple[str, ...], list[Problem]]:
    """The names of the classes, and objects whose class has none."""
    problems = []
    for i in [i for i, label in enumerate(found.labels) if label is None][:LISTED]:
        where = f"{found.where[owner[i]]}, {found.called[i]}"
        problems.append(Problem("error", where, "its class is not among the categories", f"add the category; {SKIP}", int(owner[i])))
    named = {label for label in found.labels if label is not None}
    if not found.classes:
        return tuple(sorted(named)), problems
    unknown = named - set(found.classes)
    for i in [i for i, label in enumerate(found.labels) if label in unknown][:LISTED]:
        where = f"{found.where[owner[i]]}, {found.called[i]}"
        said = f"the class {found.labels[i]!r} is not among the categories"
        problems.append(Problem("error", where, said, f"{did_you_mean(str(found.labels[i]), found.classes)}; {SKIP}", int(owner[i])))
    return found.classes, problems


def _outlines(found: Annotations, owner: np.ndarray, sizes: np.ndarray) -> list[Problem]:
    """Run-length codes that do not fit their pictures, and polygons of fewer than three corners."""
    problems = []
    for i in [i for i, outline in enumerate(found.outlines) if outline is not None]:
        outline = json.loads(found.outlines[i] or "null")
        said = None
        if isinstance(outline, dict):
            width, height = sizes[owner[i]]
            try:
                runs(outline)
                if list(outline["size"]) != [height, width]:
                    said = f"the run-length code is of a picture of {outline['size'][1]} × {outline['size'][0]} pixels, and this one has {width} × {height}"
            except ValueError as error:
                said = str(error)
        elif not isinstance(outline, list) or any(not _is_polygon(polygon) for polygon in outline):
            said = "the outline is no list of polygons x, y, x, y, … of at least three corners each"
        if said is not None:
            problems.append(Problem("error", f"{found.where[owner[i]]}, {found.called[i]}", said, f"mend or delete it; {SKIP}", int(owner[i])))
    return problems[:LISTED]


def _is_polygon(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) >= 6
        and len(values) % 2 == 0
        and all(isinstance(value, (int, float)) and not isinstance(value, bool) and value == value for value in values)
    )


def _shown(box: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in box) + ")"
