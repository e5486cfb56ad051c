"""Pictures with places in them: scaled as a whole, uint8 (picture, channel, height, width) on one canvas. Fitted on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.images import decode, pictures_of, readable, spread, with_channels
from sonde.data.split import Selection
from sonde.errors import DataError, Problem

LARGEST = 320  # pixels of the longer side, unless --size says more: what two cores can learn from
GRID = 32  # a canvas is a multiple of it, as networks halve pictures five times
LOOKED_AT = 200  # training pictures that channels, mean and spread are taken from


@dataclass(frozen=True)
class ScenePreparation:
    """Pictures scaled by one factor so that they fit, at the top left corner of a canvas; the rest of it is the mean colour.

    `longer` is the length in pixels that the longer side is brought to, `canvas` (height, width) the smallest multiples of 32 that
    hold all training pictures so. A picture that would not fit (upright ones, where all others lie) becomes smaller. `mean` and `std` are
    per channel, on the 0…1 scale; `usual_scale` is the median over the training pictures of prepared pixels per original pixel.
    """

    channels: int
    longer: int
    canvas: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    usual_scale: float = 1.0
    why: str = ""

    @property
    def sizes(self) -> dict[str, Any]:
        """What the model is built for; `size` is the longer side of the canvas."""
        return {"channels": self.channels, "size": max(self.canvas), "canvas": self.canvas}

    @property
    def normalisation(self) -> dict[str, Any]:
        """What the model's first step does to pictures of 0…255 (nn/normalise.py)."""
        return {"kind": "images", "mean": list(self.mean), "std": list(self.std)}

    def scale(self, width: int, height: int) -> float:
        """Prepared pixels per original pixel of a picture of so many pixels."""
        return scale_of(width, height, self.longer, self.canvas)

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Pictures uint8 (row, channel, height, width) of the rows `index` (None: all). Raises DataError that lists all that cannot be used."""
        inputs, problems = self.inspect(examples, index)
        if problems:
            raise DataError(problems)
        return inputs

    def inspect(self, examples: Examples, index: np.ndarray | None = None) -> tuple[tuple[np.ndarray, ...], list[Problem]]:
        """Pictures, and those that cannot be used (mean colour then), each with the number of its example."""
        rows = np.arange(len(examples)) if index is None else index
        out = np.empty((len(rows), self.channels, *self.canvas), dtype=np.uint8)
        out[:] = self.ground()[:, None, None]
        frame = examples.frame
        sizes = None if "width" not in frame.columns else np.stack([frame["width"].to_numpy(), frame["height"].to_numpy()], 1)
        problems: list[Problem] = []
        for place, row, picture in decode(pictures_of(examples), rows, at_least=self.longer):
            if isinstance(picture, DataError):
                first = picture.problems[0]
                problems.append(Problem("error", first.where, first.found, first.remedy, row))
                continue
            height, width = picture.shape[:2]
            if sizes is not None:
                wrong = _unlike(picture.shape[:2], int(sizes[row, 0]), int(sizes[row, 1]))
                if wrong is not None:
                    problems.append(Problem("error", pictures_of(examples).name(row), *wrong, row))
                    continue
                width, height = (int(side) for side in sizes[row])
            fitted = self._fitted(picture, width, height)
            out[place, :, : fitted.shape[1], : fitted.shape[2]] = fitted
        return (out,), problems

    def place(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """One picture uint8 (height, width, channel) on the canvas, uint8 (channel, height, width), and its scale."""
        out = np.empty((self.channels, *self.canvas), dtype=np.uint8)
        out[:] = self.ground()[:, None, None]
        height, width = picture.shape[:2]
        fitted = self._fitted(picture, width, height)
        out[:, : fitted.shape[1], : fitted.shape[2]] = fitted
        return out, self.scale(width, height)

    def ground(self) -> np.ndarray:
        """The colour of the canvas beside the picture, uint8 (channel,): the mean."""
        return np.round(np.array(self.mean) * 255).clip(0, 255).astype(np.uint8)

    def _fitted(self, picture: np.ndarray, width: int, height: int) -> np.ndarray:
        """(channel, height, width) of a picture that has `width` × `height` pixels, though it may have been decoded smaller."""
        return fit_within(with_channels(picture, self.channels), extent(width, height, self.scale(width, height), self.canvas))

    def describe(self) -> list[dict[str, str]]:
        """What is done with the pictures."""
        colour = "grey" if self.channels == 1 else "colour"
        said = f"{colour}, on a canvas of {self.canvas[1]} × {self.canvas[0]} pixels (width × height): {self.why}"
        return [{"name": "image", "type": "picture", "role": "feature", "why": said}]

    def encoding(self) -> list[Any]:
        """What the encoded pictures depend on."""
        return ["scenes", self.channels, self.longer, list(self.canvas), self.ground().tolist()]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        return {
            "kind": "scenes",
            "channels": self.channels,
            "longer": self.longer,
            "canvas": list(self.canvas),
            "mean": list(self.mean),
            "std": list(self.std),
            "usual_scale": self.usual_scale,
            "why": self.why,
        }

    @staticmethod
    def from_json(table: dict[str, Any]) -> ScenePreparation:
        """The inverse of `to_json`."""
        height, width = table["canvas"]
        mean, std = tuple(table["mean"]), tuple(table["std"])
        return ScenePreparation(table["channels"], table["longer"], (height, width), mean, std, table["usual_scale"], table["why"])


def fit_scenes(train: Selection, data: recipe.Data) -> ScenePreparation:
    """The canvas from the sizes of all training pictures, channels, mean and spread from 200 of them, spread over all of it.

    The longer side becomes `data.size`, else that of most pictures, at most 320. One channel if all are grey, unless `data.channels` says.
    """
    frame = train.examples.frame
    sizes = np.stack([frame["width"].gather(train.index).to_numpy(), frame["height"].gather(train.index).to_numpy()], 1)
    sizes = sizes[(sizes > 0).all(1)]
    usual = int(np.median(sizes.max(1))) if len(sizes) else LARGEST
    longer = data.size or min(LARGEST, usual)
    rows = spread(train.index, LOOKED_AT)
    kept = readable(train.examples, rows, at_least=longer)
    if not kept or not len(sizes):
        first = pictures_of(train.examples).name(int(rows[0]))
        found = f"none of {len(rows)} training pictures can be decoded, this one first among them"
        raise DataError(Problem("error", first, found, "`sonde data PATH` says what is wrong with each"))
    why = "as --size says" if data.size else f"the longer side is scaled to {longer} (--size changes it)"
    scales = longer / sizes.max(1)
    largest = np.maximum(1, np.round(sizes * scales[:, None])).max(0).astype(int)
    width, height = (int(-(-side // GRID) * GRID) for side in largest)
    channels = data.channels or max(picture.shape[2] for picture in kept)
    total, square, count = np.zeros(channels), np.zeros(channels), 0
    for picture in kept:
        tall, wide = picture.shape[:2]
        few = fit_within(with_channels(picture, channels), extent(wide, tall, longer / max(wide, tall), (height, width)))
        pixels = few.reshape(channels, -1).astype(np.float64) / 255
        total, square, count = total + pixels.sum(1), square + (pixels**2).sum(1), count + pixels.shape[1]
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0))
    spreads = tuple(np.where(std > 0, std, 1.0).tolist())
    return ScenePreparation(channels, longer, (height, width), tuple(mean.tolist()), spreads, float(np.median(scales)), why)


def scale_of(width: int, height: int, longer: int, canvas: tuple[int, int]) -> float:
    """The factor by which a picture is scaled: its longer side to `longer`, or less, so that it fits on the canvas (height, width)."""
    return float(min(longer / max(width, height), canvas[0] / height, canvas[1] / width))


def extent(width: int, height: int, scale: float, canvas: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the scaled picture in whole pixels, at least 1 and at most the canvas."""
    return min(max(1, round(height * scale)), canvas[0]), min(max(1, round(width * scale)), canvas[1])


def fit_within(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture uint8 (height, width, channel) scaled to `size` (height, width), as (channel, height, width)."""
    if picture.shape[:2] != size:
        image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else np.ascontiguousarray(picture))
        small = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture = np.asarray(small).reshape(*size, picture.shape[2])
    return picture.transpose(2, 0, 1)


def _unlike(shape: tuple[int, ...], width: int, height: int) -> tuple[str, str] | None:
    """What is wrong where a decoded picture is not of the size that is annotated; a JPEG may be decoded at a half, a quarter or an eighth."""
    if any(shape == (-(-height // part), -(-width // part)) for part in (1, 2, 4, 8)):
        return None
    tall, wide = shape
    turned = any(shape == (-(-width // part), -(-height // part)) for part in (1, 2, 4, 8))
    if turned:
        said = f"the annotation says {width} × {height} pixels, and the picture is seen upright as {wide} × {tall} (turned by the camera's note, EXIF)"
        return said, "turn the picture itself, or its annotation; `--on-error skip` leaves it out"
    said = f"the picture has {wide} × {tall} pixels, and its annotation says {width} × {height}"
    return said, "is it another picture's annotation? `--on-error skip` leaves it out"
