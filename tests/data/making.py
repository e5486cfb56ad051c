"""Contents made in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples
from sonde.data.split import Selection
from sonde.errors import DataError, Problem


def table(frame: pl.DataFrame | Mapping[str, Any], **parts: pl.DataFrame) -> Content:
    """A table; with further `parts`, `frame` is the training part."""
    whole = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    held = {"train" if parts else "all": Examples(whole)} | {name: Examples(part) for name, part in parts.items()}
    return Content("table", "t.csv", "t", "a table", held, "0" * 64)  # type: ignore[arg-type]


def series(values: Sequence[float | None], **columns: Any) -> Content:
    """A series of one column `y`."""
    return Content("series", "s.csv", "s", "a series", {"all": Examples(pl.DataFrame({"y": values, **columns}))}, "0" * 64, target="y")


@dataclass(frozen=True)
class Listed:
    """Pictures in a list; None is one that cannot be decoded."""

    pictures: Sequence[np.ndarray | None]

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        picture = self.pictures[index]
        if picture is None:
            raise DataError(Problem("error", self.name(index), "the file is truncated", "copy it again"))
        return picture

    def name(self, index: int) -> str:
        return f"cats/{index}.png"


def pictures(given: Sequence[np.ndarray | None], labels: Sequence[object]) -> Content:
    """Labelled pictures."""
    frame = pl.DataFrame({"image": [f"cats/{row}.png" for row in range(len(given))], "label": labels})
    return Content("images", "cats", "cats", "class folders", {"all": Examples(frame, Listed(given))}, "0" * 64, target="label")


def everything(content: Content) -> Selection:
    """All rows."""
    return Selection(content.examples, np.arange(len(content.examples)))
