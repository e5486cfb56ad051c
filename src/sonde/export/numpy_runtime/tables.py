"""Rows of a table as a model's inputs: numbers float32 with NaN where missing, and category codes int64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .columns import Column, Table, as_float64, as_text, read_table
from .dates import EPOCH, as_dates
from .problem import PredictError, raise_all

LARGEST = float(np.finfo(np.float32).max)
_WORD = re.compile(r"(?:[^\W_]|')+")

Encoded = tuple[np.ndarray, np.ndarray]  # numbers (row, number) and codes (row, category)


def _number(column: Column, fitted: dict[str, Any]) -> Encoded:
    """A number less its offset; what else is done to it is the model's first step."""
    offset = fitted["scale"]["offset"]
    if offset or not column.is_number:
        numbers = (as_float64(column) - offset).astype(np.float32)
    elif column.kind == "whole":  # rounded once, not by way of float64
        missing = np.array([value is None for value in column.values], dtype=bool)
        whole = np.array([value or 0 for value in column.values], dtype=np.int64).astype(np.float32)
        numbers = np.where(missing, np.float32(np.nan), whole)
    else:
        numbers = as_float64(column).astype(np.float32)
    return numbers[:, None], _no_codes(len(column.values))


def _category(column: Column, fitted: dict[str, Any]) -> Encoded:
    """Code i + 1 for the i-th value known, 0 for all others; a missing value has the last code where it has one of its own."""
    codes = {value: place + 1 for place, value in enumerate(fitted["values"])}
    missing = len(codes) + 1 if fitted["missing"] else 0
    found = [missing if value is None else codes.get(value, 0) for value in as_text(column)]
    return _no_numbers(len(found)), np.array(found, dtype=np.int64).reshape(-1, 1)


def _date(column: Column, fitted: dict[str, Any]) -> Encoded:
    """Year, days since 1970-01-01 and hour as numbers; month 1 … 12 and day of the week 1 … 7 as codes, 0 where missing."""
    dates = as_dates(column, fitted["form"])
    scales = [scale for scale in (fitted["year"], fitted["day"], fitted["hour"]) if scale is not None]
    parts, codes = np.full((len(column.values), 3), np.nan), np.zeros((len(column.values), 2), dtype=np.int64)
    for row, date in enumerate(dates or []):
        if date is not None:
            since = date - EPOCH
            days = (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) / 86_400e6
            parts[row] = date.year, days, (days - np.floor(days)) * 24
            codes[row] = date.month, date.isoweekday()
    numbers = [parts[:, place] - scale["offset"] for place, scale in enumerate(scales)]
    return np.stack(numbers, axis=1).astype(np.float32), codes


def _text(column: Column, fitted: dict[str, Any]) -> Encoded:
    """log(1 + count) of each word that is counted."""
    places = {word: place for place, word in enumerate(fitted["vocabulary"])}
    counts = np.zeros((len(column.values), len(places)))
    for row, value in enumerate(column.values):
        for word in _WORD.findall("" if value is None else str(value).lower()):
            if word in places:
                counts[row, places[word]] += 1
    return np.log1p(counts).astype(np.float32), _no_codes(len(column.values))


ENCODERS: dict[str, Callable[[Column, dict[str, Any]], Encoded]] = {"number": _number, "category": _category, "date": _date, "text": _text}


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """The names of the rows, and the inputs: numbers, and codes where there are categories.

    Raises PredictError for missing columns, and for values that are no finite number, or no date, where one belongs.
    """
    used = [column for column in preprocessing["preparation"]["columns"] if column["encoder"] is not None]
    table = read_table(source, needed=[column["name"] for column in used], published=preprocessing["published"])
    encoded, problems = [], []
    for column in used:
        values, kind = table.column(column["name"]), _encoder(column)
        found = ENCODERS[kind](values, column["encoder"])
        problems += _odd(table, column["name"], kind, found[0])
        encoded.append(found)
    raise_all(problems)
    numbers = np.concatenate([found for found, _ in encoded] or [_no_numbers(len(table))], axis=1)
    codes = np.concatenate([found for _, found in encoded] or [_no_codes(len(table))], axis=1)
    return names(table, preprocessing["id"]), (numbers, codes) if codes.shape[1] else (numbers,)


def names(table: Table, id_column: str | None) -> list[str]:
    """What to call the rows: by their id, or by number."""
    if id_column is not None and id_column in table.columns:
        return [str(value) for value in table.columns[id_column].values]
    return [str(row) for row in range(len(table))]


def _encoder(column: dict[str, Any]) -> str:
    """The encoder of a column: its type, but an identifier that is used all the same has that of its values."""
    return next(kind for kind, key in (("number", "scale"), ("category", "values"), ("text", "vocabulary"), ("date", "year")) if key in column["encoder"])


def _odd(table: Table, name: str, kind: str, numbers: np.ndarray) -> list[PredictError]:
    """Values that could not be used."""
    if kind not in ("number", "date"):
        return []
    values = table.columns[name]
    bad = np.isinf(numbers).any(axis=1)
    if values.kind == "text":
        bad |= np.isnan(numbers[:, 0]) & np.array([bool(value) for value in values.values])
    problems = []
    for row in np.flatnonzero(bad).tolist():
        if kind == "date":
            what = f"{values.values[row]!r} is no date"
        elif np.isinf(numbers[row]).any():
            what = f"{values.values[row]} is infinite, or beyond the numbers that a model works with ({LARGEST:.1e})"
        else:
            what = f"{values.values[row]!r} is not a number"
        where = f"{table.where}, line {table.lines[row]}, column {name!r}"
        problems.append(PredictError(what, where=where, remedy="mend the value, or leave it empty"))
    return problems


def _no_numbers(rows: int) -> np.ndarray:
    return np.empty((rows, 0), dtype=np.float32)


def _no_codes(rows: int) -> np.ndarray:
    return np.empty((rows, 0), dtype=np.int64)
