"""COCO's JSON: lists of images, annotations and categories (Lin et al. 2014; cocodataset.org/#format-data).

Boxes are x, y, width, height. Files may be parts by their names: instances_train2017.json and instances_val2017.json.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from sonde.data.contents import Part
from sonde.data.readers.annotations import Annotations, number
from sonde.data.readers.files import Files
from sonde.data.readers.parts import left_out, parts_named
from sonde.errors import DataError, Problem
from sonde.recipe import Data


def may_be(head: bytes) -> bool:
    """Whether a JSON file that begins with `head` speaks of images or annotations."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and any(
        key in head for key in (b'"annotations"', b'"categories"', b'"images"')
    )


def read(files: Files, data: Data) -> Annotations | None:
    """The annotations of all COCO files among `files`; None where there are none."""
    chosen = [i for i in files.ending(".json") if may_be(files.head(i, 2**20))]
    # Beside instances_….json the publisher's folder has the same pictures' captions and key points.
    chosen = [i for i in chosen if PurePosixPath(files.names[i]).name.startswith("instances")] or chosen
    tables = {i: table for i in chosen if (table := _loaded(files, i)) is not None}
    if not tables:
        return None
    names = [files.names[i] for i in tables]
    parts = parts_named(names, origin=files.origin)
    found = Annotations(form="COCO JSON", notes=left_out(names, parts))
    tables = {index: table for place, (index, table) in enumerate(tables.items()) if place in parts}
    categories: dict[int, str] = {}
    for index, table in tables.items():
        _categories(table, files.name(index), categories)
    found.classes = tuple(categories[key] for key in sorted(categories))
    for (index, table), part in zip(tables.items(), parts.values(), strict=True):
        _add(found, table, files, index, part, categories)
    return found


def _loaded(files: Files, index: int) -> dict[str, Any] | None:
    """The JSON, if it is of images and annotations. Captions and key points without boxes are not."""
    try:
        table = json.loads(files.text(index))
    except ValueError as error:
        raise DataError(Problem("error", files.name(index), f"this is not valid JSON: {error}", "save it again, or remove it")) from None
    if not isinstance(table, dict) or not ({"annotations", "categories"} & set(table)):
        return None
    if not isinstance(table.get("images"), list) or not table["images"]:
        said = 'there are no images in it (the key "images" is missing or empty)'
        raise DataError(Problem("error", files.name(index), said, 'COCO has a list "images" of {"id", "file_name", "width", "height"}'))
    annotations = table.get("annotations")
    if not isinstance(annotations, list):
        said = 'there are no annotations in it (the key "annotations" is missing)'
        raise DataError(Problem("error", files.name(index), said, 'COCO has a list "annotations" of {"image_id", "category_id", "bbox"}'))
    if annotations and not any(isinstance(each, dict) and "bbox" in each for each in annotations):
        return None
    return table


def _categories(table: dict[str, Any], where: str, categories: dict[int, str]) -> None:
    for place, each in enumerate(table.get("categories") or []):
        if not isinstance(each, dict) or not isinstance(each.get("id"), int) or "name" not in each:
            said = f"category {place + 1} of the list lacks a number id or a name"
            raise DataError(Problem("error", where, said, 'write {"id": 1, "name": "cat"}'))
        known, name = categories.get(each["id"]), str(each["name"])
        if known is not None and known != name:
            said = f"category {each['id']} is {name!r} here and {known!r} before"
            raise DataError(Problem("error", where, said, "give each category one id, the same in all files"))
        categories[each["id"]] = name
    if len(set(categories.values())) < len(categories):
        names = list(categories.values())
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(Problem("error", where, f"two categories are called {twice!r}", "give each a name of its own"))


def _add(found: Annotations, table: dict[str, Any], files: Files, index: int, part: Part, categories: dict[int, str]) -> None:
    file, numbers = files.name(index), dict[Any, int]()
    stem = PurePosixPath(files.names[index]).stem.split("_")[-1]
    for place, each in enumerate(table["images"]):
        if not isinstance(each, dict) or "id" not in each or not each.get("file_name"):
            found.wrong(f"{file}, image {place + 1} of the list", "it lacks an id or a file_name", "give it both, or delete it")
            continue
        where, name = f"{file}, image {each['id']}", str(each["file_name"])
        size = number(each.get("width")), number(each.get("height"))
        picture = found.picture(name, files.find(f"{stem}/{name}"), size, part, where)
        if each["id"] in numbers:
            before = found.names[numbers[each["id"]]]
            said = f"two images have the id {each['id']}: {before!r} and {name!r}"
            found.wrong(where, said, "give each an id of its own; `--on-error skip` leaves the second one out", picture)
        else:
            numbers[each["id"]] = picture
    seen: dict[Any, dict[str, Any]] = {}
    for place, each in enumerate(table["annotations"]):
        if not isinstance(each, dict):
            found.wrong(f"{file}, annotation {place + 1} of the list", "it is no table", "delete it")
            continue
        called = f"annotation {each.get('id', f'{place + 1} of the list')}"
        image = numbers.get(each.get("image_id"))
        if image is None:
            said = f"it belongs to image {each.get('image_id')!r}, and there is no such image"
            problem = Problem("warning", f"{file}, {called}", f"{said}; left out", "add the image, or delete the annotation")
            found.problems.append(problem)
            continue
        if each.get("id") in seen and each.get("id") is not None:
            same = seen[each["id"]] == each
            said = f"two annotations have the id {each['id']}" + (
                " and are the same; the second is left out" if same else "; both are kept, as they differ"
            )
            found.problems.append(Problem("warning", f"{found.where[image]}, {called}", said, "give each an id of its own"))
            if same:
                continue
        seen[each.get("id")] = each
        _object(found, each, image, called, categories)


def _object(found: Annotations, each: dict[str, Any], image: int, called: str, categories: dict[int, str]) -> None:
    box = each.get("bbox")
    values = [number(value) for value in box] if isinstance(box, list) and len(box) == 4 else [float("nan")] * 4
    left, top, width, height = values
    outline = each.get("segmentation") or None
    if isinstance(outline, dict) and not outline.get("counts"):
        outline = None
    found.object(
        image,
        (left, top, left + width, top + height),
        categories.get(each.get("category_id", -1)),
        called=called,
        crowd=bool(each.get("iscrowd")),
        area=number(each.get("area")),
        outline=None if outline is None else json.dumps(outline, separators=(",", ":")),
    )
