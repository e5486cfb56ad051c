"""A contest's submission: the sample file's ids, order and columns, filled with predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.errors import DataError, Problem, did_you_mean

if TYPE_CHECKING:
    import polars as pl


def read(path: Path) -> pl.DataFrame:
    """The sample: an id column, then one or more columns to fill. Everything is text. Raises DataError."""
    import polars as pl

    try:
        sample = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise _error(str(path), "there is no such file", "give the sample submission that the contest hands out") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _error(str(path), f"this cannot be read as CSV: {error}", "give the sample submission as the contest hands it out") from None
    if sample.width < 2:
        raise _error(str(path), f"there is only the column {sample.columns}", "a sample has an id column and at least one column to fill")
    if not sample.height:
        raise _error(str(path), "there are no rows", "a sample has one row for each example to predict")
    ids = sample[sample.columns[0]]
    twice = ids.filter(ids.is_duplicated())
    if twice.len():
        raise _error(
            str(path), f"id {twice[0]!r} stands there {(ids == twice[0]).sum()} times", "give a sample in which each id stands once"
        )
    return sample


def fill(sample: pl.DataFrame, predictions: pl.DataFrame, *, where: Path, id_column: str | None, targets: Sequence[str]) -> pl.DataFrame:
    """`sample` with its columns filled: one column with the prediction, or one a class or target by its name.

    `id_column` is what names the run's rows: without one, predictions are known by their row number. Raises
    DataError for ids that differ and columns that no prediction has.
    """
    import polars as pl

    key = sample.columns[0]
    names = _names(predictions, sample[key])
    found = predictions.with_columns(names.alias("name"))
    _check_ids(sample[key], found["name"], where=str(where), id_column=id_column)
    sources = {column: _source(column, predictions, targets, where=str(where), only=sample.width == 2) for column in sample.columns[1:]}
    chosen = found.select(pl.col("name").alias(key), *(pl.col(source).alias(column) for column, source in sources.items()))
    return sample.select(key).join(chosen, on=key, how="left", maintain_order="left")


def _names(predictions: pl.DataFrame, ids: pl.Series) -> pl.Series:
    """The predictions' names; of pictures without folder and ending where the sample's ids have none."""
    known = set(ids.to_list())
    names = [str(name) for name in predictions["name"].to_list()]
    if not known & set(names):
        for shorten in (lambda name: Path(name).name, lambda name: Path(name).stem):
            short = [shorten(name) for name in names]
            if known & set(short):
                names = short
                break
    import polars as pl

    return pl.Series("name", names, dtype=pl.String)


def _check_ids(wanted: pl.Series, given: pl.Series, *, where: str, id_column: str | None) -> None:
    """Every id once, none missing, none too many."""
    known, predicted = set(wanted.to_list()), set(given.to_list())
    missing = [name for name in wanted.to_list() if name not in predicted]
    extra = [name for name in given.to_list() if name not in known]
    twice = given.filter(given.is_duplicated()).unique(maintain_order=True).to_list()
    hint = "" if id_column else f"; the run has no id column: train it with --id {wanted.name}"
    found = [
        (missing, "ids have no prediction", f"predict the file that the contest wants predicted{hint}"),
        (extra, "predictions have ids that are not there", "predict the rows of the sample alone"),
        (twice, "ids are predicted more than once", "give data in which each id stands once"),
    ]
    place = f"{where}, column {wanted.name!r}"
    problems = [Problem("error", place, f"{len(names)} {what}: {_few(names)}", remedy) for names, what, remedy in found if names]
    if problems:
        raise DataError(problems)


def _source(column: str, predictions: pl.DataFrame, targets: Sequence[str], *, where: str, only: bool) -> str:
    """Which column of the predictions fills a column of the sample."""
    for name in (f"probability:{column}", f"prediction:{column}"):
        if name in predictions.columns:
            return name
    if "prediction" in predictions.columns and (only or column in targets):
        return "prediction"
    known = [name.partition(":")[2] or name for name in predictions.columns if name.startswith(("prediction", "probability"))]
    raise _error(f"{where}, column {column!r}", "no prediction goes there", did_you_mean(column, known))


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (" …" if len(names) > 5 else "")


def _error(where: str, found: str, remedy: str) -> DataError:
    return DataError(Problem("error", where, found, remedy))
