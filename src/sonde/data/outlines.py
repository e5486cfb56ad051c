"""Outlines of objects as pixels: polygons and run-length codes, COCO's two forms. NumPy alone.

A polygon is a flat list x₀, y₀, x₁, y₁, … in pixels, the whole picture being (0, 0) … (width, height). A run-length code counts
the pixels of a mask column by column, by turns 0s and 1s, beginning with 0s: {"size": [height, width], "counts": …}, a list of
numbers or their compressed form, a string of six bits a character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# The compressed form: five bits of a number a character, from the low ones up, 32 where more follow; characters begin at 48.
_FIRST, _BITS, _MORE, _SIGN = 48, 5, 0x20, 0x10


def fill_polygons(points: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Bool (polygon, height, width): the pixels whose centres lie inside each polygon (point, 2), by the even-odd rule.

    All edges of all polygons are crossed with all rows at once: on each row the pixels right of a crossing change sides.
    """
    height, width = size
    counts = np.array([len(polygon) for polygon in points], dtype=np.int64)
    toggles = np.zeros((len(points), height, width + 1), dtype=np.int32)
    if not counts.sum():
        return toggles[:, :, :width] > 0
    start = np.concatenate([np.asarray(polygon, dtype=np.float64) for polygon in points])
    following = np.arange(len(start)) + 1
    ends = np.cumsum(counts)
    following[ends[counts > 0] - 1] = (ends - counts)[counts > 0]
    stop, owner = start[following], np.repeat(np.arange(len(points)), counts)
    low, high = np.minimum(start[:, 1], stop[:, 1]), np.maximum(start[:, 1], stop[:, 1])
    # Row r is crossed where low ≤ r + ½ < high.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    rows = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64) - first
    edge = np.repeat(np.arange(len(start)), rows)
    row = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows) + first[edge]
    run, rise = stop[edge] - start[edge], row + 0.5 - start[edge, 1]
    x = start[edge, 0] + run[:, 0] * rise / run[:, 1]
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    np.add.at(toggles, (owner[edge], row, column), 1)
    return (np.cumsum(toggles, axis=2)[:, :, :width] & 1).astype(bool)


def runs(code: dict[str, Any]) -> np.ndarray:
    """The run lengths of a code, int64. Raises ValueError where it is no code, or its runs are not as long as its picture is large."""
    try:
        height, width = (int(side) for side in code["size"])
        counts = code["counts"]
        lengths = _decompress(counts) if isinstance(counts, (str, bytes)) else np.array(counts, dtype=np.int64).reshape(-1)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("this is no run-length code: it needs size [height, width] and counts") from None
    total = int(lengths.sum())
    if total != height * width or (len(lengths) and lengths.min() < 0):
        raise ValueError(f"the run-length code counts {total:,} pixels, and its picture of {height}×{width} has {height * width:,}")
    return lengths


def decode_runs(code: dict[str, Any]) -> np.ndarray:
    """The mask of a run-length code, bool (height, width). Raises ValueError as `runs` does."""
    height, width = (int(side) for side in code["size"])
    lengths = runs(code)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T


def encode_runs(mask: np.ndarray, *, compressed: bool = True) -> dict[str, Any]:
    """The run-length code of a mask (height, width), compressed as COCO's result files have it or as a list of numbers."""
    flat = np.asarray(mask, dtype=bool).T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])) if flat.size else np.zeros(0, dtype=np.int64)
    if flat.size and flat[0]:
        lengths = np.concatenate([[0], lengths])
    size = [int(side) for side in np.shape(mask)]
    return {"size": size, "counts": _compress(lengths) if compressed else [int(length) for length in lengths]}


def _decompress(text: str | bytes) -> np.ndarray:
    codes = np.frombuffer(text.encode("ascii") if isinstance(text, str) else text, dtype=np.uint8).astype(np.int64) - _FIRST
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    last = (codes & _MORE) == 0
    if not last[-1] or codes.min() < 0 or codes.max() >= 2 * _MORE:
        raise ValueError("cut short, or characters that do not belong there")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * place), starts)
    values -= np.where(codes[ends] & _SIGN, 1 << (_BITS * (ends - starts + 1)), 0)
    # From the fourth on a number is the difference to the one two before it.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _compress(lengths: np.ndarray) -> str:
    values = lengths.astype(np.int64).copy()
    values[3:] -= lengths[1:-2]
    characters: list[np.ndarray] = []
    rest, going = values, np.ones(len(values), dtype=bool)
    while going.any():
        low, after = rest & (_MORE - 1), rest >> _BITS
        more = np.where(low & _SIGN, after != -1, after != 0) & going
        characters.append(np.where(going, low + _MORE * more + _FIRST, 0))
        rest, going = after, more
    table = np.stack(characters, axis=1).reshape(-1) if characters else np.zeros(0, dtype=np.int64)
    return bytes(table[table > 0].astype(np.uint8)).decode("ascii")
