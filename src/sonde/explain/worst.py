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
PROBABILITY = "probability of the answer"


def worst(rows: pl.DataFrame, examples: Examples | None, folder: Path, *, kind: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """The examples with the largest loss, worst first. Of classes, labels and tags only those that were told wrongly.

    `kind` and `columns` are those of the target (data/prepare/target.py). Pictures are written to `folder`/worst-0.png and
    so on. A row is shown without its targets.
    """
    if kind == "classes":
        rows = rows.with_columns(pl.Series(PROBABILITY, answer_probability(rows))).filter(pl.col("target") != pl.col("prediction"))
    elif kind == "labels":
        wrong = [pl.col("target").list.get(place) != pl.col(f"prediction:{name}") for place, name in enumerate(columns)]
        rows = rows.filter(pl.any_horizontal(wrong))
    elif kind == "tags":
        rows = rows.filter(pl.col("target") != pl.col("prediction"))
    chosen = rows.with_columns(pl.col("loss").fill_nan(math.inf)).sort(["loss", "example"], descending=[True, False]).head(SHOWN)
    found = []
    for number, row in enumerate(chosen.iter_rows(named=True)):
        example = int(row["example"])
        if kind == "tags" and examples is not None:
            tokens = examples.frame["tokens"][example].to_list()
            row |= {name: marked(tokens, row[name].split(" ")) for name in ("target", "prediction")}
        found.append(
            {
                "example": example,
                "name": row["name"],
                "target": _labels(row["target"], columns) if kind == "labels" else plain(row["target"]),
                "prediction": _labels(_answers(row), columns) if kind == "labels" else _prediction(row),
                "loss": plain(row["loss"]),
                "probability": plain(row.get(PROBABILITY)),
                "picture": write_picture(examples, example, folder / f"worst-{number}.png"),
                "row": _row(examples, example, columns),
            }
        )
    return found


def marked(tokens: list[str], tags: list[str]) -> str:
    """What tags say, in words: each span with its type (`New York: location`), else each token with its tag; `none` where all are `O`."""
    said: list[tuple[str, str]] = []
    before = "O"
    for token, tag in zip(tokens, tags, strict=False):
        kind = tag[2:] if tag[1:2] == "-" else tag
        goes_on = tag[:2] in ("I-", "E-", "L-") and before[1:2] == "-" and before[0] not in "ESLU" and before[2:] == kind
        if goes_on:
            said[-1] = (f"{said[-1][0]} {token}", kind)
        elif tag != "O":
            said.append((token, kind))
        before = tag
    return "; ".join([f"{words}: {kind}" for words, kind in said]) or "none"


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
    return plain(row["prediction"]) if "prediction" in row else [plain(value) for value in _answers(row)]


def _answers(row: dict[str, Any]) -> list[Any]:
    """The answers of several outputs: columns, labels, or steps ahead."""
    return [value for name, value in row.items() if name.startswith("prediction:")]


def _labels(flags: list[Any], columns: tuple[str, ...]) -> str:
    """The labels that hold, in words."""
    return ", ".join(name for name, flag in zip(columns, flags, strict=True) if flag) or "none"


def _row(examples: Examples | None, example: int, hidden: tuple[str, ...]) -> dict[str, Any] | None:
    if examples is None or examples.pictures is not None:
        return None
    shown = {name: value for name, value in examples.frame.row(example, named=True).items() if name not in hidden}
    return {name: plain(" ".join(value) if name == "tokens" and isinstance(value, list) else value) for name, value in shown.items()}


def write_picture(examples: Examples | None, example: int, path: Path) -> str | None:
    """Write the picture of an example; its address inside the run folder. None where there is none to read."""
    if examples is None or examples.pictures is None:
        return None
    try:
        pixels = examples.pictures.read(example)
    except DataError:
        return None
    thumbnail(pixels).save(path, optimize=True)
    return f"{path.parent.name}/{path.name}"


def thumbnail(pixels: np.ndarray) -> Image.Image:
    """Pixels uint8 (height, width, 1 or 3) at a size to look at: small ones enlarged pixel by pixel, large ones shrunk."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    short, long = min(image.size), max(image.size)
    if long > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
        return image
    factor = min(-(-SMALLEST // short), max(1, 2 * LARGEST // long))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
