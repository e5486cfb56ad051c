"""What the checks look at, and how they name a place in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.checks.columns import Column, sample_rows
from sonde.data.contents import Content, Examples, Part

Level = Literal["error", "warning", "note"]
FIRST = 5  # places named in a message


@dataclass(frozen=True)
class Rows:
    """The rows of one part: all examples (`index` None) or some of them."""

    part: Part
    examples: Examples
    index: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.examples) if self.index is None else len(self.index)

    def column(self, name: str) -> pl.Series:
        """One column's values in these rows."""
        values = self.examples.frame[name]
        return values if self.index is None else values.gather(self.index)

    def frame(self, names: Sequence[str], rows: np.ndarray | None = None) -> pl.DataFrame:
        """Some columns, of all these rows or of those numbered `rows` among them."""
        chosen = pl.DataFrame([self.examples.frame[name] for name in names])  # select would read "*" and "^x$" as patterns
        index = self.numbers(rows)
        return chosen if index is None else chosen[index]

    def numbers(self, rows: np.ndarray | None = None) -> np.ndarray | None:
        """The numbers in `examples` of the rows numbered `rows` here (None: all)."""
        if self.index is None:
            return rows
        return self.index if rows is None else self.index[rows]

    def number(self, row: int) -> int:
        """The number in `examples` of row `row`."""
        return row if self.index is None else int(self.index[row])


@dataclass(frozen=True)
class Subject:
    """The data with what is known about them. `parts` are those that train, choose and measure; `all` before a split."""

    content: Content
    data: recipe.Data
    task: str
    targets: tuple[str, ...]
    parts: Mapping[Part, Rows]
    columns: tuple[Column, ...]
    deep: bool

    @property
    def train(self) -> Rows:
        """The rows that are learned from."""
        return self.parts["train"] if "train" in self.parts else next(iter(self.parts.values()))

    @property
    def held_out(self) -> dict[Part, Rows]:
        """The parts that results are measured on."""
        return {part: rows for part, rows in self.parts.items() if part in ("validation", "test")}

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that are learned from."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def classifies(self) -> bool:
        """Whether classes are predicted, so that each target value is a name."""
        return self.task == "classification"

    @property
    def sources(self) -> tuple[Rows, ...]:
        """All rows as they stand in the files, whatever part they went to."""
        return tuple(Rows(part, examples) for part, examples in self.content.parts.items())

    def told(self, *words: str) -> bool:
        """Whether the reader has said something that holds all of `words`, so that it need not be said again."""
        said = [f"{problem.where} {problem.found}" for problem in self.content.problems] + list(self.content.notes)
        return any(all(word in line for word in words) for line in said)

    def file(self, rows: Rows | None = None) -> str:
        """What to call the place where rows stand: their file where the part has one of its own, else the origin."""
        content = self.content
        parts = list(content.parts)
        if rows is None or rows.part not in parts or len(parts) == 1:
            return content.origin
        if len(content.files) == len(parts) and content.kind != "images":
            return str(content.files[parts.index(rows.part)])
        return f"{content.origin} ({rows.part} part)"

    def where(self, rows: Rows | None = None, *, column: str | None = None, row: int | None = None) -> str:
        """A place in words: file, line, column. `row` counts from 0 in `rows`."""
        words = [self.file(rows)]
        if row is not None and rows is not None:
            words.append(self.place(rows, row))
        if column is not None and (self.content.kind, column) != ("images", "label"):  # the name that class folders get
            words.append(f"column {column!r}")
        return ", ".join(words)

    def place(self, rows: Rows, row: int) -> str:
        """One row in words: `line 12` of a file, or the picture's name."""
        number = rows.number(row)
        pictures = rows.examples.pictures
        return f"line {rows.examples.line(number)}" if pictures is None else pictures.name(number)

    def places(self, rows: Rows, chosen: np.ndarray, *, limit: int = FIRST) -> str:
        """The first of some rows in words: `lines 3, 7, 9, 12, 20 and 8 more`."""
        named = [self.place(rows, int(row)) for row in chosen[:limit]]
        if rows.examples.pictures is None:
            named = [word.removeprefix("line ") for word in named]
            named[0] = ("line " if len(chosen) == 1 else "lines ") + named[0]
        return ", ".join(named) + (f" and {len(chosen) - limit:,} more" if len(chosen) > limit else "")


def count(number: int, word: str, plural: str | None = None) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def verb(number: int, one: str, many: str) -> str:
    """`stands` for one, `stand` for several."""
    return one if number == 1 else many


def quoted(values: Sequence[object], *, limit: int = FIRST) -> str:
    """Some values as `'a', 'b' and 3 more`."""
    shown = ", ".join(repr(str(value)) for value in values[:limit])
    return shown + (f" and {len(values) - limit:,} more" if len(values) > limit else "")


def sample_of(rows: Rows, limit: int) -> np.ndarray | None:
    """Sorted numbers of at most `limit` of these rows, the same ones each time; None where all fit."""
    return sample_rows(len(rows), limit)
