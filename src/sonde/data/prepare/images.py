"""Pictures as uint8 (picture, channel, size, size), decoded once. Fitted on pictures of the training part alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from sonde import recipe
from sonde.data.contents import Examples, Pictures
from sonde.data.split import Selection
from sonde.errors import DataError, Problem

LOOKED_AT = 200  # training pictures that size, channels, mean and spread are taken from
SMALL = 5000  # of them where they are kept as they are, which costs little
PHOTOGRAPH = 96  # pixels: working size of pictures that differ in size, unless they are smaller
SAME = "the size that all have"
TASK = 64  # pictures that a thread decodes at a time


@dataclass(frozen=True)
class ImagePreparation:
    """Pictures at a working size: the shorter side is scaled to `size`, the middle square is kept.

    `channels` 1 or 3. `mean` and `std` are per channel, on the 0…1 scale. `why` says how the size was chosen.
    """

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    why: str = ""

    @property
    def sizes(self) -> dict[str, Any]:
        """What the model is built for."""
        return {"channels": self.channels, "size": self.size}

    @property
    def normalisation(self) -> dict[str, Any]:
        """What the model's first step does to pictures of 0…255 (nn/normalise.py)."""
        return {"kind": "images", "mean": list(self.mean), "std": list(self.std)}

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Pictures uint8 (row, channel, size, size) of the rows `index` (None: all). Raises DataError that lists all that
        cannot be decoded."""
        inputs, problems = self.inspect(examples, index)
        if problems:
            raise DataError(problems)
        return inputs

    def inspect(self, examples: Examples, index: np.ndarray | None = None) -> tuple[tuple[np.ndarray, ...], list[Problem]]:
        """Pictures, and those that cannot be decoded (black then), each with the number of its example."""
        rows = np.arange(len(examples)) if index is None else index
        out = np.zeros((len(rows), self.channels, self.size, self.size), dtype=np.uint8)
        problems: list[Problem] = []
        for place, row, picture in decode(pictures_of(examples), rows, at_least=self.size):
            if isinstance(picture, DataError):
                first = picture.problems[0]
                problems.append(Problem("error", first.where, first.found, first.remedy, row))
            else:
                out[place] = fit_square(picture, self.size, self.channels)
        return (out,), problems

    def describe(self) -> list[dict[str, str]]:
        """What is done with the pictures."""
        colour = "grey" if self.channels == 1 else "colour"
        return [{"name": "image", "type": "picture", "role": "feature", "why": f"{colour}, {self.size}×{self.size} pixels: {self.why}"}]

    def encoding(self) -> list[Any]:
        """What the encoded pictures depend on; the other fitted values belong to the model's first step."""
        return ["images", self.channels, self.size]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        return {"kind": "images", "channels": self.channels, "size": self.size, "mean": list(self.mean), "std": list(self.std), "why": self.why}

    @staticmethod
    def from_json(table: dict[str, Any]) -> ImagePreparation:
        """The inverse of `to_json`."""
        return ImagePreparation(table["channels"], table["size"], tuple(table["mean"]), tuple(table["std"]), table["why"])


def fit_images(train: Selection, data: recipe.Data) -> ImagePreparation:
    """Size, channels, mean and spread from 200 pictures of the training part, 5,000 of small ones, spread over all of it.

    `data.size` decides the size where it is given. Pictures that all have one square size of at most 96 keep it; others
    are brought to 96, or to the middle one of their shorter sides where that is less. One channel if all are grey, unless `data.channels` says.
    """
    rows = spread(train.index, LOOKED_AT)
    kept = readable(train.examples, rows)
    if not kept:
        first = pictures_of(train.examples).name(int(rows[0]))
        found = f"none of {len(rows)} training pictures can be decoded, this one first among them"
        raise DataError(Problem("error", first, found, "`sonde data PATH` says what is wrong with each"))
    size, why = _working_size(kept, data.size)
    if why == SAME:
        kept = readable(train.examples, spread(train.index, SMALL))
    channels = data.channels or max(picture.shape[2] for picture in kept)
    total, square, count = np.zeros(channels), np.zeros(channels), 0
    for picture in kept:
        pixels = fit_square(picture, size, channels).reshape(channels, -1).astype(np.float64) / 255
        total, square, count = total + pixels.sum(1), square + (pixels**2).sum(1), count + pixels.shape[1]
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0))
    return ImagePreparation(channels, size, tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist()), why)


