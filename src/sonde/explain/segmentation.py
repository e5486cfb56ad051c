"""Segmentations as pictures: planes of labels, colours laid over the picture, the ground behind a class blurred; and where a run is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from PIL import Image

from sonde.data.contents import Examples
from sonde.data.drawing import COVER, Colour, colours_of
from sonde.data.readers.mask_planes import VOID
from sonde.errors import DataError, UsageError, did_you_mean
from sonde.explain.background import blur_background
from sonde.explain.worst import LARGEST
from sonde.metrics.segmentation import intersection_over_union
from sonde.run import Run
from sonde.segments import Segments, counts

SHOWN: Final = 8  # examples whose truth and prediction are drawn, from the worst to the best
MOST: Final = 200  # pictures of a part that are looked at


def label_picture(plane: UInt8[np.ndarray, "height width"], colours: Sequence[Colour]) -> Image.Image:
    """Class numbers as a palette picture, which viewers show in colours and programs read as numbers; `VOID` is black."""
    picture = Image.fromarray(plane)
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: min(len(colours), VOID)] = np.array(colours[:VOID], dtype=np.uint8)
    picture.putpalette(table.tobytes())
    return picture


def overlay(
    pixels: UInt8[np.ndarray, "height width channel"], plane: Integer[np.ndarray, "height width"], colours: Sequence[Colour]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with the classes' colours laid over it, and edges between classes in full colour; places without a class stay as they are."""
    table = np.zeros((256, 3), dtype=np.float32)
    table[: len(colours)] = colours
    plain = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    edge = np.zeros(plane.shape, dtype=bool)
    edge[:, 1:] |= plane[:, 1:] != plane[:, :-1]
    edge[1:] |= plane[1:] != plane[:-1]
    cover = np.where(plane == VOID, 0.0, np.where(edge, 1.0, COVER)).astype(np.float32)[..., None]
    return np.round((1 - cover) * plain + cover * table[plane]).astype(np.uint8)


@dataclass
class Artist:
    """Writes the pictures of each segmentation that it is called with into `folder`.

    NAME.png: the class of each pixel, with a palette; NAME-overlay.png; and with `blur`, a class, NAME-blurred.png, where all that is not of
    this class is blurred. Raises UsageError for a class that there is not, and for a folder that cannot be written.
    """

    folder: Path
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]] | None = None
    blur: str | None = None
    written: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.blur is not None and self.blur not in self.classes:
            raise UsageError(f"there is no class {self.blur!r}", where="--blur-background", remedy=did_you_mean(self.blur, self.classes))
        self._colours = colours_of(self.classes, self.palette)
        self._taken: dict[str, int] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"this folder cannot be written: {error.strerror}"
            raise UsageError(what, where=str(self.folder), remedy="choose another folder with --pictures") from None

    def __call__(self, found: Segments) -> None:
        stem = self._stem(found.name)
        self._save(label_picture(found.plane, self._colours), f"{stem}.png")
        self._save(Image.fromarray(overlay(found.pixels, found.plane, self._colours)), f"{stem}-overlay.png")
        if self.blur is not None:
            sharp = blur_background(found.pixels, found.plane == self.classes.index(self.blur))
            self._save(Image.fromarray(sharp[:, :, 0] if sharp.shape[2] == 1 else sharp), f"{stem}-blurred.png")

    def _save(self, picture: Image.Image, name: str) -> None:
        picture.save(self.folder / name)
        self.written.append(self.folder / name)

    def _stem(self, name: str) -> str:
        """A file name for the picture; names that would be the same get a number."""
        stem = Path(name.replace("\\", "/")).stem or "picture"
        self._taken[stem] = self._taken.get(stem, 0) + 1
        return stem if self._taken[stem] == 1 else f"{stem}-{self._taken[stem]}"


def examined(run: Run, folder: Path, *, examples: bool) -> dict[str, Any]:
    """{"part", "confusion", "segmentation"}: pixels of each class by their answer at the pictures' own size, IoU of each class, and examples as pictures.

    From the test part, else validation; at most `MOST` pictures. Empty where there is neither, or the data have gone.
    """
    part = next((name for name in ("test", "validation") if name in run.metrics_file), None)
    if part is None:
        return {}
    try:
        _, index, whole = run.part(part)
        chosen = whole.take(index[:MOST])
        classes: tuple[str, ...] = run.task.classes  # type: ignore[attr-defined]
        table, rows = _counted(run, chosen, len(classes))
    except DataError:
        return {}
    ious = intersection_over_union(table).tolist()
    true, answered = table.sum(1).tolist(), table.sum(0).tolist()
    by_class = [
        {"class": name, "iou": None if ious[number] != ious[number] else ious[number], "pixels": true[number], "answered": answered[number]}
        for number, name in enumerate(classes)
    ]
    colours = colours_of(classes, run.description["task"]["target"].get("palette"))
    told: dict[str, Any] = {"classes": by_class, "colours": [list(colour) for colour in colours], "pictures": len(chosen)}
    if examples:
        told["examples"] = _drawn(run, chosen, rows, folder, colours)
    return {"part": part, "confusion": {"classes": list(classes), "counts": table.tolist()}, "segmentation": told}


def _counted(run: Run, chosen: Examples, classes: int) -> tuple[torch.Tensor, list[float]]:
    """Pixels of each true class by their answer over all pictures, and each picture's mean IoU."""
    assert chosen.masks is not None
    tables = list(counts(run.planes(chosen), chosen.masks, classes))
    return torch.stack(tables).sum(0), [float(intersection_over_union(few).nanmean()) for few in tables]


def _drawn(run: Run, chosen: Examples, ious: list[float], folder: Path, colours: Sequence[Colour]) -> list[dict[str, Any]]:
    """Examples evenly from the worst to the best: truth and prediction laid over the picture, written to `folder`."""
    order = sorted(range(len(ious)), key=lambda row: (ious[row] if ious[row] == ious[row] else 2.0, row))
    places = np.unique(np.linspace(0, max(len(order) - 1, 0), min(SHOWN, len(order))).round().astype(int)).tolist()
    rows = [order[place] for place in places]
    found = []
    for number, (row, seen) in enumerate(zip(rows, run.planes(chosen.take(np.array(rows, dtype=np.int64))), strict=True)):
        assert chosen.masks is not None
        pictures = {"truth": overlay(seen.pixels, chosen.masks.read(row)[:, :, 0], colours), "prediction": overlay(seen.pixels, seen.plane, colours)}
        written = {}
        for name, pixels in pictures.items():
            image = Image.fromarray(pixels)
            image.thumbnail((LARGEST, LARGEST))
            path = folder / f"segments-{number}-{name}.png"
            image.save(path, optimize=True)
            written[name] = f"{folder.name}/{path.name}"
        found.append({"name": seen.name, "iou": ious[row] if ious[row] == ious[row] else None, **written})
    return found
