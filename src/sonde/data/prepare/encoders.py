"""How one column of a table becomes numbers and category codes. Each encoder is fitted on training rows, then frozen.

An encoder gives raw numbers, float32 with NaN where missing, and codes, int32, in which 0 stands for values that are rare
in training or did not occur there. What else is done to numbers (logarithm, mean, spread, an indicator of missing
values) is fitted here as `Scale` and carried out by the saved model's first step.

Every encoder has `scales`, one for each number that it gives; `sizes`, the number of codes of each category that it
gives, 0 included; `words`, what is done with the column; `encoding`, what the encoded values depend on; and
`encode(values)`, the numbers float32 (row, number) and the codes int32 (row, category).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sonde.data.prepare.dates import as_dates, date_format, has_clock
from sonde.data.prepare.target import skewness

WORDS = 200  # words counted in a text column at most
WORD_SHARE = 0.01  # of the rows: a word in fewer of them is not counted
FEWEST = 3  # rows that a category needs; rarer ones share code 0
CATEGORIES = 5000  # of a column at most; the most frequent are kept
SPREAD = 1.0  # skewness above which the logarithm is tried
PRECISION = 1e3  # |median| / spread above which float32 would lose the column's differences
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Scale:
    """One column of numbers. The host gives x = value − offset; the model does z = (log x or x − mean) / std.

    `missing`: whether training rows lacked the value, so that a 0/1 column says where it is missing.
    """

    offset: float = 0.0
    log: bool = False
    mean: float = 0.0
    std: float = 1.0
    missing: bool = False

    @property
    def words(self) -> str:
        """What is done, in words."""
        steps = [f"less {self.offset:.6g}"] if self.offset else []
        steps += ["sign(x)·log(1 + |x|)"] if self.log else []
        steps += ["centred and scaled"]
        steps += ["missing ones take the mean, and a further column says so"] if self.missing else []
        return ", ".join(steps)


@dataclass(frozen=True)
class Number:
    """A number as it is."""

    scale: Scale

    @staticmethod
    def fit(values: pl.Series) -> Number:
        return Number(fit_scale(as_float64(values)))

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (self.scale,)

    @property
    def sizes(self) -> tuple[int, ...]:
        return ()

    @property
    def words(self) -> str:
        return self.scale.words

    @property
    def encoding(self) -> list[Any]:
        return ["number", self.scale.offset]

    def encode(self, values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        if self.scale.offset or not values.dtype.is_numeric():
            numbers = (as_float64(values) - self.scale.offset).astype(np.float32)
        else:
            numbers = values.cast(pl.Float32, strict=False).fill_null(float("nan")).to_numpy()
        return numbers[:, None], _no_codes(len(values))


@dataclass(frozen=True)
class Category:
    """A code for each value that is frequent enough: `values[i]` has code i + 1, 0 stands for all others.

    With `missing`, enough training rows lacked a value, and a missing one has a code of its own, the last.
    """

    values: tuple[str, ...]
    missing: bool

    @staticmethod
    def fit(values: pl.Series) -> Category:
        text = as_text(values)
        counted = text.drop_nulls().alias("value").value_counts(name="count").filter(pl.col("count") >= min(FEWEST, max(1, len(text) // 20)))
        kept = counted.sort(["count", "value"], descending=[True, False]).head(CATEGORIES)["value"].sort()
        return Category(tuple(kept.to_list()), text.null_count() >= FEWEST)

    @property
    def scales(self) -> tuple[Scale, ...]:
        return ()

    @property
    def sizes(self) -> tuple[int, ...]:
        return (1 + len(self.values) + self.missing,)

    @property
    def words(self) -> str:
        also = ", missing" if self.missing else ""
        return f"{len(self.values)} categories{also} and one for rare or unseen values"

    @property
    def encoding(self) -> list[Any]:
        return ["category", *self.values, self.missing]

    def encode(self, values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        text = as_text(values)
        codes = text.cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.Int32) + 1
        if self.missing:
            codes = pl.select(pl.when(text.is_null()).then(pl.lit(len(self.values) + 1, pl.Int32)).otherwise(codes)).to_series()
        return _no_numbers(len(values)), codes.fill_null(0).to_numpy()[:, None]


@dataclass(frozen=True)
class Date:
    """Year and day count as numbers (and the hour, where there are hours), month and day of the week as categories.

    The day count is in days since 1970-01-01. Months have codes 1 … 12, weekdays 1 (Monday) … 7, 0 is missing.
    """

    form: str | None
    year: Scale
    day: Scale
    hour: Scale | None

    @staticmethod
    def fit(values: pl.Series) -> Date:
        form = None if values.dtype.is_temporal() else date_format(values) or date_format(values.drop_nulls().head(1))
        clock = has_clock(form) if form else isinstance(values.dtype, pl.Datetime)
        year, day, hour = _calendar(as_dates(values, form), len(values))
        return Date(form, fit_scale(year), fit_scale(day), fit_scale(hour) if clock and np.nanmax(hour, initial=0) > 0 else None)

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (self.year, self.day) if self.hour is None else (self.year, self.day, self.hour)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (13, 8)

    @property
    def words(self) -> str:
        return "year, day count" + (", hour" if self.hour else "") + " as numbers; month and day of the week as categories"

    @property
    def encoding(self) -> list[Any]:
        return ["date", self.form, *(scale.offset for scale in self.scales)]

    def encode(self, values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        dates = as_dates(values, self.form)
        parts = _calendar(dates, len(values))
        numbers = [part - scale.offset for part, scale in zip(parts, self.scales, strict=False)]
        if dates is None:
            codes = np.zeros((len(values), 2), dtype=np.int32)
        else:
            codes = np.stack([part.cast(pl.Int32).fill_null(0).to_numpy() for part in (dates.dt.month(), dates.dt.weekday())], axis=1)
        return np.stack(numbers, axis=1).astype(np.float32), codes


@dataclass(frozen=True)
class Text:
    """How often each of some words stands in a text, as log(1 + count). A missing text has no words."""

    vocabulary: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    @staticmethod
    def fit(values: pl.Series) -> Text:
        pairs = _words(values).unique()
        rows = pairs.group_by("word").len("rows").filter(pl.col("rows") >= max(2, WORD_SHARE * len(values)))
        kept = rows.filter(pl.col("rows") < len(values)).sort(["rows", "word"], descending=[True, False]).head(WORDS)["word"].sort()
        plain = Text(tuple(kept.to_list()), (0.0,) * len(kept), (1.0,) * len(kept))
        numbers = plain.encode(values)[0].astype(np.float64)
        return Text(plain.vocabulary, tuple(numbers.mean(0).tolist()), tuple(numbers.std(0).tolist()))

    @property
    def scales(self) -> tuple[Scale, ...]:
        return tuple(Scale(mean=mean, std=std) for mean, std in zip(self.means, self.stds, strict=True))

    @property
    def sizes(self) -> tuple[int, ...]:
        return ()

    @property
    def words(self) -> str:
        return f"{len(self.vocabulary)} most frequent words counted"

    @property
    def encoding(self) -> list[Any]:
        return ["text", *self.vocabulary]

    def encode(self, values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.zeros((len(values), len(self.vocabulary)), dtype=np.float32)
        known = pl.DataFrame({"word": self.vocabulary, "place": np.arange(len(self.vocabulary))}, schema={"word": pl.String, "place": pl.Int64})
        counted = _words(values).join(known, on="word").group_by("row", "place").len("count")
        numbers[counted["row"].to_numpy(), counted["place"].to_numpy()] = np.log1p(counted["count"].to_numpy())
        return numbers, _no_codes(len(values))


Encoder = Number | Category | Date | Text


def fit_scale(values: np.ndarray) -> Scale:
    """How numbers float64 (row,), NaN where missing, are to be scaled. Infinite ones are left out here."""
    with np.errstate(over="ignore"):
        present = values[np.isfinite(values) & (np.abs(values) <= LARGEST)]
    missing = bool(np.isnan(values).any())
    if not len(present):
        return Scale(missing=missing)
    std, median = float(present.std()), float(np.median(present))
    offset = median if std > 0 and abs(median) > PRECISION * std else 0.0
    present = present - offset
    log = offset == 0.0 and _wants_log(present)
    moved = np.sign(present) * np.log1p(np.abs(present)) if log else present
    return Scale(offset, log, float(moved.mean()), float(moved.std()), missing)


def as_float64(values: pl.Series) -> np.ndarray:
    """Numbers of a column, NaN where there is none."""
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    elif isinstance(values.dtype, pl.Duration):
        values = values.dt.total_microseconds() / 1e6
    elif values.dtype == pl.Time:
        values = values.cast(pl.Int64) / 3.6e12  # nanoseconds to hours
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def as_text(values: pl.Series) -> pl.Series:
    """Categories as text, in one spelling: 1 and 1.0 are both `1`, blanks around a word do not count."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
        text, whole = values.cast(pl.String), values.cast(pl.Int64, strict=False)
        same = whole.cast(values.dtype) == values
        return pl.select(pl.when(same).then(whole.cast(pl.String)).otherwise(text)).to_series()
    text = values.cast(pl.String).str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series()


def _wants_log(present: np.ndarray) -> bool:
    """Whether sign(x)·log(1 + |x|) makes a skewed column clearly less skewed."""
    before = abs(skewness(present))
    return before > SPREAD and abs(skewness(np.sign(present) * np.log1p(np.abs(present)))) < 0.7 * before


def _calendar(dates: pl.Series | None, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Year, days since 1970-01-01 with their fraction, and hour of the day; float64, NaN where there is no date."""
    if dates is None:
        empty = np.full(rows, np.nan)
        return empty, empty, empty
    microseconds = as_float64(dates.to_physical())
    days = microseconds / 86_400e6
    return as_float64(dates.dt.year()), days, (days - np.floor(days)) * 24


def _words(values: pl.Series) -> pl.DataFrame:
    """Every word of every text in small letters, with the number of its row: columns `row` and `word`."""
    texts = values.cast(pl.String).fill_null("").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}']+")
    frame = pl.DataFrame({"row": np.arange(len(values)), "word": texts})
    return frame.explode("word").drop_nulls()


def _no_numbers(rows: int) -> np.ndarray:
    return np.empty((rows, 0), dtype=np.float32)


def _no_codes(rows: int) -> np.ndarray:
    return np.empty((rows, 0), dtype=np.int32)
