"""`sonde predict RUN FILE…`: predictions for files or rows, as text, a file, or a contest's submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from cyclopts import Parameter

from sonde.cli import submission as contest
from sonde.cli.flags import Json, Quiet
from sonde.cli.output import Answer, encode, number, say, table
from sonde.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from sonde.run import Run

Format = Literal["table", "csv", "json", "jsonl", "parquet"]
SHOWN = 50  # rows that the table shows


def predict(
    run: Annotated[str, Parameter(help="run folder")],
    /,
    *files: Annotated[str, Parameter(help="tables, pictures or folders of the form that the run was trained on")],
    out: Annotated[Path | None, Parameter(help="write here instead of to standard output; the ending names the format")] = None,
    format: Annotated[Format | None, Parameter(help="how predictions are written [default: table, or by --out's ending]")] = None,
    submission: Annotated[Path | None, Parameter(help="a contest's sample file: its ids, order and columns are checked and kept")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps [default: the best there is]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Predict. The name of each row (its id, picture or number) stands beside its prediction, in the order given."""
    if not files:
        raise UsageError("there is nothing to predict", where="sonde predict", remedy=f"name files or folders: sonde predict {run} new.csv")
    kind = _format(out, format, submission)
    sample = None if submission is None else contest.read(submission)

    from sonde.run import Run

    loaded = Run.load(run).to(device)
    rows = _predict(loaded, files)
    for note in [message for each in loaded.folds or [loaded] for message in each.said]:
        say(f"note: {note}", quiet=quiet)
    if sample is not None:
        assert submission is not None
        rows = contest.fill(sample, rows, where=submission, id_column=loaded.recipe.data.id, targets=loaded.target.columns)
    document = {"run": run, "rows": rows.height, "columns": rows.columns}
    if out is not None:
        _write(rows, out, kind)
        text = f"{number(rows.height)} predictions in {out}"
        return Answer({**document, "out": str(out)}, text, json=json)
    if kind == "table" and rows.height > SHOWN and not json:
        say(f"the first {SHOWN} of {number(rows.height)} rows; --out FILE or --format csv gives all", quiet=quiet)
    return Answer({**document, "predictions": rows.to_dicts() if json else None}, "" if json else _text(rows, kind), json=json)


def _format(out: Path | None, given: Format | None, submission: Path | None) -> Format:
    """The format of the output. Raises UsageError where flags and ending do not go together."""
    if out is None:
        if given == "parquet":
            raise UsageError("Parquet is not text for a terminal", where="--format", remedy="name a file: --out predictions.parquet")
        return given or ("csv" if submission is not None else "table")
    ending = out.suffix.lower().removeprefix(".")
    if given is not None:
        return given
    if ending not in get_args(Format):
        near = did_you_mean(ending, get_args(Format)[1:])
        raise UsageError(f"the ending of {out.name!r} names no format", where="--out", remedy=f"{near}; or say it: --format csv")
    kind: Format = ending  # type: ignore[assignment]
    return kind


def _predict(run: Run, files: tuple[str, ...]) -> pl.DataFrame:
    """Predictions of all files in order: pictures together, tables one after the other with their file's name."""
    if len(files) == 1:
        return run.predict(files[0])
    if run.description["kind"] == "images" and all(Path(file).is_file() for file in files):
        return run.predict(list(files))
    import polars as pl

    return pl.concat([run.predict(file).insert_column(0, pl.lit(file).alias("file")) for file in files], how="diagonal_relaxed")


def _text(rows: pl.DataFrame, kind: Format) -> str:
    if kind == "csv":
        return rows.write_csv()
    if kind == "json":
        return encode(rows.to_dicts())
    if kind == "jsonl":
        return _lines(rows)
    return table(rows.head(SHOWN).rows(), rows.columns)


def _lines(rows: pl.DataFrame) -> str:
    return "".join(encode(row, indent=None) + "\n" for row in rows.iter_rows(named=True))


def _write(rows: pl.DataFrame, out: Path, kind: Format) -> None:
    """Write beside and rename, so that a file is there whole or not at all."""
    if out.is_dir() or not out.parent.is_dir():
        what = "this is a folder" if out.is_dir() else "there is no such folder"
        raise UsageError(what, where=str(out if out.is_dir() else out.parent), remedy="name a file in a folder that exists")
    beside = out.with_name(f".{out.name}.part")
    try:
        if kind == "parquet":
            rows.write_parquet(beside)
        else:
            beside.write_text(_all(rows, kind), encoding="utf-8")
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def _all(rows: pl.DataFrame, kind: Format) -> str:
    return table(rows.rows(), rows.columns) + "\n" if kind == "table" else _text(rows, kind)
