"""Annotated pictures written in another form: COCO JSON, Pascal VOC, YOLO labels, tables of boxes. Pictures are copied byte for byte."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from sonde.data.contents import Chosen, Content, Examples, Part
from sonde.data.readers.mask_pairs import voc_palette
from sonde.data.readers.pictures import Stored, is_picture
from sonde.errors import DataError, Problem, UsageError

FORMS = ("coco", "voc", "yolo", "csv")
_NAMES: dict[Part, str] = {"all": "all", "train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Converted:
    """What was written: how many files and objects, and what the form has no room for."""

    files: int
    objects: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Picture:
    """One picture: its file's name in the new set, size in pixels, and its objects."""

    file: str
    width: int
    height: int
    objects: list[_Object]


@dataclass(frozen=True)
class _Object:
    """One object: left, top, right, bottom in pixels, class, crowd or difficult, area, outline as JSON or None."""

    box: tuple[float, float, float, float]
    label: str
    crowd: bool
    area: float
    outline: str | None


def convert(content: Content, form: str, to: Path) -> Converted:
    """Write `content` in the form `coco`, `voc`, `yolo` or `csv` under the folder `to`, which must be new or empty.

    Masks of pixels can be written as `voc` alone. Parts stay parts. Examples with problems should have been left out before.

    Raises
    ------
    UsageError
        A folder that holds something, or a form that these data cannot be written in.
    DataError
        A picture that cannot be read, or a folder that cannot be written to.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError("there is something here already", where=str(to), remedy="give a new folder with --to")
    if content.kind not in ("boxes", "masks"):
        what = f"these data are of kind {content.kind}, which has no boxes or masks to convert"
        raise UsageError(what, where="--to-format", remedy="give pictures with annotations")
    if content.kind == "masks" and form != "voc":
        what = f"a class for each pixel cannot be written as {form}, which tells of objects"
        raise UsageError(what, where="--to-format", remedy="use --to-format voc: palette PNGs in SegmentationClass")
    try:
        to.mkdir(parents=True, exist_ok=True)
        return _masks(content, to) if content.kind == "masks" else _boxes(content, form, to)
    except OSError as error:
        found = f"the converted data cannot be written: {error.strerror or error}"
        raise DataError(Problem("error", str(to), found, "make room, or give another folder with --to")) from None


def _boxes(content: Content, form: str, to: Path) -> Converted:
    folders: dict[str, Callable[[str], str]] = {
        "coco": lambda part: part,
        "voc": lambda part: "JPEGImages",
        "yolo": lambda part: f"images/{part}",
        "csv": lambda part: "images",
    }
    classes, used = list(content.examples.classes), set[str]()
    parts: dict[str, list[_Picture]] = {}
    for part, examples in content.parts.items():
        parts[_NAMES[part]] = _copied(examples, to / folders[form](_NAMES[part]), used)
    write = {"coco": _coco, "voc": _voc, "yolo": _yolo, "csv": _csv}[form]
    write(parts, classes, to)
    objects = [each for pictures in parts.values() for picture in pictures for each in picture.objects]
    notes = []
    outlined, crowds = sum(each.outline is not None for each in objects), sum(each.crowd for each in objects)
    if outlined and form != "coco":
        notes.append(f"{outlined:,} outlines have no place in this form: their boxes are written")
    if crowds and form in ("yolo", "csv"):
        notes.append(f"{crowds:,} crowds or difficult objects are written like any other: this form has no mark for them")
    if form == "voc" and crowds:
        notes.append(f"{crowds:,} crowds are marked as difficult")
    return Converted(len(used), len(objects), tuple(notes))


def _copied(examples: Examples, folder: Path, used: set[str]) -> list[_Picture]:
    """The pictures with their bytes written to `folder`, under names of their own, and their objects."""
    folder.mkdir(parents=True, exist_ok=True)
    frame, pictures = examples.frame, []
    for row, each in enumerate(frame.iter_rows(named=True)):
        file = _written(examples, row, each["image"], folder, used)
        objects = [
            _Object(tuple(box), label, bool(crowd), float(area), outline)
            for box, label, crowd, area, outline in zip(each["boxes"], each["labels"], each["crowd"], each["area"], each["outlines"], strict=True)
        ]
        pictures.append(_Picture(file, each["width"], each["height"], objects))
    return pictures


def _written(examples: Examples, row: int, called: str, folder: Path, used: set[str]) -> str:
    """The name under which picture `row` was written: its own, with a number where two would have the same."""
    source = _source(examples, row)
    path = PurePosixPath(called.replace("\\", "/").rpartition(":")[2] if not is_picture(called) else called.replace("\\", "/"))
    stem, suffix, name, number = path.stem, path.suffix if isinstance(source, bytes | Path) else ".png", "", 1
    while not name or PurePosixPath(name).stem in used:
        name = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        number += 1
    used.add(PurePosixPath(name).stem)
    target = folder / name
    if isinstance(source, np.ndarray):
        Image.fromarray(source[:, :, 0] if source.shape[2] == 1 else source).save(target)
    else:
        target.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    return name


def _source(examples: Examples, row: int) -> Path | bytes | np.ndarray:
    """The encoded picture, or its pixels where it is not kept encoded."""
    store, index = examples.pictures, row
    while isinstance(store, Chosen):
        index = int(store.index[index])
        store = store.pictures
    assert store is not None
    return store.source(index) if isinstance(store, Stored) else store.read(index)


def _coco(parts: dict[str, list[_Picture]], classes: list[str], to: Path) -> None:
    (to / "annotations").mkdir()
    number = 0
    for part, pictures in parts.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image, picture in enumerate(pictures, 1):
            images.append({"id": image, "file_name": picture.file, "width": picture.width, "height": picture.height})
            for each in picture.objects:
                number += 1
                left, top, right, bottom = each.box
                box = [_short(value) for value in (left, top, right - left, bottom - top)]
                entry = {"id": number, "image_id": image, "category_id": classes.index(each.label) + 1, "bbox": box}
                entry |= {"area": _short(each.area), "iscrowd": int(each.crowd), "segmentation": json.loads(each.outline or "[]")}
                annotations.append(entry)
        categories = [{"id": place, "name": name} for place, name in enumerate(classes, 1)]
        table = {"images": images, "annotations": annotations, "categories": categories}
        (to / "annotations" / f"instances_{part}.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def _voc(parts: dict[str, list[_Picture]], classes: list[str], to: Path) -> None:
    (to / "Annotations").mkdir()
    if list(parts) != ["all"]:
        (to / "ImageSets" / "Main").mkdir(parents=True)
    for part, pictures in parts.items():
        for picture in pictures:
            root = ElementTree.Element("annotation")
            _elements(root, {"folder": "JPEGImages", "filename": picture.file})
            _elements(ElementTree.SubElement(root, "size"), {"width": picture.width, "height": picture.height, "depth": 3})
            for each in picture.objects:
                found = ElementTree.SubElement(root, "object")
                _elements(found, {"name": each.label, "difficult": int(each.crowd)})
                left, top, right, bottom = each.box
                # Corners count from 1 and belong to the box; one of under a pixel still keeps them apart.
                corners = {"xmin": left + 1, "ymin": top + 1, "xmax": max(right, left + 1.01), "ymax": max(bottom, top + 1.01)}
                _elements(ElementTree.SubElement(found, "bndbox"), {name: f"{_short(value):.10g}" for name, value in corners.items()})
            ElementTree.indent(root)
            (to / "Annotations" / f"{PurePosixPath(picture.file).stem}.xml").write_text(ElementTree.tostring(root, "unicode") + "\n", encoding="utf-8")
        if part != "all":
            lines = "".join(f"{PurePosixPath(picture.file).stem}\n" for picture in pictures)
            (to / "ImageSets" / "Main" / f"{part}.txt").write_text(lines, encoding="utf-8")


def _elements(parent: ElementTree.Element, values: dict[str, Any]) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, name).text = str(value)


def _yolo(parts: dict[str, list[_Picture]], classes: list[str], to: Path) -> None:
    for part, pictures in parts.items():
        (to / "labels" / part).mkdir(parents=True)
        for picture in pictures:
            lines = []
            for each in picture.objects:
                left, top, right, bottom = each.box
                x, y, width, height = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
                shares = (x / picture.width, y / picture.height, width / picture.width, height / picture.height)
                lines.append(f"{classes.index(each.label)} " + " ".join(f"{share:.8g}" for share in shares))
            stem = PurePosixPath(picture.file).stem
            (to / "labels" / part / f"{stem}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    listed = "".join(f"{part}: images/{part}\n" for part in parts) if list(parts) != ["all"] else "train: images/all\nval: images/all\n"
    names = "".join(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(classes))
    (to / "data.yaml").write_text(f"path: .\n{listed}names:\n{names}", encoding="utf-8")


def _csv(parts: dict[str, list[_Picture]], classes: list[str], to: Path) -> None:
    for part, pictures in parts.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
        for picture in pictures:
            for each in picture.objects:
                writer.writerow([picture.file, picture.width, picture.height, each.label, *(f"{_short(side):.10g}" for side in each.box)])
            if not picture.objects:
                writer.writerow([picture.file, picture.width, picture.height, "", "", "", "", ""])
        (to / f"{part}_labels.csv").write_text(text.getvalue(), encoding="utf-8")


def _masks(content: Content, to: Path) -> Converted:
    """Palette PNGs in SegmentationClass beside JPEGImages, lists in ImageSets/Segmentation, names in classes.txt."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (to / folder).mkdir(parents=True)
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[:] = [(value >> 16, value >> 8 & 255, value & 255) for value in voc_palette(256)]
    used: set[str] = set()
    for part, examples in content.parts.items():
        assert examples.masks is not None
        stems = []
        for row, name in enumerate(examples.frame["image"].to_list()):
            file = _written(examples, row, name, to / "JPEGImages", used)
            stems.append(PurePosixPath(file).stem)
            image = Image.fromarray(examples.masks.read(row)[:, :, 0])
            image.putpalette(palette.tobytes())
            image.save(to / "SegmentationClass" / f"{stems[-1]}.png")
        if part != "all":
            (to / "ImageSets" / "Segmentation" / f"{_NAMES[part]}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    (to / "classes.txt").write_text("".join(f"{name}\n" for name in content.examples.classes), encoding="utf-8")
    return Converted(len(used), 0, ())


def _short(value: float) -> float:
    """Rounded to hundredths of a pixel."""
    return round(float(value), 2)
