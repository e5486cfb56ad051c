"""What a reader gives: examples and problems, whatever the format was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import polars as pl

from sonde.errors import Problem

# Text comes in four kinds. `text`: rows of a column `text`, in the order of the file, line ends included, and perhaps
# `label`; `pairs`: columns `source` and `target`; `tagged`: lists of text `tokens` and `tags`, a row a sentence;
# `questions` about paragraphs (readers/squad.py).
# Pictures come in three: `images`, with at most a label each; `boxes`, with objects in them (readers/scenes.py says which columns);
# `masks`, with a class for each pixel (readers/mask_pairs.py).
Kind = Literal["table", "images", "series", "text", "pairs", "tagged", "questions", "boxes", "masks"]
PICTURED: tuple[Kind, ...] = ("images", "boxes", "masks")
SCENES: tuple[Kind, ...] = ("boxes", "masks")
Part = Literal["all", "train", "validation", "test"]


@runtime_checkable
class Pictures(Protocol):
    """Pixels of examples 0 … n-1, decoded when asked for."""

    def __len__(self) -> int: ...

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """One picture as uint8 (height, width, channels), channels 1 or 3, rotated as its EXIF entry says.

        With `at_least` it may be smaller than it is, as long as both sides keep so many pixels: a JPEG decodes several
        times faster at a half, a quarter or an eighth of its size. Raises DataError that names the file when it cannot be decoded.
        """
        ...

    def name(self, index: int) -> str:
        """What to call the picture in messages and reports: a path, an archive member, `digits[12]`."""
        ...


@dataclass(frozen=True)
class Examples:
    """Rows, and pictures beside them where the data are pictures.

    `frame` has one row an example. For pictures it holds at least the column `image` (the picture's name) and, where
    labels are known, `label`. A table larger than memory is a frame that is memory-mapped from an Arrow file.
    `lines` gives each row's line in the file (None: header on line 1, row 0 on line 2). `masks` are planes of class numbers, uint8
    (height, width, 1), 255 where no class is known. `classes` are the names of classes where the format lists them: in the order of
    their numbers, those without examples among them.
    """

    frame: pl.DataFrame
    pictures: Pictures | None = None
    lines: np.ndarray | None = None
    masks: Pictures | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.frame.height

    def take(self, index: np.ndarray) -> Examples:
        """The examples `index`, in that order."""
        pictures = None if self.pictures is None else Chosen(self.pictures, index)
        masks = None if self.masks is None else Chosen(self.masks, index)
        lines = index + 2 if self.lines is None else self.lines[index]
        return Examples(self.frame[index], pictures, lines, masks, self.classes)

    def line(self, row: int) -> int:
        """The line of the file on which row `row` stands, counted from 1."""
        return row + 2 if self.lines is None else int(self.lines[row])


@dataclass(frozen=True)
class Chosen:
    """Some of another store's pictures."""

    pictures: Pictures
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        return self.pictures.read(int(self.index[index]), at_least)

    def name(self, index: int) -> str:
        return self.pictures.name(int(self.index[index]))


@dataclass(frozen=True)
class Content:
    """What stands at a path.

    `parts` has either the one key `all`, or the parts that the data themselves name (`train` at least). `reason` says
    how the kind was told ("3 class folders with 300 pictures"). `target` is the column that the format itself marks as
    the label (`label` for class folders, IDX and bundled sets), else None. `time` is the date column of a series.
    `fingerprint` is a SHA-256 over names, sizes and bytes of the files (large files: head, tail, size and time stamp).
    """

    kind: Kind
    origin: str
    name: str
    reason: str
    parts: dict[Part, Examples]
    fingerprint: str
    target: str | None = None
    time: str | None = None
    files: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def examples(self) -> Examples:
        """The part to look at first: all of it, or the training part."""
        return self.parts["all"] if "all" in self.parts else self.parts["train"]
