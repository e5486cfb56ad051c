"""Pictures in folders named after their classes: `root/<class>/*.jpg`, also `root/{train,val,test}/<class>/*.jpg`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from sonde.data.contents import Chosen, Content, Examples, Part, Pictures
from sonde.data.fingerprint import of_files
from sonde.data.readers.leave_out import OnError, leave_out
from sonde.data.readers.pictures import FilePictures, Stored, is_picture, mode_notes, modes
from sonde.errors import DataError, Problem, nearest

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "trial": "validation",
    "test": "test",
    "testing": "test",
}
PARTS: tuple[Part, ...] = ("all", "train", "validation", "test")
_OTHERS_NAMED = 5  # so many left-out files are named, the rest counted


@dataclass
class Layout:
    """Which names are pictures of which part and class, as (place in the list of names, class or "")."""

    rows: dict[Part, list[tuple[int, str]]] = field(default_factory=dict)
    outside: list[tuple[int, str]] = field(default_factory=list)  # pictures in no class folder: place and name
    others: list[str] = field(default_factory=list)  # files that are no pictures
    unused: Counter[str] = field(default_factory=Counter)  # folders beside train/ and test/: pictures in them

    @property
    def labelled(self) -> bool:
        """Whether there are class folders."""
        return any(label for rows in self.rows.values() for _, label in rows)

    @property
    def index(self) -> np.ndarray:
        """The places of all pictures that are used."""
        return np.array([place for rows in self.rows.values() for place, _ in rows], dtype=np.int64)


def ignored(name: str) -> bool:
    """Hidden files and what operating systems leave behind."""
    return any(piece.startswith(".") or piece in ("__MACOSX", "Thumbs.db", "desktop.ini") for piece in name.split("/"))


def lay_out(names: Sequence[str]) -> Layout:
    """Parts and classes from relative paths with `/`. Folders that all pictures share are looked through."""
    kept = [(place, name) for place, name in enumerate(names) if not ignored(name)]
    pictures = sorted((name.split("/"), place) for place, name in kept if is_picture(name))
    layout = Layout(others=sorted(name for _, name in kept if not is_picture(name)))
    start = _shared_depth([pieces for pieces, _ in pictures])
    placed = [(pieces[start:], place) for pieces, place in pictures]
    classed = {PART_NAMES.get(pieces[0].lower()) for pieces, _ in placed if len(pieces) > 2}
    folders = {PART_NAMES.get(pieces[0].lower()) for pieces, _ in placed if len(pieces) > 1} - {None}
    given = "train" in classed and len(folders) > 1
    for pieces, place in placed:
        part: Part = "all"
        if given and len(pieces) > 1:
            if pieces[0].lower() not in PART_NAMES:
                layout.unused[pieces[0]] += 1
                continue
            part, pieces = PART_NAMES[pieces[0].lower()], pieces[1:]
        if len(pieces) > 1:
            layout.rows.setdefault(part, []).append((place, pieces[0]))
        else:
            layout.outside.append((place, names[place]))
    if not layout.rows and layout.outside:  # pictures without labels
        layout.rows = {"all": [(place, "") for place, _ in layout.outside]}
    return layout


def _shared_depth(paths: Sequence[list[str]]) -> int:
    """How many leading folders all pictures share, the class folder aside; single pictures above them do not count."""
    deep = [pieces for pieces in paths if len(pieces) > 2]
    if not deep or any(len(pieces) == 2 for pieces in paths):  # class folders stand at the top already
        return 0
    start = 0
    while len({pieces[start] for pieces in deep}) == 1 and all(len(pieces) > start + 2 for pieces in deep):
        start += 1
    return start


def files_under(root: Path) -> list[Path]:
    """All files under a folder, hidden ones aside; linked folders are followed once."""
    found: list[Path] = []
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(folder))
        except PermissionError:
            raise DataError(Problem("error", str(folder), "this folder cannot be read", "change its permissions")) from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                waiting.append(Path(entry.path))
            elif entry.is_file():
                found.append(Path(entry.path))
    return sorted(found)


def read_class_folders(root: Path, *, on_error: OnError = "stop", files: Sequence[Path] | None = None) -> Content:
    """The pictures under a folder, labelled by the folders they are in; without class folders they have no labels.

    Raises
    ------
    DataError
        When there is no picture there, or train/ and test/ hold pictures without class folders.
    """
    files = files_under(root) if files is None else files
    inside = [file.relative_to(root).as_posix() for file in files]
    name = root.resolve().name
    store = FilePictures(files, [f"{name}/{file}" for file in inside])
    layout = lay_out(inside)
    parts, problems, notes = picture_parts(layout, store, where=str(root), on_error=on_error)
    used = [files[int(place)] for place in layout.index]
    return Content(
        kind="images",
        origin=str(root),
        name=name,
        reason=reason(parts),
        parts=parts,
        fingerprint=of_files(used, root),
        target="label" if layout.labelled else None,
        files=tuple(used),
        problems=tuple(problems),
        notes=tuple(notes),
    )


class Store(Pictures, Stored, Protocol):
    """Encoded pictures, one for each name that was laid out."""


def picture_parts(layout: Layout, store: Store, *, where: str, on_error: OnError) -> tuple[dict[Part, Examples], list[Problem], list[str]]:
    """The parts of a layout, with what is wrong and what is worth knowing."""
    if not layout.rows:
        found = f"there is no picture here, only {_some(layout.others)}" if layout.others else "there is no file here"
        raise DataError(Problem("error", where, found, "put pictures into one folder a class: ROOT/cat/1.jpg, ROOT/dog/2.jpg"))
    _refuse_parts_without_classes(layout, where)
    parts: dict[Part, Examples] = {}
    for part in PARTS:
        if part in layout.rows:
            index = np.array([place for place, _ in layout.rows[part]], dtype=np.int64)
            columns = {"image": [store.name(int(place)) for place in index]}
            if layout.labelled:
                columns["label"] = [label for _, label in layout.rows[part]]
            parts[part] = Examples(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), Chosen(store, index))
    problems: list[Problem] = []
    if layout.labelled:
        parts, problems = check_classes(parts, where=where, on_error=on_error)
    return parts, problems, _layout_notes(layout) + mode_notes(modes(store, layout.index))


def _refuse_parts_without_classes(layout: Layout, where: str) -> None:
    labels = {label for _, label in layout.rows.get("all", [])}
    parts = {PART_NAMES[label.lower()] for label in labels if label.lower() in PART_NAMES}
    if len(parts) > 1 and ("train" in parts or len(parts) == len(labels)):
        found = f"{' and '.join(f'{label}/' for label in sorted(labels))} hold pictures directly, with no class folders in them"
        raise DataError(Problem("error", where, found, "sort them into class folders (train/cat/1.jpg), or name them in a table with their labels"))


def _layout_notes(layout: Layout) -> list[str]:
    notes = []
    if layout.outside and layout.labelled:
        notes.append(f"{_some([name for _, name in layout.outside])} in no class folder, left out")
    elif layout.outside:
        notes.append("the pictures are in no class folders, so they have no labels; to train, put each class into a folder of its own")
    if layout.others:
        notes.append(f"{_some(layout.others)}: not pictures, left out")
    return notes + [f"folder {name} ({count} pictures) is no part of the data and is left out" for name, count in layout.unused.items()]


def _some(names: Sequence[str]) -> str:
    files = f"{len(names)} file{'s' if len(names) > 1 else ''}"
    return f"{files} ({', '.join(names[:_OTHERS_NAMED])}{', …' if len(names) > _OTHERS_NAMED else ''})"


def check_classes(parts: dict[Part, Examples], *, where: str, on_error: OnError) -> tuple[dict[Part, Examples], list[Problem]]:
    """The parts and what is wrong with their classes: one class only, a class with one picture, parts whose classes differ."""
    learnt: Part = "all" if "all" in parts else "train"
    counts = Counter(parts[learnt].frame["label"].to_list())
    problems: list[Problem] = []
    result: dict[Part, Examples] = {}
    for part, examples in parts.items():
        labels = examples.frame["label"].to_list()
        wrong = _lone(counts, where) if part == learnt else _unknown(labels, counts, where, part)
        missing = sorted(set(counts) - set(labels))
        if missing:
            found = f"the {part} part has no picture of {', '.join(missing)}"
            problems.append(Problem("warning", where, found, "its measures say nothing about these classes"))
        result[part], wrong = leave_out(examples, wrong, on_error)
        problems += wrong
    classes = result[learnt].frame["label"].unique()
    if len(classes) == 1:
        found = f"there is only one class, {classes[0]!r}"
        problems.append(Problem("error", where, found, "telling classes apart takes two: add another class folder"))
    return result, _one_each(problems)


def _lone(counts: Counter[str], where: str) -> list[Problem]:
    return [
        Problem("error", f"{where}/{label}", f"class {label!r} has one picture only", "add pictures of it or remove the folder")
        for label, count in sorted(counts.items())
        if count == 1
    ]


def _unknown(labels: Sequence[str], counts: Counter[str], where: str, part: Part) -> list[Problem]:
    found = Counter(label for label in labels if label not in counts)
    problems = []
    for row, label in enumerate(labels):
        if label not in counts:
            near = nearest(label, counts)
            remedy = f"is it {near!r}? Rename the folder, " if near else "add such pictures to the training part, "
            what = f"the {part} part has {found[label]} pictures of {label!r}, a class that the training part lacks"
            problems.append(Problem("error", f"{where}/{part}/{label}", what, remedy + "or remove it", example=row))
    return problems


def _one_each(problems: Sequence[Problem]) -> list[Problem]:
    """One of several problems that say the same of the same folder."""
    return list({(problem.level, problem.where, problem.found): problem for problem in reversed(problems)}.values())[::-1]


def reason(parts: dict[Part, Examples]) -> str:
    """How one told: "3 class folders with 300 pictures"."""
    total = sum(len(examples) for examples in parts.values())
    pictures = f"{total:,} picture{'s' if total != 1 else ''}"
    learnt = parts["all"] if "all" in parts else parts["train"]
    if "label" not in learnt.frame.columns:
        return f"{pictures} without class folders"
    classes = learnt.frame["label"].n_unique()
    folders = f"{classes} class folder{'s' if classes != 1 else ''} with {pictures}"
    return folders if "all" in parts else f"{folders} in {', '.join(parts)}"
