"""The worst mistakes, as pictures or rows."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from sonde.data.contents import Examples
from sonde.errors import DataError
from sonde.explain.classes import answer_probability

SHOWN = 24
# Small pictures are enlarged without smoothing until their shorter side has so many pixels; large ones are shrunk.
SMALLEST, LARGEST = 96, 256
LONGEST_TEXT = 500


def worst(rows: pl.DataFrame, examples: Examples | None, folder: Path, *, classes: bool, hidden: tuple[str, ...]) -> list[dict[str, Any]]:
    """The examples with the largest loss, worst first; with `classes` only those that were taken for a wrong class.

    Pictures are written to `folder`/worst-0.png and so on. A row is shown without the columns `hidden` (the targets).
    """
    rows = rows.with_columns(pl.Series("probability of the answer", answer_probability(rows))) if classes else rows
    if classes:
        rows = rows.filter(pl.col("target") != pl.col("prediction"))
    chosen = rows.with_columns(pl.col("loss").fill_nan(math.inf)).sort(["loss", "example"], descending=[True, False]).head(SHOWN)
    found = []
    for number, row in enumerate(chosen.iter_rows(named=True)):
        example = int(row["example"])
        found.append(
            {
                "example": example,
                "name": row["name"],
                "target": plain(row["target"]),
                "prediction": _prediction(row),
                "loss": plain(row["loss"]),
                "probability": plain(row.get("probability of the answer")),
                "picture": _picture(examples, example, folder / f"worst-{number}.png"),
                "row": _row(examples, example, hidden),
            }
        )
    return found


def plain(value: Any) -> Any:
    """A value as JSON holds it: numbers that are not finite and nothing become null, dates and the rest text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    said = str(value)
    return said if len(said) <= LONGEST_TEXT else said[: LONGEST_TEXT - 1] + "…"


def _prediction(row: dict[str, Any]) -> Any:
    """The answer, or the list of answers of several outputs."""
    if "prediction" in row:
        return plain(row["prediction"])
    return [plain(value) for name, value in row.items() if name.startswith("prediction:")]


def _row(examples: Examples | None, example: int, hidden: tuple[str, ...]) -> dict[str, Any] | None:
    if examples is None or examples.pictures is not None:
        return None
    return {name: plain(value) for name, value in examples.frame.row(example, named=True).items() if name not in hidden}


def _picture(examples: Examples | None, example: int, path: Path) -> str | None:
    """Write the picture; its address inside the run folder. None where there is none to read."""
    if examples is None or examples.pictures is None:
        return None
    try:
        pixels = examples.pictures.read(example)
    except DataError:
        return None
    thumbnail(pixels).save(path, optimize=True)
    return f"{path.parent.name}/{path.name}"


def thumbnail(pixels: np.ndarray) -> Image.Image:
    """Pixels uint8 (height, width, 1 or 3) at a size to look at."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    short, long = min(image.size), max(image.size)
    if long > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
        return image
    factor = min(-(-SMALLEST // short), max(1, 2 * LARGEST // long))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
