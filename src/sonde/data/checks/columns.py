"""What each column holds: its type, and the figures that a reader of the data wants to see.

Everything is vectorised. Counts of missing values, smallest, largest, mean and spread are exact; the type, histogram,
frequent values and number of distinct values come from at most `SAMPLE` rows (all rows of smaller tables).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from sonde import recipe

ColumnType = Literal["number", "category", "date", "text", "identifier"]
Role = Literal["target", "feature", "left-out"]

SAMPLE = 50_000  # rows that types and histograms are taken from: the error of a share is then under 0.5 %
BINS = 30  # of a histogram
TOP = 10  # most frequent values shown
MOSTLY_NUMBERS = 0.9  # of the values of a text column: more, and the rest are mistakes
MOSTLY_DATES = 0.5
ALMOST_ALL = 0.95  # of values distinct: an identifier; of values missing: worth a word

# Words that people write where a value is missing.
MISSING_WORDS = frozenset(
    {"", "?", "-", "--", ".", "na", "n/a", "nan", "#n/a", "nil", "null", "none", "missing", "unknown", "undefined", "not available"}
)
_DATE = re.compile(
    r"^\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4})([ T]\d{1,2}:\d{2}.*)?\s*$"
)
_CODE = r"^\s*(0\d+|[+-]?\d{19,})\s*$"
_ID_NAME = re.compile(r"^(id|uuid|guid|index|row|rowid|unnamed: ?0|)$|[_\s-](id|uuid|guid|index)$|(?-i:[a-z]I[dD])$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """One column. `values` is its sample; `figures` the part of data.json that depends on the type."""

    name: str
    type: ColumnType
    role: Role
    why: str
    rows: int
    missing: int
    distinct: int
    values: pl.Series
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The column's entry in data.json."""
        head = {
            "name": self.name,
            "type": self.type,
            "role": self.role,
            "why": self.why,
            "missing": self.missing,
            "distinct": self.distinct,
        }
        return {**head, **self.figures}


def sample_rows(rows: int, limit: int = SAMPLE) -> np.ndarray | None:
    """Sorted numbers of at most `limit` rows, the same ones each time; None where all fit."""
    if rows <= limit:
        return None
    return np.unique(np.random.default_rng(0).integers(0, rows, limit))


def describe(
    frame: pl.DataFrame, data: recipe.Data, targets: tuple[str, ...], *, aside: Mapping[str, str] | None = None
) -> tuple[Column, ...]:
    """All columns of a frame, in order. `aside` names columns that are not learned from, and says why."""
    chosen = sample_rows(frame.height)
    sample = frame if chosen is None else frame[chosen]
    exact = _exact(frame)
    columns = []
    for name in frame.columns:
        values, figures = sample[name], exact[name]
        missing = int(figures["missing"])
        kind, why = column_type(values, data)
        distinct, top = _frequent(values, frame.height)
        empty, constant = missing == frame.height > 0, distinct == 1 and missing == 0 and frame.height > 1
        role, role_why = _role(values, kind, data, targets, aside=aside or {}, empty=empty, constant=constant)
        shown = _shown(values, kind, figures, top, distinct)
        columns.append(Column(name, kind, role, role_why or why, frame.height, missing, distinct, values, shown))
    return tuple(columns)


def column_type(values: pl.Series, data: recipe.Data) -> tuple[ColumnType, str]:
    """The type of a column and, in a few words, why. What `data.types` and `data.id` say comes first."""
    name, dtype = values.name, values.dtype
    if name in data.types:
        return data.types[name], "as given in data.types"
    if name == data.id:
        return "identifier", "named by --id"
    if isinstance(dtype, pl.Duration | pl.Time):
        return "number", "lengths of time" if isinstance(dtype, pl.Duration) else "times of day"
    if dtype.is_temporal():
        return "date", "dates"
    if dtype == pl.Boolean:
        return "category", "true or false"
    if dtype.is_numeric() and not dtype.is_nested():
        return _number_type(values)
    if dtype == pl.Null or values.len() == values.null_count():
        return "category", "no values"
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return "text", f"values of type {dtype}"
    return _text_type(values.cast(pl.String).drop_nulls())


def numbers_in(values: pl.Series) -> pl.Series:
    """Text as float64 numbers; null where it is no number."""
    return values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)


def looks_like_date(values: pl.Series) -> pl.Series:
    """Which texts have the shape of a date."""
    return values.str.contains(_DATE.pattern)


