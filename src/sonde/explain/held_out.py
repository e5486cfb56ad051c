"""The examples that a run is judged on, and what it said about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.errors import SondeError
from sonde.run import PartData, Run

# The part to explain: the first of these that predictions were kept of.
PARTS = ("test", "out-of-fold", "validation")


@dataclass(frozen=True)
class HeldOut:
    """The rows of predictions.parquet of one part, in example order, and the part itself where its data can be read."""

    part: str
    rows: pl.DataFrame
    data: PartData | None

    @property
    def examples(self) -> Examples | None:
        """The store that column `example` counts in."""
        return None if self.data is None else self.data.examples


def held_out(run: Run) -> HeldOut | None:
    """What to explain, or None where no predictions were kept."""
    path = run.path / "predictions.parquet"
    if not path.exists():
        return None
    rows = pl.read_parquet(path)
    there = set(rows["part"].unique().to_list())
    for part in PARTS:
        if part in there:
            chosen = rows.filter(pl.col("part") == part).sort("example")
            return HeldOut(part, chosen, part_of(run.folds[0], "test") if part == "out-of-fold" else part_of(run, part))
    return None


def part_of(run: Run, part: str) -> PartData | None:
    """A part of the run's data; None where it has none or the data have gone (a frame in memory, a removed file)."""
    try:
        columns, index, examples = run.part(part)
    except SondeError:
        return None
    return PartData(columns, index, examples)


def few(index: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """At most `count` of `index`, in order, drawn by `seed`."""
    if len(index) <= count:
        return index
    return np.sort(np.random.default_rng(seed).choice(index, count, replace=False))
