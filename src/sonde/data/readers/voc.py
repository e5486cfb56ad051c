"""Pascal VOC's XML, a file a picture, with ImageSets/Main/{train,val,test}.txt where there are parts (Everingham et al. 2010).

Corners are pixels counted from 1 and belong to the box, so that its left edge is xmin − 1 and its right edge xmax. A set in which a
0 occurs counts from 0 and is taken as it stands.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from xml.etree import ElementTree

from sonde.data.contents import Part
from sonde.data.readers.annotations import Annotations, number
from sonde.data.readers.class_folders import PART_NAMES
from sonde.data.readers.files import Files
from sonde.data.readers.parts import part_in
from sonde.recipe import Data

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(files: Files, data: Data) -> Annotations | None:
    """The annotations of all VOC files among `files`; None where there are none."""
    chosen = [i for i in files.ending(".xml") if b"<annotation" in files.head(i)]
    if not chosen:
        return None
    found = Annotations(form="Pascal VOC XML")
    listed = _lists(files)
    roots = {"train": 0, "validation": 0, "test": 0}
    by_folder = {i: part_in(files.names[i].rpartition("/")[0]) for i in chosen} if not listed else {}
    folders = set(by_folder.values()) - {None}
    given = "train" in folders and len(folders) > 1
    unlisted = 0
    for index in chosen:
        stem = PurePosixPath(files.names[index]).stem
        if listed and stem not in listed:
            unlisted += 1
            continue
        part: Part = listed[stem] if listed else (by_folder[index] or "train") if given else "all"
        _add(found, files, index, part)
        if part in roots:
            roots[part] += 1
    if unlisted:
        found.notes.append(f"{unlisted:,} annotated pictures stand in no list of ImageSets/Main and are left out")
    for stem in sorted(set(listed) - {PurePosixPath(files.names[i]).stem for i in chosen}):
        found.wrong(f"{files.origin}, ImageSets/Main", f"the {listed[stem]} list names {stem!r}, which has no annotation", "delete the line")
    boxes = found.corners()
    if len(boxes) and not (boxes[:, :2] == 0).any():
        # An empty box stays an empty one: nobody draws boxes of a single pixel.
        found.boxes = [
            (left - (right > left), top - (bottom > top), right, bottom) if right > left and bottom > top else (left, top, right, bottom)
            for left, top, right, bottom in found.boxes
        ]
    return found


def _lists(files: Files) -> dict[str, Part]:
    """The part of each picture by the lists in ImageSets/Main; empty where there are none. trainval counts where there is no train."""
    lists: dict[str, int] = {}
    for index in files.ending(".txt"):
        path = PurePosixPath(files.names[index])
        if "ImageSets" in path.parts and (path.parent.name == "Main" or path.parent.name == "ImageSets"):
            lists.setdefault(path.stem.lower(), index)
    if "trainval" in lists and "train" not in lists:
        lists["train"] = lists["trainval"]
    named = {PART_NAMES[stem]: index for stem, index in lists.items() if stem in PART_NAMES}
    if "train" not in named:
        return {}
    found: dict[str, Part] = {}
    for part in ("test", "validation", "train"):
        if part in named:
            found |= {line.split()[0]: part for line in files.text(named[part]).splitlines() if line.strip()}
    return found


def _add(found: Annotations, files: Files, index: int, part: Part) -> None:
    where = files.name(index)
    try:
        # Nothing is loaded from elsewhere: ElementTree resolves no outside entities, and expat bounds how far inner ones grow.
        root = ElementTree.fromstring(files.content(index))
    except ElementTree.ParseError as error:
        found.wrong(where, f"this is not valid XML: {error}", "save it again, or remove it")
        return
    folder, _, own = files.names[index].rpartition("/")
    name = (root.findtext("filename") or "").strip() or own
    near = f"{folder.rpartition('/')[0]}/{root.findtext('folder') or 'JPEGImages'}".strip("/")
    place = files.find(name, near=near)
    if place is None:
        place = files.find(PurePosixPath(own).stem, near=near, stem=True)
    size = root.find("size")
    width, height = (number(size.findtext(side)) if size is not None else float("nan") for side in ("width", "height"))
    picture = found.picture(name, place, (width, height), part, where)
    for count, each in enumerate(root.iter("object"), 1):
        box = each.find("bndbox")
        corners = [number(box.findtext(corner)) if box is not None else float("nan") for corner in _CORNERS]
        label = (each.findtext("name") or "").strip() or None
        hard = (each.findtext("difficult") or "0").strip() == "1"
        found.object(picture, corners, label, called=f"object {count}" + (f" ({label})" if label else ""), crowd=hard)
