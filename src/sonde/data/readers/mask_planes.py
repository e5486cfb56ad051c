"""Masks: pictures whose pixels are class numbers, or colours that stand for classes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sonde.data.readers.files import Files
from sonde.errors import DataError, Problem

VOID = 255  # the class number of pixels that have none


@dataclass(frozen=True)
class Coding:
    """What the values of masks mean: `numbers` value → class number (VOID: none). Colours are values r·65536 + g·256 + b.

    `palette` are the classes' colours (red, green, blue), where masks have colours.
    """

    numbers: Mapping[int, int]
    coloured: bool = False
    palette: tuple[tuple[int, int, int], ...] | None = None

    def decode(self, values: np.ndarray, name: str) -> np.ndarray:
        """Class numbers uint8 (height, width). Raises DataError that names the first unknown value and where it stands."""
        keys = np.array(sorted(self.numbers), dtype=np.int64)
        meaning = np.array([self.numbers[int(key)] for key in keys], dtype=np.uint8)
        if keys.size and keys[-1] < 65536:  # class numbers themselves: a table is faster than a search
            table = np.full(65536, -1, dtype=np.int16)
            table[keys] = meaning
            found = table[np.minimum(values, 65535)]
            unknown = found < 0
        else:
            place = np.searchsorted(keys, values).clip(max=max(len(keys) - 1, 0))
            found, unknown = meaning[place], keys[place] != values
        if unknown.any():
            top, left = (int(side) for side in np.argwhere(unknown)[0])
            said = f"{'the colour ' if self.coloured else 'the value '}{shown(int(values[top, left]), self.coloured)} at x {left}, y {top} stands for no class"
            many = int(unknown.sum())
            said += f" ({many:,} pixels of this and other unknown {'colours' if self.coloured else 'values'})" if many > 1 else ""
            remedy = "mend the mask, or add the class to classes.txt; `--on-error skip` leaves the picture out"
            raise DataError(Problem("error", name, said, remedy))
        return found.astype(np.uint8)


def shown(value: int, coloured: bool) -> str:
    """A value as it is spoken of: 12, or (255, 0, 64)."""
    return f"({value >> 16}, {value >> 8 & 255}, {value & 255})" if coloured else str(value)


def raw(source: Path | bytes, name: str) -> tuple[np.ndarray, bool, str]:
    """The values of a mask, int64 (height, width), whether they are colours, and Pillow's mode. Raises DataError where it cannot be read."""
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            mode = image.mode
            if mode in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
                return np.asarray(image.convert("L") if mode == "1" else image).astype(np.int64), False, mode
            colours = np.asarray(image.convert("RGB")).astype(np.int64)
    except Exception as error:  # Pillow's decoders raise what they like on damaged bytes
        said = f"the mask cannot be read ({error})"
        raise DataError(Problem("error", name, said, "replace the file; `--on-error skip` leaves the picture out")) from None
    return colours[:, :, 0] << 16 | colours[:, :, 1] << 8 | colours[:, :, 2], True, mode


@dataclass(frozen=True)
class MaskPlanes:
    """The masks of pictures 0 … n−1 as planes of class numbers, uint8 (height, width, 1)."""

    files: Files
    places: Sequence[int]
    coding: Coding

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """The plane of picture `index`, always in full size. Raises DataError for values that stand for no class, naming the first."""
        place, name = self.places[index], self.name(index)
        if place < 0:
            raise DataError(Problem("error", name, "the mask is not there", "put it beside the others, or remove the picture"))
        values, coloured, _ = raw(self.files.source(place), name)
        if coloured != self.coding.coloured:
            said = "this mask is in colours and others are in class numbers" if coloured else "this mask is in class numbers and others are in colours"
            raise DataError(Problem("error", name, said, "save all masks in one way; `--on-error skip` leaves the picture out"))
        return self.coding.decode(values, name)[:, :, None]

    def name(self, index: int) -> str:
        return self.files.name(self.places[index]) if self.places[index] >= 0 else "a mask that is not there"