def fit_square(picture: np.ndarray, size: int, channels: int) -> np.ndarray:
    """A picture uint8 (height, width, channel) as (channels, size, size): shorter side scaled, middle square kept."""
    height, width = picture.shape[:2]
    picture = with_channels(picture, channels)
    if (height, width) != (size, size):
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        image = Image.fromarray(picture[:, :, 0] if channels == 1 else picture)
        # One pass scales and crops; `reducing_gap` halves large pictures cheaply first.
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0)
        picture = np.asarray(image).reshape(size, size, channels)
    return picture.transpose(2, 0, 1)


def with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """A picture uint8 (height, width, channel) as grey (1) or colour (3)."""
    if picture.shape[2] == channels:
        return picture
    return np.repeat(picture, 3, axis=2) if channels == 3 else np.asarray(Image.fromarray(picture).convert("L"))[:, :, None]


def decode(pictures: Pictures, rows: np.ndarray, *, at_least: int = 0) -> Iterator[tuple[int, int, np.ndarray | DataError]]:
    """(place in `rows`, row, picture or what is wrong with it), in order, decoded by as many threads as there are cores.

    `at_least`: pixels a side that are enough; 0: pictures as they are.
    """

    def some(start: int) -> list[np.ndarray | DataError]:
        return [_read(pictures, int(row), at_least) for row in rows[start : start + TASK]]

    threads = min(os.cpu_count() or 1, 16, max(1, len(rows) // TASK))
    with ThreadPoolExecutor(threads) as pool:
        starts = range(0, len(rows), TASK)
        # A few tasks ahead, no more: decoded photographs are large.
        waiting = [pool.submit(some, start) for start in starts[: 2 * threads]]
        for number, start in enumerate(starts):
            found = waiting[number].result()
            if number + 2 * threads < len(starts):
                waiting.append(pool.submit(some, starts[number + 2 * threads]))
            waiting[number] = None  # type: ignore[call-overload]
            for place, picture in enumerate(found, start):
                yield place, int(rows[place]), picture


def readable(examples: Examples, rows: np.ndarray, *, at_least: int = 0) -> list[np.ndarray]:
    """The pictures of these rows, those that cannot be decoded aside; `at_least` as for `decode`."""
    return [picture for _, _, picture in decode(pictures_of(examples), rows, at_least=at_least) if not isinstance(picture, DataError)]


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of `rows`, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]


def _read(pictures: Pictures, row: int, at_least: int) -> np.ndarray | DataError:
    try:
        return pictures.read(row, at_least)
    except DataError as error:
        return error


def _working_size(pictures: list[np.ndarray], asked: int | None) -> tuple[int, str]:
    if asked is not None:
        return asked, "as --size says"
    shapes = {picture.shape[:2] for picture in pictures}
    height, width = next(iter(shapes))
    if len(shapes) == 1 and height == width <= PHOTOGRAPH:
        return height, SAME
    middle = int(np.median([min(picture.shape[:2]) for picture in pictures]))
    return min(PHOTOGRAPH, middle), "the shorter side is scaled and the middle square kept (--size changes it)"


def pictures_of(examples: Examples) -> Pictures:
    """The examples' pictures. Raises DataError where they have none."""
    if examples.pictures is None:
        remedy = "the model was made for pictures: give a folder, an archive or a table that names them"
        raise DataError(Problem("error", "the data", "there are no pictures", remedy))
    return examples.pictures
