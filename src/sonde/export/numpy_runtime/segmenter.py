"""The class of each pixel of a picture, in its own pixels: softmax on the canvas, enlarged, and the likeliest class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import scenes
from .problem import PredictError
from .windows import bilinear

if TYPE_CHECKING:
    from .model import Model

ROOM = 1.25  # of the canvas: a picture of up to so much more than it at the usual scale is rather scaled down a little
TOGETHER = 4  # windows that go through the network at once
OVERLAP, LARGEST_OVERLAP = 0.25, 0.9  # the share of a window that its neighbour shows again


class Segmenter:
    """`models`: one, or the folds of one run, whose probabilities are averaged. `preprocessing` is that of the first.

    `windows`: whether pictures much larger than the canvas are seen through windows of its size at the scale of training; `overlap`: the
    share of a window, 0 … 0.9, that its neighbour shows again.
    """

    def __init__(self, models: list[Model], *, windows: bool = True, overlap: float = OVERLAP) -> None:
        self.models, self.preprocessing = models, models[0].preprocessing
        self.windows, self.overlap = windows, overlap

    def predict(self, source: Any) -> dict[str, Any]:
        """Columns by name, as `sonde predict` has them: `name`, `prediction` (the class of the most pixels) and `share:<class>`.

        `source`: a path of a picture or folder, a list of paths, an array (n, height, width[, channels]), or a file of one.
        """
        return self.table((name, plane) for name, _, plane in self.planes(source))

    def plane(self, picture: Any) -> np.ndarray:
        """The class number of each pixel, uint8 (height, width), of one picture: a path, or an array (height, width[, channels])."""
        ((_, _, plane),) = self.planes(picture if isinstance(picture, (str, Path)) else np.asarray(picture)[None])
        return plane

    def planes(self, source: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Of each picture its name, its pixels uint8 (height, width, channels), and the class of each pixel uint8 (height, width)."""
        if not (math.isfinite(self.overlap) and 0 <= self.overlap <= LARGEST_OVERLAP):
            what = f"an overlap of {self.overlap:g} is no share of a window from 0 to {LARGEST_OVERLAP:g}"
            raise PredictError(what, where="overlap", remedy="for example 0.25")
        for name, pixels, size in scenes.seen(source, at_least=0):
            yield name, pixels, likeliest([self._probabilities(model, pixels, name) for model in self.models], size)

    def table(self, planes: Any) -> dict[str, Any]:
        """The columns of `predict` from pairs of a name and its plane."""
        classes = self.preprocessing["answer"]["classes"]
        names, counted = [], []
        for name, plane in planes:
            names.append(name)
            counted.append(np.bincount(plane.ravel(), minlength=len(classes)) / plane.size)
        shares = np.array(counted).reshape(-1, len(classes))
        prediction = [classes[number] for number in shares.argmax(axis=1)]
        return {"name": names, "prediction": prediction} | {f"share:{label}": shares[:, number] for number, label in enumerate(classes)}

    def _probabilities(self, model: Model, pixels: np.ndarray, name: str) -> np.ndarray:
        """Probabilities (class, height, width) of the picture as it was prepared."""
        fitted = model.preprocessing["preparation"]
        size, canvas, usual = (pixels.shape[0], pixels.shape[1]), fitted["canvas"], fitted["usual_scale"]

        def judged(canvases: np.ndarray) -> np.ndarray:
            return _softmax(model.outputs(canvases))

        if not (self.windows and any(side * usual > ROOM * part for side, part in zip(size, canvas, strict=True))):
            tall, wide = scenes.extent(size, scenes.scale(size, fitted), canvas)
            return judged(scenes.place(pixels, fitted, name, size)[None])[0, :, :tall, :wide]
        tall, wide = (max(1, round(side * usual)) for side in size)
        scaled = scenes.fit_within(scenes.with_channels(pixels, fitted["channels"]), (tall, wide), name)
        whole = scenes.laid(scaled, scenes.ground(fitted), (max(tall, canvas[0]), max(wide, canvas[1])))
        return through_windows(judged, whole, tuple(canvas), self.overlap)[:, :tall, :wide]


def likeliest(maps: Sequence[np.ndarray], size: scenes.Size) -> np.ndarray:
    """The likeliest class of each pixel, uint8 `size`, from probabilities (class, height, width), which are interpolated and averaged.

    Class by class, so that a large picture's probabilities never stand in memory together.
    """
    best, plane = np.full(size, -1, dtype=np.float32), np.zeros(size, dtype=np.uint8)
    for number in range(len(maps[0])):
        value = np.mean([bilinear(each[number], size) for each in maps], axis=0, dtype=np.float32)
        plane[value > best] = number
        best = np.maximum(best, value)
    return plane


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along `length`: evenly spread from 0 to length − window, neighbours share at least `overlap` of one."""
    stride = max(1, window - math.ceil(overlap * window))
    count = math.ceil((length - window) / stride) + 1
    return [round(place * (length - window) / max(count - 1, 1)) for place in range(count)]


def through_windows(judged: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, window: tuple[int, ...], overlap: float) -> np.ndarray:
    """Maps (class, height, width) of a picture (channel, height, width) at least as large as the window, from windows that overlap.

    Each counts with the weight min(i + 1, n − i) of its row i of n times that of its column, so that seams do not show.
    """
    rows, columns = (starts(length, part, overlap) for length, part in zip(picture.shape[1:], window, strict=True))
    places = [(top, left) for top in rows for left in columns]
    height, width = window
    down, across = (1 + np.minimum(np.arange(n), np.arange(n)[::-1]) for n in window)
    weight = np.outer(down, across).astype(np.float32)
    total, weights = np.zeros(0, dtype=np.float32), np.zeros(picture.shape[1:], dtype=np.float32)
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        maps = judged(np.stack([picture[:, top : top + height, left : left + width] for top, left in some]))
        total = total if total.size else np.zeros((maps.shape[1], *picture.shape[1:]), dtype=np.float32)
        for (top, left), found in zip(some, maps, strict=True):
            total[:, top : top + height, left : left + width] += found * weight
            weights[top : top + height, left : left + width] += weight
    return maps[0] if len(places) == 1 else total / weights


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the classes, the second axis."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return found


def save_planes(segmenter: Segmenter, source: Any, folder: Path, taken: dict[str, int]) -> dict[str, Any]:
    """As `segmenter.predict`, and the plane of each picture in `folder` as NAME.png: class numbers with a palette. Names that are taken get a number."""
    from .pictures import Image

    if Image is None:
        raise PredictError("planes are written by Pillow, which is not installed", where=str(folder), remedy="install it: pip install pillow")
    palette = np.zeros((256, 3), dtype=np.uint8)
    colours = segmenter.preprocessing["answer"]["palette"][:255]
    palette[: len(colours)] = colours

    def saved() -> Iterator[tuple[str, np.ndarray]]:
        for name, _, plane in segmenter.planes(source):
            stem = Path(name.replace("\\", "/")).stem or "picture"
            taken[stem] = taken.get(stem, 0) + 1
            picture = Image.fromarray(plane)
            picture.putpalette(palette.tobytes())
            try:
                folder.mkdir(parents=True, exist_ok=True)
                picture.save(folder / (f"{stem}.png" if taken[stem] == 1 else f"{stem}-{taken[stem]}.png"))
            except OSError as error:
                raise PredictError(f"this folder cannot be written: {error.strerror}", where=str(folder), remedy="choose another with --planes") from None
            yield name, plane

    return segmenter.table(saved())
