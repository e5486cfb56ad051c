"""Dates written as text: which format a column uses, and the dates in it."""

from __future__ import annotations

import polars as pl

# Tried in this order; the first one that fits every value is taken. Where 03/04/2024 may be read both ways, the day
# comes first only if some value shows it.
FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%Y.%m.%d",
    "%Y%m%d",
)
_CLOCK = ("%H", "%M")


def date_format(values: pl.Series) -> str | None:
    """The format that fits every text present, or None."""
    present = values.drop_nulls().cast(pl.String).str.strip_chars()
    if not present.len():
        return None
    few = present.head(100)
    for form in FORMATS:
        if _parse(few, form).null_count() == 0 and _parse(present, form).null_count() == 0:
            return form
    return None


def as_dates(values: pl.Series, form: str | None = None) -> pl.Series | None:
    """A column as Datetime (microseconds, without zone); null where there is no date. None where no format fits.

    Dates and times pass through. Text is read by `form`, or by the format that fits all of it.
    """
    if values.dtype == pl.Date:
        return values.cast(pl.Datetime("us"))
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.replace_time_zone(None).cast(pl.Datetime("us")) if values.dtype.time_zone else values.cast(pl.Datetime("us"))
    text = values.cast(pl.String).str.strip_chars()
    form = form or date_format(text)
    if form is None:
        return None
    return _parse(text, form)


def has_clock(form: str) -> bool:
    """Whether a format has hours."""
    return any(part in form for part in _CLOCK)


def _parse(text: pl.Series, form: str) -> pl.Series:
    if has_clock(form):
        return text.str.to_datetime(form, strict=False, time_unit="us").dt.replace_time_zone(None)
    return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
