"""Rows of a text that is larger than memory: cut some at a time into Arrow files in the cache, once, and mapped from there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from sonde.data.readers.arrow_map import map_frame
from sonde.data.readers.cache import cache_folder, kept
from sonde.errors import DataError, Problem

CHUNK: Final = 65_536  # rows that are in memory at a time

Pieces = Iterator[tuple[pl.DataFrame, np.ndarray]]


def mapped_rows(key: str, pieces: Pieces, said: dict[str, Any]) -> tuple[pl.DataFrame, np.ndarray, dict[str, Any]]:
    """All rows of `pieces`, their lines, and `said`, plain values that are filled in while the pieces are made.

    Where all this stands in the cache under `key`, no piece is made. Raises DataError where files are missing there or cannot be written.
    """

    def said_to(path: Path) -> None:
        path.write_text(json.dumps(said), encoding="utf-8")

    def write(to: Path) -> None:
        with to.open("wb") as stream:
            for number, (frame, lines) in enumerate(pieces):
                kept(f"texts/{key}-{number}.arrow", lambda path, frame=frame: frame.write_ipc(path, compression="uncompressed"))  # type: ignore[misc]
                stream.write(np.ascontiguousarray(lines, dtype=np.int64).tobytes())
        kept(f"texts/{key}.json", said_to)

    # The lines are there when all else is: they are renamed into place last.
    stored = kept(f"texts/{key}.lines", write)
    lines = np.memmap(stored, dtype=np.int64, mode="r") if stored.stat().st_size else np.zeros(0, dtype=np.int64)
    paths = (cache_folder() / f"texts/{key}-{number}.arrow" for number in itertools.count())
    frames = [map_frame(path) for path in itertools.takewhile(Path.exists, paths)]
    frame = pl.concat(frames, rechunk=False) if frames else pl.DataFrame()
    if frame.height != len(lines):
        found = "pieces of this text are missing in the cache"
        raise DataError(Problem("error", str(cache_folder() / "texts"), found, "delete this folder; the text is then read again"))
    return frame, lines, json.loads((cache_folder() / f"texts/{key}.json").read_text(encoding="utf-8"))
