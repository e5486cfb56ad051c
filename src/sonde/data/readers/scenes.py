"""Pictures with objects in them, whatever form their annotations have: COCO, Pascal VOC, YOLO, tables of boxes; or a mask a picture.

Objects become columns of lists, one row a picture:

    image     the picture's name
    boxes     List[List[Float32]]: left, top, right, bottom in pixels; the whole picture is (0, 0, width, height)
    labels    List[String]: the class of each
    crowd     List[Boolean]: stands for many, or too hard to count (COCO's iscrowd, VOC's difficult)
    area      List[Float32]: as annotated, else the box's, in pixels
    outlines  List[String]: polygons or a run-length code as JSON (outlines.py), null where there is none
    width, height   of the picture, in pixels
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Chosen, Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers import box_table, coco, voc, yolo
from sonde.data.readers.annotations import Annotations
from sonde.data.readers.archives import is_archive
from sonde.data.readers.boxes_checked import Checked, checked
from sonde.data.readers.class_folders import PARTS
from sonde.data.readers.files import Files, files_at
from sonde.data.readers.leave_out import leave_out
from sonde.data.readers.mask_pairs import read_masks
from sonde.data.readers.pictures import mode_notes, modes
from sonde.errors import DataError, Problem
from sonde.recipe import Data

SCHEMA: dict[str, Any] = {
    "image": pl.String,
    "boxes": pl.List(pl.List(pl.Float32)),
    "labels": pl.List(pl.String),
    "crowd": pl.List(pl.Boolean),
    "area": pl.List(pl.Float32),
    "outlines": pl.List(pl.String),
    "width": pl.Int64,
    "height": pl.Int64,
}
# The forms in the order in which they are looked for: a table that names parts says more than the files it was made from.
_FORMS: tuple[Callable[[Files, Data], Annotations | None], ...] = (coco.read, box_table.read, yolo.read, voc.read)
_ALONE = (".json", ".csv", ".xml", ".yaml", ".yml")
_TOLD_BY = (*_ALONE, ".txt", ".png")


def scene_files(path: Path) -> Files | None:
    """The files at a folder, an archive, or around a single file of annotations; None for a single file of another kind."""
    alone = path.is_file() and not is_archive(path)
    if alone and (path.suffix.lower() not in _ALONE or not _may_annotate(path)):
        return None
    return _with_only(files_at(_root(path)), path) if alone else files_at(path)


def read_scenes(files: Files, path: Path, data: Data) -> Content | None:
    """The pictures among `files`, those at `path`, with what is in them; None where there are no annotations.

    Raises
    ------
    DataError
        Annotations that cannot be used at all.
    """
    if not files.ending(*_TOLD_BY):
        return None
    for read in _FORMS:
        found = read(files, data)
        if found is not None:
            return content(found, files, path, data)
    return read_masks(files, path, data)


def content(found: Annotations, files: Files, path: Path, data: Data) -> Content:
    """What annotations and files make together, checked."""
    if not found.names:
        raise DataError(found.problems or [Problem("error", str(path), "the annotations name no picture", "give a list of images with file names")])
    sizes = _sizes(found, files)
    if found.relative:
        _in_pixels(found, sizes)
    looked = checked(found, sizes)
    frame = _frame(found, looked, sizes)
    places = np.array([-1 if place is None else place for place in found.places], dtype=np.int64)
    belongs = np.array(found.parts)
    parts: dict[Part, Examples] = {}
    problems: list[Problem] = [problem for problem in looked.problems if problem.example is None]
    for part in PARTS:
        rows = np.flatnonzero(belongs == part)
        if not len(rows):
            continue
        whole = Examples(frame[rows], Chosen(_Named(files, found.names), places[rows]), classes=looked.classes)
        mine = {int(row): number for number, row in enumerate(rows)}
        said = [dataclasses.replace(p, example=mine[p.example]) for p in looked.problems if p.example is not None and p.example in mine]
        parts[part], left = leave_out(whole, said, data.on_error)
        problems += left
    if "all" not in parts and "train" not in parts:
        names = ", ".join(parts)
        raise DataError(Problem("error", str(path), f"there is a {names} part and none to train on", "name one of the lists train"))
    return Content(
        kind="boxes",
        origin=str(path),
        name=path.resolve().name.split(".")[0],
        reason=_reason(found, parts),
        parts=parts,
        fingerprint=of_files(files.opened, files.origin if files.origin.is_dir() else None),
        target="boxes",
        files=files.opened,
        problems=tuple(problems),
        notes=(*found.notes, *mode_notes(modes(files, places[places >= 0]))),
    )


class _Named:
    """The files' pictures; one that is not there says so when it is read."""

    def __init__(self, files: Files, names: list[str]) -> None:
        self.files, self.names = files, names

    def __len__(self) -> int:
        return len(self.files)

    def source(self, index: int) -> Path | bytes:
        return self.files.source(index)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        if index < 0:
            raise DataError(Problem("error", self.name(index), "the picture is not there", "put it beside the annotations"))
        return self.files.read(index, at_least)

    def name(self, index: int) -> str:
        return self.files.name(index) if index >= 0 else "a picture that is not there"


