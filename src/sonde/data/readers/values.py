"""From written values to typed columns: blanks around them, marks of missing values, whole numbers, fractions, text."""

from __future__ import annotations

import polars as pl

# What stands for a missing value. Not "None": in House Prices that is a kind of masonry.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "?", "NaN", "nan", "-nan", "NULL", "null")
WHOLE = r"^[+-]?\d+$"
DECIMAL_COMMA = r"^[+-]?(\d+|\d*,\d+)$"


def trimmed(column: pl.Expr) -> pl.Expr:
    """Text without blanks around it, missing values as null."""
    stripped = column.str.strip_chars()
    return pl.when(stripped.is_in(MISSING)).then(None).otherwise(stripped)


def typed(written: pl.Series, *, decimal_comma: bool = False) -> pl.Series:
    """A column of text as whole numbers or fractions where every value is one, else as trimmed text.

    Whole numbers beyond 64 bits stay text: they name things. With `decimal_comma`, "3,5" is a number too.
    """
    text = written.to_frame("x").select(trimmed(pl.col("x"))).to_series().alias(written.name)
    missing = text.null_count()
    if missing == len(text):
        return text
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == missing:
        return whole
    if text.drop_nulls().str.contains(WHOLE).all():
        return text
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() == missing:
        return number
    if decimal_comma and text.drop_nulls().str.contains(DECIMAL_COMMA).all():
        return text.str.replace(",", ".", literal=True).cast(pl.Float64)
    return text


def is_number(value: str) -> bool:
    """Whether a written value is a number."""
    return pl.Series([value.strip()]).cast(pl.Float64, strict=False).null_count() == 0 and value.strip() != ""
