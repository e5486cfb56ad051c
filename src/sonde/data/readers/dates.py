"""Whether a column is one of dates, also where some of them are wrong, so that the wrong ones can be named."""

from __future__ import annotations

import polars as pl

from sonde.data.prepare.dates import FORMATS, as_dates, has_clock

SHARE = 0.9  # a column is one of dates when so much of it reads as one
_LOOK = 200


def parse_dates(column: pl.Series) -> tuple[pl.Series, str] | None:
    """The dates (Date, or Datetime where there are hours) of a column and their format; None where it is not one of dates.

    Of up to a tenth of the values that do not fit the format, null is made: compare with the column's own to find them.
    """
    if isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date:
        return column, str(column.dtype)
    if column.dtype != pl.String:
        return None
    first = column.drop_nulls().head(_LOOK)
    fits = {form: len(first) - _missing(first, form) for form in FORMATS}
    form = max(fits, key=lambda form: fits[form])  # the first of the best
    if not len(first) or fits[form] < SHARE * len(first):
        return None
    swapped = form.replace("%m/%d", "%d/%m") if form.startswith("%m/%d") else form
    form = min((form, swapped), key=lambda form: _missing(column, form))
    dates = as_dates(column, form)
    assert dates is not None
    present = len(column) - column.null_count()
    if len(column) - dates.null_count() < SHARE * present:
        return None
    return dates if has_clock(form) else dates.cast(pl.Date), form


def _missing(column: pl.Series, form: str) -> int:
    dates = as_dates(column, form)
    assert dates is not None
    return dates.null_count()


def parse_numbered_dates(column: pl.Series) -> tuple[pl.Series, str] | None:
    """Whole numbers as dates: 20210126, or years from 1000 to 3000; None where they are neither."""
    if not column.dtype.is_integer() or column.null_count() == len(column):
        return None
    low, high = int(column.min()), int(column.max())  # type: ignore[arg-type]
    if low >= 1000 and high <= 3000:
        return (column.cast(pl.String) + "-01-01").str.to_date("%Y-%m-%d", strict=False), "%Y"
    if low >= 10000101 and high <= 30001231:
        dates = column.cast(pl.String).str.to_date("%Y%m%d", strict=False)
        return (dates, "%Y%m%d") if dates.null_count() == column.null_count() else None
    return None