def _number_type(values: pl.Series) -> tuple[ColumnType, str]:
    present = values.drop_nulls()
    if not values.dtype.is_integer() or present.len() < 20 or present.len() < values.len():
        return "number", "numbers"
    if not _ID_NAME.search(values.name.strip()):
        return "number", "numbers"
    return ("identifier", "a whole number of its own in each row") if present.n_unique() == present.len() else ("number", "numbers")


def _text_type(present: pl.Series) -> tuple[ColumnType, str]:
    rows, distinct = present.len(), present.n_unique()
    numbers = numbers_in(present).drop_nulls()
    if _mostly_numbers(present, numbers):
        return "number", "numbers written as text" if numbers.len() == rows else f"{numbers.len()} of {rows} values are numbers"
    dates = int(looks_like_date(present).sum())
    if dates > MOSTLY_DATES * rows:
        return "date", "dates written as text"
    words = int(present.str.count_matches(r"\S+").sum()) / rows
    if distinct > 0.5 * rows and words >= 3 and rows >= 5:
        return "text", f"{words:.0f} words in a row on average, {distinct} distinct"
    if distinct >= ALMOST_ALL * rows and rows >= 20:
        return "identifier", "a value of its own in each row"
    return "category", f"{distinct} distinct value{'' if distinct == 1 else 's'}"


def _mostly_numbers(present: pl.Series, numbers: pl.Series) -> bool:
    """Whether texts are numbers, and those that are not stand there by mistake.

    A tenth may be wrong, or two values of a short column. Codes such as 1, 2, 3+ with few distinct numbers, and such as
    01234 or of more digits than a whole number holds, are names.
    """
    rows, wrong = present.len(), present.len() - numbers.len()
    if numbers.len() <= 0.5 * rows or present.str.contains(_CODE).any():
        return False
    if wrong == 0:
        return True
    few = wrong <= (1 - MOSTLY_NUMBERS) * rows or (wrong <= 2 and wrong < numbers.len())
    return few and (numbers.n_unique() > 10 or rows < 50)


def _role(
    values: pl.Series,
    kind: ColumnType,
    data: recipe.Data,
    targets: tuple[str, ...],
    *,
    aside: Mapping[str, str],
    empty: bool,
    constant: bool,
) -> tuple[Role, str]:
    """What the column is used for, and why where that needs a word. The same rules as prepare/table.py."""
    name = values.name
    if name in targets:
        return "target", ""
    if name in aside:
        return "left-out", aside[name]
    if name in data.drop:
        return "left-out", "named by --drop"
    if data.features and name not in data.features:
        return "left-out", "not among --features"
    if name in (data.id, data.group):
        return "left-out", "names the row (--id)" if name == data.id else "groups rows for the split (--group)"
    if empty:
        return "left-out", "no value at all"
    if opaque(values):
        return "left-out", "each value is a list, a structure or bytes"
    if kind == "identifier" and name not in data.features:
        return "left-out", "an identifier: a value of its own in each row says nothing about other rows"
    if constant and name not in data.features:
        return "left-out", "the same value in every row"
    return "feature", ""


