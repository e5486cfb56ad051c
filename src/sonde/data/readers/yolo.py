"""YOLO's text labels: beside each picture (or in labels/ beside images/) a file of lines `class x y width height`, shares of the picture.

x and y are the box's centre. A line of more numbers is a polygon x y x y …, of which the box is taken. Names of the classes stand in
data.yaml (`names:`) or classes.txt; train and val folders are parts.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import numpy as np

from sonde.data.contents import Part
from sonde.data.readers.annotations import Annotations, number
from sonde.data.readers.files import Files
from sonde.data.readers.parts import part_in
from sonde.recipe import Data

_NAMES = ("classes.txt", "obj.names", "predefined_classes.txt", "labels.txt", "names.txt")
_LINE = re.compile(rb"^\s*\d+(\s+[-+0-9.eE]+|\s+nan){4,}\s*$")


def may_be(head: bytes) -> bool:
    """Whether a YAML file that begins with `head` lists class names."""
    return re.search(rb"^names\s*:", head, re.MULTILINE) is not None


def read(files: Files, data: Data) -> Annotations | None:
    """The labels of all pictures among `files`; None where no text file that goes with a picture holds labels."""
    texts = [i for i in files.ending(".txt") if PurePosixPath(files.names[i]).name not in _NAMES]
    if not texts:
        return None
    pictures = {_key(files.names[i]): i for i in files.pictures}
    named = {_key(files.names[i]): i for i in texts if _key(files.names[i]) in pictures}
    if not named or not _holds_labels(files, list(named.values())):
        return None
    classes = _classes(files)
    found = Annotations(form="YOLO text labels", relative=True)
    folders = {part_in(files.names[i].rpartition("/")[0]) for i in pictures.values()}
    given = "train" in folders and len(folders - {None}) > 1
    for key, place in pictures.items():
        name = files.names[place]
        part: Part = (part_in(name.rpartition("/")[0]) or "train") if given else "all"
        index = named.get(key)
        picture = found.picture(name, place, (0.0, 0.0), part, files.name(place if index is None else index))
        if index is not None:
            _add(found, files.text(index), picture, classes)
    for index in sorted(set(texts) - set(named.values())):
        if "labels" in PurePosixPath(files.names[index]).parts and _is_labels(files.content(index)):
            found.picture(files.names[index], None, (0.0, 0.0), "train" if given else "all", files.name(index))
    numbers = {int(label) for label in found.labels if label is not None and label.isdigit()} if not classes else set()
    found.classes = classes or tuple(str(each) for each in range(max(numbers, default=-1) + 1))
    if not classes:
        found.notes.append("the classes have no names: put classes.txt, a name a line, or data.yaml there")
    return found


def _key(name: str) -> str:
    """What a picture and its labels have in common: the path without suffix, without the last `images` or `labels` in it."""
    pieces = name.rsplit(".", 1)[0].split("/")
    for place in range(len(pieces) - 2, -1, -1):
        if pieces[place].lower() in ("images", "labels"):
            return "/".join([*pieces[:place], *pieces[place + 1 :]])
    return "/".join(pieces)


def _holds_labels(files: Files, chosen: list[int]) -> bool:
    """Whether the first files that are not empty hold labels."""
    for index in chosen[:50]:
        content = files.content(index)
        if content.strip():
            return _is_labels(content)
    return False


def _is_labels(content: bytes) -> bool:
    lines = [line for line in content.splitlines() if line.strip()][:5]
    return bool(lines) and all(_LINE.match(line) for line in lines)


def _classes(files: Files) -> tuple[str, ...]:
    for index in files.ending(".yaml", ".yml"):
        text = files.text(index)
        if may_be(text.encode()):
            return _from_yaml(text)
    for name in _NAMES:
        place = files.find(name)
        if place is not None:
            return tuple(line.strip() for line in files.text(place).splitlines() if line.strip())
    return ()


def _from_yaml(text: str) -> tuple[str, ...]:
    """The names in data.yaml: a list in brackets or of dashes, or a table from numbers to names."""
    after = re.split(r"^names\s*:", text, maxsplit=1, flags=re.MULTILINE)[1]
    inline = re.match(r"\s*[\[{](.*?)[\]}]", after, re.DOTALL)
    if inline:
        entries = [entry.strip() for entry in inline[1].replace("\n", " ").split(",") if entry.strip()]
    else:
        lines = after.splitlines()[1:]
        block = next((number for number, line in enumerate(lines) if line.strip() and not re.match(r"\s|-", line)), len(lines))
        entries = [line.strip().removeprefix("-").strip() for line in lines[:block] if line.strip() and not line.strip().startswith("#")]
    numbered = [re.match(r"(\d+)\s*:\s*(.+)$", entry) for entry in entries]
    if entries and all(numbered):
        table = {int(match[1]): match[2] for match in numbered if match is not None}
        return tuple(_unquoted(table.get(each, str(each))) for each in range(max(table) + 1))
    return tuple(_unquoted(entry) for entry in entries)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _add(found: Annotations, text: str, picture: int, classes: tuple[str, ...]) -> None:
    for line_number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        called = f"line {line_number}"
        values = [number(cell) for cell in cells]
        if values[0] != values[0] or len(values) < 5 or (len(values) > 5 and len(values) % 2 == 0):
            said = f"{line.strip()[:80]!r} is not `class x y width height`"
            found.wrong(f"{found.where[picture]}, {called}", said, "mend or delete the line; `--on-error skip` leaves the picture out", picture)
            continue
        which = int(values[0])
        label = classes[which] if which < len(classes) else str(which)
        if len(values) == 5:
            x, y, width, height = values[1:]
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            outline = None
        else:
            points = np.array(values[1:]).reshape(-1, 2)
            box = (*points.min(0).tolist(), *points.max(0).tolist())
            outline = json.dumps([values[1:]])
        found.object(picture, box, label, called=called, outline=outline)
