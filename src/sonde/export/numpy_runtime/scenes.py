"""Pictures with places in them: scaled as a whole to the upper left of a canvas whose rest is the mean colour, as the run has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import pictures
from .problem import PredictError

Size = tuple[int, int]  # height, width in pixels


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names, and canvases uint8 (picture, channel, height, width) of whatever pictures.py reads."""
    fitted = preprocessing["preparation"]
    names, canvases = [], []
    for name, picture, size in seen(source, at_least=fitted["longer"]):
        names.append(name)
        canvases.append(place(picture, fitted, name, size))
    empty = np.empty((0, fitted["channels"], *fitted["canvas"]), dtype=np.uint8)
    return names, (np.stack(canvases) if canvases else empty,)


def seen(source: Any, *, at_least: int) -> Iterator[tuple[str, np.ndarray, Size]]:
    """Of each picture its name, its pixels uint8 (height, width, channels), of a JPEG perhaps fewer (see pictures.Files), and its own size."""
    names, found = pictures.read_pictures(source, at_least=at_least)
    for number, name in enumerate(names):
        picture = found[number]
        size = (picture.shape[0], picture.shape[1])
        yield name, picture, pictures.whole_size(found.paths[number], picture) if isinstance(found, pictures.Files) else size


def place(picture: np.ndarray, fitted: dict[str, Any], name: str, size: Size) -> np.ndarray:
    """One picture uint8 (height, width, channels), which has `size` though fewer pixels may have been decoded, on the canvas."""
    small = fit_within(with_channels(picture, fitted["channels"]), extent(size, scale(size, fitted), fitted["canvas"]), name)
    return laid(small, ground(fitted), fitted["canvas"])


def laid(picture: np.ndarray, colour: np.ndarray, size: Any) -> np.ndarray:
    """uint8 (channel, *size): a picture (channel, height, width) at the upper left of a plain colour."""
    out = np.empty((len(picture), *size), dtype=np.uint8)
    out[:] = colour[:, None, None]
    out[:, : picture.shape[1], : picture.shape[2]] = picture
    return out


def scale(size: Size, fitted: dict[str, Any]) -> float:
    """Prepared pixels per original pixel: the longer side becomes `longer`, or less, so that the picture fits on the canvas."""
    (height, width), canvas = size, fitted["canvas"]
    return float(min(fitted["longer"] / max(width, height), canvas[0] / height, canvas[1] / width))


def extent(size: Size, factor: float, canvas: Any) -> Size:
    """(height, width) of the scaled picture in whole pixels, at least 1 and at most the canvas."""
    height, width = size
    return min(max(1, round(height * factor)), canvas[0]), min(max(1, round(width * factor)), canvas[1])


def ground(fitted: dict[str, Any]) -> np.ndarray:
    """The colour beside the picture, uint8 (channel,)."""
    return np.round(np.array(fitted["mean"]) * 255).clip(0, 255).astype(np.uint8)


def with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """A picture uint8 (height, width, channels) as grey (1) or colour (3)."""
    if picture.shape[2] == channels:
        return picture
    return np.repeat(picture, 3, axis=2) if channels == 3 else pictures.grey(picture)


def fit_within(picture: np.ndarray, size: Size, name: str) -> np.ndarray:
    """A picture uint8 (height, width, channels) scaled to `size`, as (channel, height, width). Other sizes than its own need Pillow."""
    if picture.shape[:2] != size:
        if pictures.Image is None:
            what = f"the picture has {picture.shape[1]}×{picture.shape[0]} pixels, and the model sees it as {size[1]}×{size[0]}"
            raise PredictError(what, where=name, remedy=f"bring it to {size[1]}×{size[0]}, or install Pillow (pip install pillow)")
        image = pictures.Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else np.ascontiguousarray(picture))
        small = image.resize((size[1], size[0]), pictures.Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture = np.asarray(small).reshape(*size, picture.shape[2])
    return picture.transpose(2, 0, 1)
