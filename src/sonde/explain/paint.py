"""Numbers as pixels: colours for a scale of 0 … 1, a map laid over its picture, many small pictures as one sheet."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

# From nothing to all: dark violet, red, orange, light yellow; each step is lighter than the one before, so that it reads in grey too.
RAMP = np.array([[24, 15, 60], [115, 25, 110], [200, 60, 75], [245, 135, 40], [252, 235, 160]], dtype=np.float64)
# The darkest and the brightest place of a map hide so much of the picture under it.
FAINT, STRONG = 0.25, 0.7


def coloured(values: Float[np.ndarray, "*places"]) -> UInt8[np.ndarray, "*places 3"]:
    """Colours of values in 0 … 1 (beyond: the end's)."""
    at = np.clip(np.nan_to_num(values), 0, 1) * (len(RAMP) - 1)
    low = np.minimum(at.astype(np.int64), len(RAMP) - 2)
    share = (at - low)[..., None]
    return np.round((1 - share) * RAMP[low] + share * RAMP[low + 1]).astype(np.uint8)


def overlay(picture: UInt8[np.ndarray, "height width channel"], values: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in grey under the colours of `values` in 0 … 1, the more hidden the larger the value."""
    grey = picture.astype(np.float64).mean(2, keepdims=True)
    share = (FAINT + (STRONG - FAINT) * np.clip(values, 0, 1))[..., None]
    return np.round((1 - share) * grey + share * coloured(values)).astype(np.uint8)


def sheet(tiles: UInt8[np.ndarray, "tile height width channel"], *, columns: int, factor: int = 1) -> Image.Image:
    """Pictures of 1 or 3 channels side by side, row by row, each pixel enlarged to `factor`², on a ground that can be seen through."""
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    gap = max(1, min(height, width) * factor // 12)
    down, across = height * factor + gap, width * factor + gap
    out = np.zeros((rows * down - gap, columns * across - gap, 4), dtype=np.uint8)
    large = np.repeat(np.repeat(tiles, factor, 1), factor, 2)
    for place, tile in enumerate(large):
        top, left = place // columns * down, place % columns * across
        out[top : top + height * factor, left : left + width * factor, :3] = tile if channels == 3 else tile[..., :1]
        out[top : top + height * factor, left : left + width * factor, 3] = 255
    return Image.fromarray(out)
