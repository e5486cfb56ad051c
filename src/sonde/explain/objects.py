"""Pictures with the objects that were found in them, and with those that are there: whole, small, or close to one object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import polars as pl
from PIL import Image

from sonde import detections
from sonde.data.contents import Examples
from sonde.data.drawing import Box, Colour, Shown, colour_of, draw
from sonde.data.outlines import decode_runs
from sonde.errors import DataError
from sonde.explain.background import blur_background

SIDE: Final = 320  # pixels of the longer side of a small picture
CLOSE: Final = 240  # pixels of a close look at one object
AROUND: Final = 2.2  # how much of the surroundings of an object is shown, in its sizes
QUIET: Final[Colour] = (190, 190, 190)
QUALITY: Final = 92  # of a JPEG


def write_pictures(rows: pl.DataFrame, of: Examples, classes: Sequence[str], folder: Path, *, taken: set[str], blur: str | None = None) -> None:
    """Write NAME.jpg for each picture of `rows` (as `detections.rows` gives them) with its objects drawn on it; those that cannot be read are passed over.

    With `blur` also NAME-blurred.jpg, sharp only where the outlines of this class's objects are. `taken` are names that were given before: a second
    picture of one name gets a number, and stands in `taken` afterwards.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    for (picture, image), some in rows.group_by(["picture", "image"], maintain_order=True):
        pixels = pixels_of(of, int(picture))
        if pixels is None:
            continue
        name = _free(PurePath(str(image)).stem, taken)
        there = some.filter(pl.col("label").is_not_null())
        draw(pixels, found_shown(there, numbers)).save(folder / f"{name}.jpg", quality=QUALITY)
        if blur is not None:
            sharp = np.zeros(pixels.shape[:2], dtype=bool)
            for outline in there.filter((pl.col("label") == blur) & pl.col("outline").is_not_null())["outline"]:
                sharp |= decode_runs(json.loads(outline))
            blurred = blur_background(pixels, sharp)
            Image.fromarray(blurred[:, :, 0] if blurred.shape[2] == 1 else blurred).save(folder / f"{name}-blurred.jpg", quality=QUALITY)


def _free(stem: str, taken: set[str]) -> str:
    """`stem`, or the first of stem-2, stem-3 … that is not taken yet; it is then."""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


def true_shown(of: Examples, number: int, numbers: dict[str, int]) -> list[Shown]:
    """The true objects of a picture, with their class; crowds dashed."""
    row = of.frame.row(number, named=True)
    return [
        Shown(corners(np.array(box)), label, colour_of(numbers.get(label, 0)), dashed=bool(crowd))
        for box, label, crowd in zip(row["boxes"], row["labels"], row["crowd"], strict=True)
    ]


def found_shown(rows: pl.DataFrame, numbers: dict[str, int]) -> list[Shown]:
    """The objects of one picture's rows, with class, score and mask."""
    outlines = rows["outline"].to_list() if "outline" in rows.columns else [None] * len(rows)
    return [
        Shown(
            (left, top, right, bottom),
            f"{label} {score:.2f}",
            colour_of(numbers.get(label, 0)),
            mask=None if outline is None else decode_runs(json.loads(outline)),
        )
        for (label, score, left, top, right, bottom), outline in zip(rows.select(*detections.SCHEMA).iter_rows(), outlines, strict=True)
    ]


def corners(box: np.ndarray) -> Box:
    """A box as drawing wants it."""
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom


def pixels_of(of: Examples, number: int) -> np.ndarray | None:
    """The pixels of a picture; None where it cannot be read."""
    try:
        return None if of.pictures is None else of.pictures.read(number)
    except DataError:
        return None


def small(pixels: np.ndarray, shown: Sequence[Shown]) -> Image.Image:
    """The picture with its objects, made smaller first, so that letters stay letters."""
    factor = min(1.0, SIDE / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return draw(_resized(pixels, size), [_moved(each, factor, (0.0, 0.0), size) for each in shown], least=SIDE)


def close(of: Examples, number: int, shown: Sequence[Shown], path: Path) -> str | None:
    """A square around the first object, enlarged or made smaller, with all that lies in it; the picture's address inside the run folder."""
    pixels = pixels_of(of, number)
    if pixels is None:
        return None
    left, top, right, bottom = shown[0].box
    height, width = pixels.shape[:2]
    side = min(max(AROUND * max(right - left, bottom - top), 48.0), float(max(height, width)))
    x = min(max((left + right - side) / 2, 0), max(width - side, 0))
    y = min(max((top + bottom - side) / 2, 0), max(height - side, 0))
    part = pixels[int(y) : int(np.ceil(y + side)), int(x) : int(np.ceil(x + side))]
    factor = CLOSE / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor)))
    draw(_resized(part, size), [_moved(each, factor, (float(int(x)), float(int(y))), size) for each in shown], least=0).save(path, optimize=True)
    return f"{path.parent.name}/{path.name}"


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC)).reshape(size[1], size[0], pixels.shape[2])


def _moved(shown: Shown, factor: float, origin: tuple[float, float], size: tuple[int, int]) -> Shown:
    left, top, right, bottom = shown.box
    x, y = origin
    mask = shown.mask
    if mask is not None:
        mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return Shown(((left - x) * factor, (top - y) * factor, (right - x) * factor, (bottom - y) * factor), shown.text, shown.colour, mask, shown.dashed)
