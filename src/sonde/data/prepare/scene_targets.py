"""What is learned of pictures with places in them: rows of boxes, planes of classes, maps of instances; on the prepared canvas.

    {"kind": "boxes", "columns": ["boxes"], "classes": ["cat", "dog"], "counts": [30, 12], "slots": 7, "masks": true, "longer": 320, "canvas": [256, 320]}
    {"kind": "mask",  "columns": ["mask"],  "classes": ["sky", "road"], "counts": [9120, 801], "palette": null, "longer": 320, "canvas": [256, 320]}

`counts` are training objects, or training pixels at full size, of each class.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from sonde.data.contents import Examples, Pictures
from sonde.data.outlines import decode_runs, fill_polygons
from sonde.data.prepare.images import decode
from sonde.data.prepare.scenes import ScenePreparation, extent, scale_of
from sonde.data.readers.mask_planes import VOID
from sonde.data.split import Selection
from sonde.errors import DataError, Problem
from sonde.ops.boxes import AREA, BOTTOM, CLASS, COLUMNS, CROWD, EMPTY, LEFT, SCALE


def fit_boxes(selection: Selection, scenes: ScenePreparation, *, most: int) -> dict[str, Any]:
    """The fitted target of detection. `most`: slots of a picture, at most."""
    frame = selection.examples.frame[selection.index]
    labels = frame["labels"].explode().drop_nulls()
    classes = list(selection.examples.classes) or sorted(labels.unique().to_list())
    counts = dict(labels.value_counts(name="count").iter_rows())
    if not counts:
        raise DataError(Problem("error", "the training part", "there is no object in any picture to learn from", "annotate some, or give other data"))
    objects = int(frame["boxes"].list.len().max() or 0)  # type: ignore[arg-type]
    outlined = bool(frame["outlines"].explode().is_not_null().any())
    return {
        "kind": "boxes",
        "columns": ["boxes"],
        "classes": classes,
        "counts": [int(counts.get(name, 0)) for name in classes],
        "slots": max(1, min(objects, most)),
        "masks": outlined,
        "longer": scenes.longer,
        "canvas": list(scenes.canvas),
    }


def fit_mask(selection: Selection, scenes: ScenePreparation) -> dict[str, Any]:
    """The fitted target of segmentation."""
    classes = list(selection.examples.classes)
    counts = np.zeros(256, dtype=np.int64)
    for _, _, plane in decode(masks_of(selection.examples), selection.index):
        if not isinstance(plane, DataError):
            counts += np.bincount(plane.reshape(-1), minlength=256)
    return {
        "kind": "mask",
        "columns": ["mask"],
        "classes": classes,
        "counts": counts[: len(classes)].tolist(),
        "palette": palette_of(selection.examples),
        "longer": scenes.longer,
        "canvas": list(scenes.canvas),
    }


def palette_of(examples: Examples) -> list[list[int]] | None:
    """The colours of the classes in the masks, where they are in colours."""
    store: Any = examples.masks
    while hasattr(store, "pictures"):
        store = store.pictures
    coding = getattr(store, "coding", None)
    found = None if coding is None else coding.palette
    return None if found is None else [list(colour) for colour in found]


def encode_boxes(values: dict[str, Any], frame: pl.DataFrame, name: Any = str) -> tuple[np.ndarray, list[Problem]]:
    """float32 (picture, slot, 8) as ops/boxes.py names the columns, and what is wrong; `name(row)` is what to call a picture.

    Of a picture with more objects than slots the largest are kept, crowds last.
    """
    count, slots = frame.height, values["slots"]
    out = np.zeros((count, slots, COLUMNS), dtype=np.float32)
    out[:, :, CLASS] = EMPTY
    scales = _scales(frame, values)
    out[:, :, SCALE] = scales[:, None]
    owner, place, kept = _slots(frame, slots)
    boxes = frame["boxes"].explode().drop_nulls().to_list()
    if not len(owner):
        return out, []
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4) * scales[owner][:, None]
    labels = frame["labels"].explode().drop_nulls()
    numbers = labels.cast(pl.Enum(values["classes"]), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    problems = []
    for i in np.flatnonzero((numbers < 0) & kept)[:1000]:
        said = f"the class {labels[int(i)]!r} is none that the model was made for"
        problems.append(Problem("error", name(int(owner[i])), said, f"the classes are {', '.join(values['classes'][:10])}", int(owner[i])))
    at = (owner[kept], place[kept])
    out[(*at, slice(LEFT, BOTTOM + 1))] = corners[kept]
    out[(*at, np.full(len(at[0]), CLASS))] = numbers[kept]
    out[(*at, np.full(len(at[0]), CROWD))] = frame["crowd"].explode().drop_nulls().to_numpy()[kept]
    out[(*at, np.full(len(at[0]), AREA))] = frame["area"].explode().drop_nulls().to_numpy()[kept]
    return out, problems


def encode_instances(values: dict[str, Any], frame: pl.DataFrame) -> np.ndarray:
    """int16 (picture, height, width): 0 nothing, k + 1 the object in slot k; where objects overlap, the smaller one owns the pixel."""
    height, width = values["canvas"]
    out = np.zeros((frame.height, height, width), dtype=np.int16)
    owner, place, kept = _slots(frame, values["slots"])
    scales, area = _scales(frame, values), frame["area"].explode().drop_nulls().to_numpy()
    outlines = frame.filter(pl.col("boxes").list.len() > 0)["outlines"].explode().to_list()
    known = np.array([text is not None for text in outlines], dtype=bool)
    for row in np.unique(owner[known & kept]) if len(owner) else []:
        mine = np.flatnonzero(known & kept & (owner == row))
        mine = mine[np.argsort(area[mine], kind="stable")]
        planes = outline_planes([json.loads(outlines[i]) for i in mine], (height, width), scales[row])
        first = planes.argmax(0)
        out[row] = np.where(planes.any(0), place[mine][first] + 1, 0)
    return out


def outline_planes(outlines: list[Any], size: tuple[int, int], scale: float) -> np.ndarray:
    """Bool (object, height, width): the pixels of objects outlined in original pixels, on a canvas of `scale` as many."""
    planes = np.zeros((len(outlines), *size), dtype=bool)
    polygons = [np.array(p, dtype=np.float64).reshape(-1, 2) * scale for outline in outlines if isinstance(outline, list) for p in outline]
    which = [number for number, outline in enumerate(outlines) if isinstance(outline, list) for _ in outline]
    if polygons:  # those of one object follow each other
        objects, starts = np.unique(which, return_index=True)
        planes[objects] = np.logical_or.reduceat(fill_polygons(polygons, size), starts, axis=0)
    for number, outline in enumerate(outlines):
        if isinstance(outline, dict):
            mask = decode_runs(outline)
            down = np.floor((np.arange(size[0]) + 0.5) / scale).astype(np.int64)
            across = np.floor((np.arange(size[1]) + 0.5) / scale).astype(np.int64)
            inside = mask[np.ix_(down[down < mask.shape[0]], across[across < mask.shape[1]])]
            planes[number, : inside.shape[0], : inside.shape[1]] = inside
    return planes


def encode_masks(values: dict[str, Any], examples: Examples) -> tuple[np.ndarray, list[Problem]]:
    """uint8 (picture, height, width): class numbers by the nearest pixel, 255 where there is none and beyond the picture; and what is wrong."""
    height, width = values["canvas"]
    out = np.full((len(examples), height, width), VOID, dtype=np.uint8)
    problems: list[Problem] = []
    for place, row, plane in decode(masks_of(examples), np.arange(len(examples))):
        if isinstance(plane, DataError):
            first = plane.problems[0]
            problems.append(Problem("error", first.where, first.found, first.remedy, row))
            continue
        tall, wide = plane.shape[:2]
        size = extent(wide, tall, scale_of(wide, tall, values["longer"], (height, width)), (height, width))
        small = np.asarray(Image.fromarray(plane[:, :, 0]).resize((size[1], size[0]), Image.Resampling.NEAREST))
        out[place, : size[0], : size[1]] = small
        unknown = (small >= len(values["classes"])) & (small != VOID)
        if unknown.any():
            top, left = (int(side) for side in np.argwhere(unknown)[0])
            said = f"the class number {small[top, left]} at x {left}, y {top} of the scaled mask is none that the model was made for"
            problems.append(Problem("error", masks_of(examples).name(row), said, f"it knows {len(values['classes'])} classes", row))
            out[place] = VOID
    return out, problems


def masks_of(examples: Examples) -> Pictures:
    """The masks. Raises DataError where there are none."""
    if examples.masks is None:
        raise DataError(Problem("error", "the data", "there are no masks", "give pictures with a mask each"))
    return examples.masks


def crowded(frame: pl.DataFrame, slots: int) -> list[tuple[int, int]]:
    """(row, objects) of the pictures with more objects than there are slots."""
    counts = frame["boxes"].list.len().fill_null(0).to_numpy()
    return [(int(row), int(counts[row])) for row in np.flatnonzero(counts > slots)]


def _scales(frame: pl.DataFrame, values: dict[str, Any]) -> np.ndarray:
    wide, tall = (frame[side].to_numpy().astype(np.float64).clip(1) for side in ("width", "height"))
    height, width = values["canvas"]
    return np.minimum(values["longer"] / np.maximum(wide, tall), np.minimum(height / tall, width / wide))


def _slots(frame: pl.DataFrame, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each object: its picture, its slot, and whether it has one. Objects keep their order where there is room for all."""
    counts = frame["boxes"].list.len().fill_null(0).to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    if not (counts > slots).any():
        return owner, place, np.ones(len(owner), dtype=bool)
    area = frame["area"].explode().drop_nulls().to_numpy()
    crowd = frame["crowd"].explode().drop_nulls().to_numpy().astype(bool)
    order = np.lexsort((-area, crowd, owner))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = place
    place = np.where((counts > slots)[owner], rank, place)
    return owner, place, place < slots
