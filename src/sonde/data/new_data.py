"""New data for a model that has learned from data of one kind."""

from __future__ import annotations

from typing import Any

import polars as pl

from sonde.data.contents import Content, Examples, Kind
from sonde.data.open import open_data
from sonde.data.readers.as_kind import as_kind
from sonde.errors import DataError, Problem
from sonde.recipe import Data


def open_new(source: Any, options: Data, kind: Kind) -> Content:
    """What `source` holds, of the kind that was learned from; a list of texts is a text each, where that was text.

    Raises DataError where it is of another kind; a table may stand for a series, and a series for a table.
    """
    if kind in ("text", "pairs", "tagged") and isinstance(source, (list, tuple)) and source and all(isinstance(text, str) for text in source):
        source = pl.DataFrame({"text": list(source)})
    content = as_kind(open_data(source, options), kind)
    if content.kind != kind and not {content.kind, kind} <= {"table", "series"}:
        said = f"this is of kind {content.kind}; the run was trained on {kind}"
        raise DataError(Problem("error", content.origin, said, f"give {kind}"))
    return content


def require_columns(content: Content, examples: Examples, columns: tuple[str, ...], *, purpose: str, remedy: str) -> None:
    """DataError where one of `columns` is missing that is needed for `purpose`."""
    for column in columns:
        if column not in examples.frame.columns:
            raise DataError(Problem("error", content.origin, f"there is no column {column!r} {purpose}", remedy))
