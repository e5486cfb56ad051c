"""Tables of boxes, a row an object: filename,width,height,class,xmin,ymin,xmax,ymax, or with x, y and a box's own width and height.

Headers are matched tolerantly. A row without class and box is a picture without objects. Several tables are parts by their names:
data/train_labels.csv and data/test_labels.csv.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from sonde.data.contents import Part
from sonde.data.readers.annotations import Annotations, number
from sonde.data.readers.files import Files
from sonde.data.readers.parts import left_out, parts_named
from sonde.recipe import Data

# What a column is called, letters alone, in order of preference.
_NAMES: dict[str, tuple[str, ...]] = {
    "image": ("filename", "file", "image", "imagename", "imagepath", "path", "imageid", "img", "picture"),
    "label": ("class", "label", "classname", "category", "name", "classlabel", "object"),
    "left": ("xmin", "left", "x0", "xtopleft"),
    "top": ("ymin", "top", "y0", "ytopleft"),
    "right": ("xmax", "right", "x1", "xbottomright"),
    "bottom": ("ymax", "bottom", "y1", "ybottomright"),
}
_CORNERS_FROM_1 = {"left": "x1", "top": "y1", "right": "x2", "bottom": "y2"}
_BY_SIZE = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("bboxx", "bboxy", "bboxwidth", "bboxheight"))


def may_be(head: bytes) -> bool:
    """Whether a CSV file that begins with `head` is a table of boxes."""
    return _columns(_header(head.split(b"\n", 1)[0].decode("utf-8-sig", "replace"))) is not None


def read(files: Files, data: Data) -> Annotations | None:
    """The boxes of all such tables among `files`; None where there are none."""
    chosen = [i for i in files.ending(".csv") if may_be(files.head(i))]
    if not chosen:
        return None
    names = [files.names[i] for i in chosen]
    parts = parts_named(names, origin=files.origin)
    found = Annotations(form="a table of boxes" if len(parts) == 1 else "tables of boxes", notes=left_out(names, parts))
    for place, part in parts.items():
        _add(found, files, chosen[place], part)
    others = files.ending(".xml")
    if others:
        found.notes.append(f"{len(others):,} XML files beside the tables are not read; give one of them, or a folder without tables, to read these")
    return found


def _header(line: str) -> list[str]:
    return next(csv.reader([line.strip("\r")], delimiter=_mark(line)), [])


def _mark(line: str) -> str:
    return max(",;\t", key=line.count)


def _columns(header: Sequence[str]) -> dict[str, int] | None:
    """The place of each column that counts; None where this is no table of boxes. With `wide` and `high` boxes are left, top, width, height."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]

    def place(names: Sequence[str]) -> int | None:
        return next((plain.index(name) for name in names if name in plain), None)

    found = {key: at for key, names in _NAMES.items() if (at := place(names)) is not None}
    if all(name in plain for name in _CORNERS_FROM_1.values()):
        found |= {key: plain.index(name) for key, name in _CORNERS_FROM_1.items()}
    corners = {"left", "top", "right", "bottom"} <= set(found)
    sides = next((names for names in _BY_SIZE if not corners and all(name in plain for name in names)), None)
    if sides is not None:
        found |= dict(zip(("left", "top", "wide", "high"), (plain.index(name) for name in sides), strict=True))
    if "image" not in found or "label" not in found or not (corners or sides):
        return None
    if sides is None or "width" not in sides:
        found |= {key: at for key, names in (("width", ("width", "imagewidth")), ("height", ("height", "imageheight"))) if (at := place(names)) is not None}
    return found


def _add(found: Annotations, files: Files, index: int, part: Part) -> None:
    text, file = files.text(index), files.name(index)
    mark = _mark(text.split("\n", 1)[0])
    rows = csv.reader(io.StringIO(text), delimiter=mark)
    columns = _columns(next(rows)) or {}
    folder = files.names[index].rpartition("/")[0]
    pictures: dict[str, int] = {}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cell = {key: row[at].strip() if at < len(row) else "" for key, at in columns.items()}
        where, name = f"{file}, line {rows.line_num}", cell["image"]
        if not name:
            found.wrong(where, "the row names no picture", "fill it in, or delete the row")
            continue
        if name not in pictures:
            place = files.find(name, near=folder)
            place = files.find(name, near=folder, stem=True) if place is None else place
            size = number(cell.get("width")), number(cell.get("height"))
            pictures[name] = found.picture(name, place, size, part, where)
        if not cell["label"] and not cell["left"]:
            continue  # a picture without objects
        left, top = number(cell["left"]), number(cell["top"])
        right = left + number(cell["wide"]) if "wide" in cell else number(cell["right"])
        bottom = top + number(cell["high"]) if "high" in cell else number(cell["bottom"])
        label = cell["label"] or None
        found.object(pictures[name], (left, top, right, bottom), label, called=f"line {rows.line_num}")
