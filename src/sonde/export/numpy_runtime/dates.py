"""Dates written as text, read by the formats and with the leniency of the run's own reader."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from .columns import BLANKS, Column

EPOCH = datetime.datetime(1970, 1, 1)
# Tried in this order; the first one that fits every value is taken.
FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%m/%d/%Y", "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d-%m-%Y",
    "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y.%m.%d", "%Y%m%d",
)  # fmt: skip
SHARE = 0.9  # a column is one of dates when so much of it reads as one
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_DIGITS = {"Y": r"\s*(\+?[0-9]{1,4})", **dict.fromkeys("mdHMS", r"\s*([0-9]{1,2})")}
_TOKENS = re.compile(r"%\.f|%.|\s+|[^%\s]")


def parse(text: str, form: str) -> datetime.datetime | None:
    """The date and time that `text` says in `form`, or None. Numbers may lack leading zeros, blanks before them do not count."""
    found = {"Y": 1970, "m": 1, "d": 1, "H": 0, "M": 0, "S": 0, "f": 0}
    rest = text
    for token in _TOKENS.findall(form):
        key, match = token[1:], None
        if token == "%.f":
            match = re.match(r"\.([0-9]+)", rest)
            found["f"] = int(match[1][:6].ljust(6, "0")) if match else 0
            rest = rest[match.end() :] if match else rest
            continue
        if token.isspace():
            rest = rest.lstrip()
            continue
        if key in _DIGITS:
            match = re.match(_DIGITS[key], rest)
            found[key] = int(match[1]) if match else 0
        elif key in ("b", "B"):
            names = "|".join(([*_MONTHS] if key == "B" else []) + [month[:3] for month in _MONTHS])
            match = re.match(names, rest, re.IGNORECASE)
            found["m"] = [month[:3] for month in _MONTHS].index(match[0][:3].lower()) + 1 if match else 0
        else:
            match = re.match(re.escape(token), rest)
        if match is None:
            return None
        rest = rest[match.end() :]
    if rest or found["S"] > 60:
        return None
    try:
        minute = datetime.datetime(found["Y"], found["m"], found["d"], found["H"], found["M"])
        return minute + datetime.timedelta(seconds=found["S"], microseconds=found["f"])
    except (ValueError, OverflowError):
        return None


def date_format(texts: Sequence[str | None]) -> str | None:
    """The format that fits every text present, or None."""
    present = [text.strip(BLANKS) for text in texts if text is not None]
    return next((form for form in FORMATS if present and all(parse(text, form) for text in present)), None)


def as_dates(column: Column, form: str | None) -> list[datetime.datetime | None] | None:
    """Every value as a date and time, None where it is none. None in all where no format fits."""
    if column.kind == "moment":
        return list(column.values)
    if column.kind == "date":
        return [None if value is None else datetime.datetime.combine(value, datetime.time()) for value in column.values]
    texts = [None if value is None else str(value).strip(BLANKS) for value in column.values]
    form = form or date_format(texts)
    return None if form is None else [None if text is None else parse(text, form) for text in texts]


def series_dates(column: Column) -> tuple[list[datetime.datetime | None], bool] | None:
    """The dates of a series, and whether they have hours; None where the column is not one of dates.

    Text: the format that fits most of it, at least nine tenths. Whole numbers: 20210126, or years from 1000 to 3000.
    """
    if column.kind in ("date", "moment"):
        return as_dates(column, None) or [], column.kind == "moment"
    present = [value for value in column.values if value is not None]
    if column.kind == "whole" and present:
        if min(present) >= 1000 and max(present) <= 3000:
            return [None if value is None else datetime.datetime(value, 1, 1) for value in column.values], False
        dates = as_dates(column, "%Y%m%d") or []
        return (dates, False) if dates.count(None) == column.values.count(None) else None
    if column.kind != "text" or not present:
        return None
    fits = {form: sum(parse(text.strip(BLANKS), form) is not None for text in present[:200]) for form in FORMATS}
    form = max(fits, key=lambda each: fits[each])
    swapped = form.replace("%m/%d", "%d/%m") if form.startswith("%m/%d") else form
    form = min((form, swapped), key=lambda each: (as_dates(column, each) or []).count(None))
    dates = as_dates(column, form) or []
    return (dates, "%H" in form) if len(dates) - dates.count(None) >= SHARE * len(present) else None
