"""A contact sheet of pictures with their boxes and masks drawn on them, and of how augmentation moves them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sonde.data.checks.sheet import turns
from sonde.data.contents import Content, Examples
from sonde.data.drawing import COVER, Shown, colour_of, draw
from sonde.data.outlines import decode_runs, fill_polygons
from sonde.data.readers.mask_planes import VOID
from sonde.errors import DataError

SIDE = 400  # pixels of the longer side
MOST = 60  # objects that are drawn in a picture, the largest first


def scene_sheet(content: Content, folder: Path, count: int = 12) -> list[dict[str, str]]:
    """Write up to `count` pictures with what is annotated in them as `folder/figures/data-N.jpg`; [{"file", "label", "wide"}, …].

    Pictures take turns by the rarest class that they show, so that every class is seen; the same content gives the same sheet.
    Pictures and masks that cannot be read are passed over (the check names them).
    """
    examples = content.examples
    sheet: list[dict[str, str]] = []
    for row in turns(_rarest(examples, content.kind), count):
        if len(sheet) == count:
            break
        try:
            image, label = _boxed(examples, row) if content.kind == "boxes" else _masked(examples, row)
        except DataError:
            continue
        file = f"figures/data-{len(sheet)}.jpg"
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        image.save(folder / file, quality=88, optimize=True)
        sheet.append({"file": file, "label": label, "wide": "yes"})
    return sheet


def legend(classes: Sequence[str]) -> list[dict[str, str]]:
    """The colours in which classes are drawn, as the page's legend wants them."""
    return [{"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour_of(number))} for number, name in enumerate(classes)]


def _rarest(examples: Examples, kind: str) -> list[str]:
    """The rarest class of each picture; of masks nothing, as they would have to be opened."""
    if kind != "boxes":
        return [""] * len(examples)
    labels = examples.frame["labels"].to_list()
    counts = Counter(label for each in labels for label in set(each))
    return [min(each, key=lambda label: (counts[label], label)) if each else "" for each in labels]


def _boxed(examples: Examples, row: int) -> tuple[Image.Image, str]:
    """One picture with its objects, and how many there are of each class."""
    assert examples.pictures is not None
    frame = examples.frame
    boxes, labels, crowd = (frame[name][row].to_list() for name in ("boxes", "labels", "crowd"))
    areas, outlines = frame["area"][row].to_list(), frame["outlines"][row].to_list()
    pixels = scaled(examples.pictures.read(row, SIDE), frame["width"][row], frame["height"][row])
    factor = pixels.shape[1] / max(frame["width"][row], 1)
    order = sorted(range(len(boxes)), key=lambda i: -areas[i])[:MOST]
    objects = []
    for i in reversed(order):  # small ones on top
        number = examples.classes.index(labels[i]) if labels[i] in examples.classes else 0
        box = tuple(float(side) * factor for side in boxes[i])
        mask = None if outlines[i] is None else outlined(json.loads(outlines[i]), pixels.shape[:2], factor)
        objects.append(Shown((box[0], box[1], box[2], box[3]), labels[i], colour_of(number), mask, dashed=bool(crowd[i])))
    counts = Counter(labels)
    said = ", ".join(f"{many} {name}" for name, many in counts.most_common(4)) + (", …" if len(counts) > 4 else "")
    hard = f"; {sum(crowd)} crowd or difficult (dashed)" if any(crowd) else ""
    return draw(pixels, objects, least=SIDE), (said or "no object") + hard


def _masked(examples: Examples, row: int) -> tuple[Image.Image, str]:
    """One picture with the classes of its pixels laid over it, and the classes by their share of it."""
    assert examples.pictures is not None and examples.masks is not None
    plane = examples.masks.read(row)[:, :, 0]
    pixels = scaled(examples.pictures.read(row, SIDE), plane.shape[1], plane.shape[0])
    small = np.asarray(Image.fromarray(plane).resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST))
    share = np.bincount(plane.reshape(-1), minlength=256)[:VOID] / plane.size
    most = [int(number) for number in np.argsort(-share) if share[number] > 0.005][:4]
    said = ", ".join(f"{examples.classes[number]} {100 * share[number]:.0f} %" for number in most if number < len(examples.classes))
    return Image.fromarray(tinted(pixels, small)), said


def tinted(pixels: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """A picture uint8 (height, width, channel) with its classes (height, width) laid over it in their colours, uint8 (height, width, 3).

    Pixels without a class stay as they are, somewhat darker.
    """
    plain = (np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels).astype(np.float32)
    colours = np.array([colour_of(number) for number in range(VOID)] + [(0, 0, 0)], dtype=np.float32)
    cover = np.where(plane == VOID, 0.3, COVER)[..., None]
    return np.asarray(((1 - cover) * plain + cover * colours[plane]).round(), dtype=np.uint8)


def outlined(outline: Any, size: tuple[int, int], factor: float) -> np.ndarray:
    """The pixels of one object outlined in original pixels, bool (height, width), in a picture of `factor` as many."""
    if isinstance(outline, dict):
        mask = Image.fromarray(decode_runs(outline))
        return np.asarray(mask.resize((size[1], size[0]), Image.Resampling.NEAREST))
    return np.asarray(fill_polygons([np.array(polygon).reshape(-1, 2) * factor for polygon in outline], size).any(0))


def scaled(pixels: np.ndarray, width: int, height: int, side: int = SIDE) -> np.ndarray:
    """A picture that has `width` × `height` pixels, though it may have been decoded smaller, with a longer side of at most `side`."""
    factor = min(1.0, side / max(width, height, 1))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(size[1], size[0], pixels.shape[2])