def _sizes(found: Annotations, files: Files) -> np.ndarray:
    """(width, height) of each picture, int64: as annotated, else by its own header; 0 where neither is known."""
    sizes = np.array([[w if w == w else 0, h if h == h else 0] for w, h in found.sizes], dtype=np.float64).reshape(-1, 2).round().astype(np.int64)
    unknown = [i for i in np.flatnonzero((sizes <= 0).any(1)) if found.places[i] is not None]
    if unknown:
        sizes[unknown] = files.sizes([place for i in unknown if (place := found.places[i]) is not None])
    return sizes


def _in_pixels(found: Annotations, sizes: np.ndarray) -> None:
    """Outlines that are shares of the picture's sides as pixels. Boxes are brought to pixels where they are checked."""
    for place, outline in enumerate(found.outlines):
        if outline is not None:
            side = sizes[found.image[place]]
            polygons = [(np.array(polygon).reshape(-1, 2) * side).round(2).reshape(-1).tolist() for polygon in json.loads(outline)]
            found.outlines[place] = json.dumps(polygons, separators=(",", ":"))


def _frame(found: Annotations, looked: Checked, sizes: np.ndarray) -> pl.DataFrame:
    """The columns, from flat lists: an object's row goes to its picture's list."""
    kept = np.flatnonzero(looked.kept)
    owner = np.array(found.image, dtype=np.int64)[kept]
    kept = kept[np.argsort(owner, kind="stable")]
    counts = np.bincount(owner, minlength=len(found.names))
    boxes = pl.Series(looked.boxes[kept].astype(np.float32).reshape(-1, 4), dtype=pl.Array(pl.Float32, 4)).cast(pl.List(pl.Float32))
    flat = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(counts)), counts),
            "boxes": boxes,
            "labels": pl.Series([found.labels[i] for i in kept], dtype=pl.String),
            "crowd": pl.Series([found.crowd[i] for i in kept], dtype=pl.Boolean),
            "area": looked.area[kept].astype(np.float32),
            "outlines": pl.Series([found.outlines[i] for i in kept], dtype=pl.String),
        }
    )
    lists = flat.group_by("row", maintain_order=True).all()
    frame = pl.DataFrame({"row": np.arange(len(counts)), "image": found.names, "width": sizes[:, 0], "height": sizes[:, 1]})
    joined = frame.join(lists.with_columns(pl.col("row").cast(frame.schema["row"])), on="row", how="left", maintain_order="left")
    empty = [pl.col(name).fill_null(pl.lit([], dtype=SCHEMA[name])) for name in ("boxes", "labels", "crowd", "area", "outlines")]
    return joined.with_columns(empty).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _reason(found: Annotations, parts: dict[Part, Examples]) -> str:
    pictures = sum(len(examples) for examples in parts.values())
    objects = sum(int(examples.frame["boxes"].list.len().sum()) for examples in parts.values())
    named = "" if "all" in parts else f" in {', '.join(parts)}"
    return f"{found.form} with {objects:,} object{'' if objects == 1 else 's'} in {pictures:,} picture{'' if pictures == 1 else 's'}{named}"


def _may_annotate(path: Path) -> bool:
    """Whether a single file may hold annotations, by its beginning."""
    try:
        with path.open("rb") as stream:
            head = stream.read(2**20)
    except OSError:
        return False
    suffix = path.suffix.lower()
    if suffix == ".json":
        return coco.may_be(head)
    if suffix == ".csv":
        return box_table.may_be(head)
    if suffix == ".xml":
        return b"<annotation" in head
    return yolo.may_be(head)


def _root(path: Path) -> Path:
    """The folder in which a file's pictures are looked for: its own, or the one above where it stands in one such as annotations/."""
    return path.parent.parent if path.parent.name.lower() in ("annotations", "labels", "data") else path.parent


def _with_only(files: Files, path: Path) -> Files:
    """All the files but annotations of the same form other than `path`: the user names one of several."""
    suffix = path.suffix.lower()
    kept = [i for i, name in enumerate(files.names) if not name.lower().endswith(suffix) or files.places[i] == path]
    return Files(files.origin, [files.names[i] for i in kept], [files.places[i] for i in kept], files.opened)