def _exact(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Missing values, and for numbers the smallest, largest, mean and spread of all finite values, in one pass."""
    numeric = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    nulls = frame.null_count()
    figures: dict[str, dict[str, Any]] = {name: {"missing": nulls[name][0] if frame.height else 0} for name in frame.columns}
    if not numeric or not frame.height:
        return figures
    odd = not_finite(frame)
    expressions = []
    for place, name in enumerate(numeric):
        value, dtype = pl.col(str(place)), frame.schema[name]
        if odd.get(name):
            value = pl.when(value.is_finite()).then(value)
        if not dtype.is_float():
            value = value.cast(pl.Float64, strict=False)
        expressions += [value.min().alias(f"{place} min"), value.max().alias(f"{place} max")]
        expressions += [value.mean().alias(f"{place} mean"), value.std(ddof=0).alias(f"{place} std")]
    row = _numbered(frame, numeric).select(expressions).row(0, named=True)
    for place, name in enumerate(numeric):
        figures[name] |= {key: number(row[f"{place} {key}"]) for key in ("min", "max", "mean", "std")}
        figures[name]["missing"] += odd.get(name, {}).get("nan", 0)
    return figures


def _numbered(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Some columns, called 0, 1, …: Polars would read a name such as `*` or `^x$` as a pattern."""
    return pl.DataFrame([frame[name].alias(str(place)) for place, name in enumerate(names)])


def not_finite(frame: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Columns with values that are no finite number: how many NaN and infinite ones.

    The sum of a column shows them cheaply: it is finite only if all values are.
    """
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    if not floats or not frame.height:
        return {}
    sums = _numbered(frame, floats).select(pl.all().cast(pl.Float64).sum()).row(0)
    suspects = [name for name, total in zip(floats, sums, strict=True) if not np.isfinite(total)]
    found = {}
    for name in suspects:
        nan, infinite = int(frame[name].is_nan().sum()), int(frame[name].is_infinite().sum())
        if nan or infinite:
            found[name] = {"nan": nan, "infinite": infinite}
    return found


def number(value: Any) -> float | None:
    """A finite float, or None: what JSON can hold."""
    if value is None:
        return None
    value = float(value)
    return value if np.isfinite(value) else None


def _frequent(values: pl.Series, rows: int) -> tuple[int, list[list[Any]]]:
    """The number of distinct values and the most frequent ones.

    Beyond the sample the number is Chao's estimate from values seen once and twice (Chao 1984), at most the rows.
    """
    if values.dtype.is_nested() or values.dtype in (pl.Object, pl.Binary):
        return values.len() - values.null_count(), []
    present = values.drop_nulls()
    if present.dtype.is_float():
        present = present.drop_nans()
    if not present.len():
        return 0, []
    counts = present.alias("value").value_counts(sort=False, name="count")
    distinct = counts.height
    if rows > values.len():
        once, twice = int((counts["count"] == 1).sum()), int((counts["count"] == 2).sum())
        distinct = min(rows, distinct + once * (once - 1) // (2 * (twice + 1)))
    top = counts.top_k(min(TOP, counts.height), by="count").sort(["count", "value"], descending=[True, False])
    return distinct, [[text(value), count] for value, count in top.rows()]


def text(value: Any, limit: int = 80) -> str:
    """A value as people read it, long ones cut."""
    if isinstance(value, float):
        written = f"{value:.15g}"
    else:
        written = str(value)
    return written if len(written) <= limit else written[: limit - 1] + "…"


def _shown(values: pl.Series, kind: ColumnType, exact: dict[str, Any], top: list[list[Any]], distinct: int) -> dict[str, Any]:
    """The figures of one column for data.json."""
    present = values.drop_nulls()
    shown: dict[str, Any] = {
        "sample": [text(value) for value in present.head(5000).unique(maintain_order=True).head(5)] if not opaque(values) else []
    }
    if kind == "number":
        finite = _finite(present)
        if "min" in exact:
            shown |= {key: exact[key] for key in ("min", "max", "mean", "std")}
        elif finite.size:
            shown |= {"min": float(finite.min()), "max": float(finite.max()), "mean": number(finite.mean()), "std": number(finite.std())}
        shown |= _histogram(finite)
        if distinct <= 20:
            shown["top"] = top
    elif kind == "date" and present.len() and not opaque(values):
        shown |= {"min": text(present.min()), "max": text(present.max())}
    else:
        shown["top"] = top
    return shown


def opaque(values: pl.Series) -> bool:
    """Whether the values are lists, structures, bytes or objects, which no figure describes."""
    return values.dtype.is_nested() or values.dtype in (pl.Object, pl.Binary)


def as_numbers(values: pl.Series) -> np.ndarray:
    """Any column as float64 (row,), NaN where there is no number; lengths of time and times of day in their own units."""
    if opaque(values):
        return np.full(values.len(), np.nan)
    if isinstance(values.dtype, pl.Duration | pl.Time):
        values = values.to_physical()
    plain = values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)
    numbers = values.cast(pl.Float64, strict=False) if plain else numbers_in(values)
    return numbers.fill_null(np.nan).to_numpy()


def _finite(values: pl.Series) -> np.ndarray:
    """The finite numbers of a column."""
    array = as_numbers(values)
    return array[np.isfinite(array)]


def _histogram(finite: np.ndarray) -> dict[str, Any]:
    if not finite.size:
        return {}
    low, high = float(finite.min()), float(finite.max())
    if not np.isfinite(high - low):
        return {}
    try:
        with np.errstate(over="ignore"):
            counts, edges = np.histogram(finite, bins=min(BINS, max(1, len(np.unique(finite)))))
    except ValueError:  # the range is too small for bins of finite width
        return {}
    if not np.isfinite(edges).all():
        return {}
    return {"histogram": {"edges": edges.tolist(), "counts": counts.tolist()}}
