"""Tables in memory: Polars and pandas frames, rows as dictionaries. All become frames of a few plain types."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.data.readers.delimited import Table
from sonde.errors import DataError, Problem


def plain(dtype: Any) -> Any:
    """The type that a column of `dtype` is kept as; None where it is of no use here (lists, structures, bytes)."""
    if dtype in (pl.String, pl.Boolean, pl.Date) or dtype.is_integer() or dtype in (pl.Float32, pl.Float64):
        return pl.Float64 if dtype == pl.Int128 else dtype
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime(dtype.time_unit)
    if dtype.is_decimal() or dtype.is_float():
        return pl.Float64
    if isinstance(dtype, (pl.Categorical, pl.Enum)) or dtype in (pl.Null, pl.Time):
        return pl.String
    return pl.Float64 if isinstance(dtype, pl.Duration) else None


def tidied(query: pl.LazyFrame, where: str) -> tuple[pl.LazyFrame, list[str]]:
    """The table with plain types; NaN counts as missing, durations become seconds; other columns are left out, which is said."""
    columns: list[pl.Expr] = []
    left_out = []
    for name, dtype in query.collect_schema().items():
        kind = plain(dtype)
        if kind is None:
            left_out.append(f"{name} ({dtype})")
            continue
        column = pl.col(name)
        if isinstance(dtype, pl.Duration):
            column = column.dt.total_microseconds() / 1e6
        elif isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        elif kind != dtype:
            column = column.cast(kind)
        columns.append(column.fill_nan(None) if kind in (pl.Float32, pl.Float64) else column)
    if not columns:
        raise DataError(Problem("error", where, "no column holds numbers, text or dates", "give a table with one value a cell"))
    notes = [f"columns left out, as they hold neither numbers nor text nor dates: {', '.join(left_out)}"] if left_out else []
    return query.select(columns), notes


def read_frame(frame: object, where: str) -> Table:
    """A Polars or pandas frame. Rows are counted from 0 in messages.

    Raises
    ------
    DataError
        A frame without rows, or with two columns of one name.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        frame = _from_pandas(frame, where)
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    assert isinstance(frame, pl.DataFrame)
    query, notes = tidied(frame.lazy(), where)
    table = query.collect()
    if not table.height:
        raise DataError(Problem("error", where, "the table has no rows", "give at least one"))
    return Table(Examples(table, lines=np.arange(table.height)), notes=tuple(notes))


def is_frame(source: object) -> bool:
    """Whether this is a frame; neither library is imported to find out."""
    pandas = sys.modules.get("pandas")
    return isinstance(source, (pl.DataFrame, pl.LazyFrame)) or (pandas is not None and isinstance(source, pandas.DataFrame))


def _from_pandas(frame: Any, where: str) -> pl.DataFrame:
    """Column by column through NumPy and lists, as pandas' own way needs pyarrow."""
    names = [str(name) for name in frame.columns]
    duplicates = sorted(name for name, times in Counter(names).items() if times > 1)
    if duplicates:
        raise DataError(Problem("error", where, f"two columns are named {duplicates[0]!r}", "give every column a name of its own"))
    return pl.DataFrame([_column(name, frame.iloc[:, place]) for place, name in enumerate(names)])


def _column(name: str, values: Any) -> pl.Series:
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return pl.Series(name, values.to_numpy(), nan_to_null=True)
    if getattr(dtype, "kind", "") == "M":
        naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(dtype, "tz", None) is not None else values
        return pl.Series(name, naive.to_numpy().astype("datetime64[us]"))
    missing = values.isna().to_numpy()
    return from_values(name, [None if gone else value for value, gone in zip(values.tolist(), missing, strict=True)])


def from_values(name: str, values: Sequence[Any]) -> pl.Series:
    """A column from Python values: numbers where all are numbers, dates where all are dates, else text."""
    values = [None if value is None or (isinstance(value, float) and math.isnan(value)) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if kinds and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds and all(issubclass(kind, (int, np.integer)) for kind in kinds) and all(value is None or abs(int(value)) < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and all(issubclass(kind, (int, float, np.number)) for kind in kinds):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if len(kinds) == 1 and not issubclass(next(iter(kinds)), (str, dict, list, tuple)):
        column = pl.Series(name, values, strict=False)
        if plain(column.dtype) not in (None, pl.String):
            return column
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def from_rows(rows: Sequence[Mapping[str, Any]], where: str) -> pl.DataFrame:
    """A table from dictionaries, one a row; a key that a row lacks is missing there."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(map(str, row)))
    if not names:
        raise DataError(Problem("error", where, "the rows hold no values", "give at least one key"))
    return pl.DataFrame([from_values(name, [row.get(name) for row in rows]) for name in names])
