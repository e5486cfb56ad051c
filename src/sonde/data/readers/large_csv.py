"""CSV files too large to be read with care: parsed by Polars' streaming engine, above 256 MB into a file that is then
memory-mapped (`arrow_map`), so that a table may be larger than memory.

Types are told from samples all over the file. A value that does not fit (a fraction among whole numbers, a word among
numbers) makes its column wider and the file is parsed again: no value is dropped. What Polars passes over in silence
(rows that are too short, blank lines) or refuses without naming a line is looked for with the csv module.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.data.fingerprint import of_files
from sonde.data.readers.arrow_map import map_frame
from sonde.data.readers.cache import cache_folder, kept
from sonde.data.readers.delimited import (
    LISTED,
    Dialect,
    Table,
    first_records,
    is_blank,
    numbered,
    quote_error,
    ragged_row,
    read_head,
    sniff,
    without_unnamed,
)
from sonde.data.readers.encodings import decoded
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.values import MISSING, WHOLE, trimmed, typed
from sonde.errors import DataError, Problem

MAPPED = 256 * 2**20  # larger files are parsed into a memory-mapped file
_HEAD, _BLOCKS, _BLOCK = 2**20, 64, 64 * 2**10  # bytes sampled at the beginning; blocks all over the file, bytes of each
_VERSION = 1  # of the files made here
_ROW = "\0row"


@dataclass(frozen=True)
class _Plan:
    """How to parse a file: `above` lines are passed over, and rows `left_out`; columns `as_text` are parsed as text, then trimmed and cast."""

    path: Path
    dialect: Dialect
    header: list[str] | None
    above: int
    types: dict[str, Any]
    marks: tuple[str, ...] = ()  # of missing values among numbers
    unseen: tuple[str, ...] = ()  # columns without a value in the sample, taken for whole numbers till values say otherwise
    as_text: frozenset[str] = frozenset()
    left_out: tuple[int, ...] = ()

    @property
    def decimal_comma(self) -> bool:
        return self.dialect.separator != ","

    def text(self) -> pl.LazyFrame:
        """All columns as they are written."""
        return self._scan(dict.fromkeys(self.types, pl.String))

    def query(self) -> pl.LazyFrame:
        """The table."""
        scan = self._scan({name: pl.String if name in self.as_text else dtype for name, dtype in self.types.items()})
        texts = [name for name in self.types if name in self.as_text or self.types[name] == pl.String]
        return scan.with_columns(self._cast(trimmed(pl.col(name)), self.types[name]).alias(name) for name in texts)

    def _cast(self, text: pl.Expr, dtype: Any) -> pl.Expr:
        if dtype == pl.String:
            return text
        return (text.str.replace(",", ".", literal=True) if self.decimal_comma else text).cast(dtype, strict=False)

    def _scan(self, types: dict[str, Any]) -> pl.LazyFrame:
        scan = pl.scan_csv(
            self.path,
            has_header=False,
            separator=self.dialect.separator,
            quote_char='"' if self.dialect.quoted else None,
            skip_lines=self.above,
            schema=types,
            null_values=self.marks or None,
            truncate_ragged_lines=bool(self.left_out),
        )
        if not self.left_out:
            return scan
        return scan.with_row_index(_ROW).filter(~pl.col(_ROW).is_in(list(self.left_out))).drop(_ROW)


@dataclass
class _Faults:
    """What the csv module finds: rows to pass over, complaints, and each row's line where rows and lines do not go together."""

    blank: list[int] = field(default_factory=list)
    ragged: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lines: np.ndarray | None = None


def read_large_csv(path: Path, *, stem: str = "", names: Sequence[str] | None = None, on_error: OnError = "stop") -> Table:
    """The table in a large file; arguments and refusals are those of `read_delimited`."""
    with path.open("rb") as stream:
        wide = stream.read(2) in (b"\xff\xfe", b"\xfe\xff")
    try:
        return _read(_in_utf8(path, "utf-16") if wide else path, path, [], stem=stem, names=names, on_error=on_error)
    except UnicodeDecodeError as error:
        note = f"the file is not UTF-8 (byte {error.object[error.start]:#04x}), so it was read as Windows-1252"
        return _read(_in_utf8(path, "cp1252"), path, [note], stem=stem, names=names, on_error=on_error)


def _in_utf8(path: Path, encoding: str) -> Path:
    """A copy in UTF-8, in the cache."""

    def write(to: Path) -> None:
        with path.open(encoding=encoding, errors="replace", newline="") as source, to.open("w", encoding="utf-8", newline="") as target:
            while piece := source.read(2**20):
                target.write(piece)

    return kept(f"tables/{of_files([path])[:32]}-{encoding}.csv", write)


def _read(source: Path, path: Path, notes: list[str], *, stem: str, names: Sequence[str] | None, on_error: OnError) -> Table:
    """`source` is parsed, `path` is what messages name."""
    plan, said, problems = _look(source, str(path), stem, names)
    notes += said
    if path.stat().st_size <= MAPPED:
        query, faults = _parse(plan, lambda query: query.collect(engine="streaming").lazy(), str(path), on_error)
        frame = query.collect()
    else:
        frame, faults = _mapped(plan, path, on_error)
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in plan.unseen if frame[name].null_count() == frame.height)
    if plan.header is not None:
        frame, said = without_unnamed(frame, plan.header)
        notes += said
    lines = faults.lines
    if lines is None and plan.above != 1:
        lines = np.arange(plan.above + 1, plan.above + 1 + frame.height)
    return Table(Examples(frame, lines=lines), (*problems, *faults.problems), tuple(notes), plan.header is not None)


def _mapped(plan: _Plan, path: Path, on_error: OnError) -> tuple[pl.DataFrame, _Faults]:
    """The table in a file of the cache; what was found while it was made is kept beside it."""
    key = hashlib.sha256(repr((_VERSION, pl.__version__, of_files([path]), plan, on_error)).encode()).hexdigest()[:32]
    beside = cache_folder() / f"tables/{key}"

    def write(to: Path) -> None:
        def sink(query: pl.LazyFrame) -> pl.LazyFrame:
            query.sink_ipc(to, compression="uncompressed")
            return pl.scan_ipc(to)

        faults = _parse(plan, sink, str(path), on_error)[1]
        if faults.lines is not None:
            np.save(beside.with_suffix(".npy"), faults.lines)
        said = [dataclasses.asdict(problem) for problem in faults.problems]
        beside.with_suffix(".json").write_text(json.dumps(said), encoding="utf-8")

    file = kept(f"tables/{key}.arrow", write)
    said = json.loads(beside.with_suffix(".json").read_text(encoding="utf-8"))
    lines = np.load(beside.with_suffix(".npy"), mmap_mode="r", allow_pickle=False) if beside.with_suffix(".npy").exists() else None
    return map_frame(file), _Faults(problems=[Problem(**problem) for problem in said], lines=lines)


def _look(path: Path, where: str, stem: str, names: Sequence[str] | None) -> tuple[_Plan, list[str], list[Problem]]:
    """How to parse the file, from its beginning and from blocks all over it."""
    with path.open("rb") as stream:
        start = stream.read(_HEAD)
    start = start[: start.rfind(b"\n") + 1] or start
    start.decode("utf-8-sig")  # raises UnicodeDecodeError where the file is not UTF-8
    text, notes = decoded(start, where)
    dialect = sniff(text, where)
    rows = first_records(text.splitlines(keepends=True), dialect)
    head = read_head(rows, where=where, stem=stem, names=names)
    if len(rows.fields) == head.above:
        raise DataError(Problem("error", where, "no row can be read below the header", "check the quotes; export the table again"))
    width = len(head.columns)
    body = [row for row in rows.fields[head.above :] + _sample(path, dialect) if len(row) == width]
    types: dict[str, Any] = {}
    as_text, marks, unseen = set(), set(), []
    for name, values in zip(head.columns, zip(*body, strict=True), strict=True):
        written = pl.Series(name, values, dtype=pl.String)
        column = typed(written, decimal_comma=dialect.separator != ",")
        types[name] = column.dtype
        if column.null_count() == len(column):
            types[name] = pl.Int64
            unseen.append(name)
        if column.dtype == pl.Float64 and written.str.contains(",", literal=True).any():
            as_text.add(name)
        if types[name] != pl.String:  # Polars does not pass over blanks before a mark, the csv module does
            marks |= {form for value in values if value and value in MISSING for form in (value, f" {value}")}
    plan = _Plan(path, dialect, head.header, rows.lines[head.above] - 1, types, tuple(sorted(marks)), tuple(unseen), frozenset(as_text))
    return plan, notes + head.notes, head.problems


def _sample(path: Path, dialect: Dialect) -> list[list[str]]:
    """Rows from blocks all over the file. A block that begins within quotes gives rows of other widths, which are not used."""
    size = path.stat().st_size
    rows: list[list[str]] = []
    with path.open("rb") as stream:
        for offset in np.linspace(_HEAD, max(_HEAD, size - _BLOCK), _BLOCKS).astype(np.int64):
            stream.seek(int(offset))
            lines = stream.read(_BLOCK).decode("utf-8", "replace").split("\n")[1:-1]
            rows += first_records(lines, dialect).fields
    return rows


def _parse(
    plan: _Plan, write: Callable[[pl.LazyFrame], pl.LazyFrame], where: str, on_error: OnError
) -> tuple[pl.LazyFrame, _Faults]:
    """The table, by `write`, which carries out a query; a second time where types or rows were not as thought."""
    failed = False
    result = plan.query()
    try:
        result = write(result)
        if not _suspicious(result, plan):
            return result, _Faults()
    except pl.exceptions.PolarsError:
        failed = True
    faults = _search(plan, where)
    if faults.ragged and on_error == "stop":
        raise DataError(faults.problems)
    faults.problems = [dataclasses.replace(problem, level="warning", found=f"{problem.found}; left out", example=None) for problem in faults.problems]
    plan = dataclasses.replace(plan, left_out=tuple(sorted(faults.blank + faults.ragged)))
    if not failed and not plan.left_out:
        return result, faults
    try:
        return write((_widened(plan) if failed else plan).query()), faults
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        raise DataError(Problem("error", where, f"the file cannot be parsed ({said})", "export the table again, or as Parquet")) from None


def _suspicious(result: pl.LazyFrame, plan: _Plan) -> bool:
    """Whether rows may be too short (their last column is then missing), blank, or swallowed by a quote that is not closed."""
    texts = [name for name, dtype in plan.types.items() if dtype == pl.String]
    broken = [pl.col(name).str.contains("\n", literal=True).any() for name in texts]
    last = pl.col(list(plan.types)[-1]).null_count()
    rows, missing, *newlines = result.select(pl.len(), last.alias("\0last"), *broken).collect(engine="streaming").row(0)
    if not missing:
        return any(newlines)
    if len(plan.types) == 1:
        return True  # a blank line has as many separators as any other
    quotes, separators = _count(plan.path, (b'"', plan.dialect.separator.encode()), plan.above)
    return bool(quotes) or separators != rows * (len(plan.types) - 1)


def _count(path: Path, marks: Sequence[bytes], above: int) -> list[int]:
    """How often each byte stands in a file, its first lines aside."""
    counts = [0] * len(marks)
    with path.open("rb") as stream:
        for _ in range(above):
            stream.readline()
        while piece := stream.read(2**24):
            values = np.frombuffer(piece, dtype=np.uint8)
            counts = [count + int(np.count_nonzero(values == mark[0])) for count, mark in zip(counts, marks, strict=True)]
    return counts


def _search(plan: _Plan, where: str) -> _Faults:
    """Reads the file as the csv module does, line by line. Raises DataError for quotes, UnicodeDecodeError for bytes that are not UTF-8."""
    faults = _Faults()
    width = len(plan.types)
    lines = array("q")
    row = 0
    with plan.path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            for _ in range(plan.above):
                stream.readline()
            for line, values in numbered(stream, plan.dialect):
                line += plan.above
                if is_blank(values):
                    faults.blank.append(row)
                elif len(values) != width and (len(values) < width or any(value.strip() for value in values[width:])):
                    faults.ragged.append(row)
                    if len(faults.ragged) <= LISTED:
                        faults.problems.append(ragged_row(where, line, len(values), width, row))
                else:
                    lines.append(line)
                row += 1
        except csv.Error as error:
            raise quote_error(csv.Error(error.args[0], error.args[1] + plan.above), where) from None
    if len(faults.ragged) > LISTED:
        found = f"{len(faults.ragged) - LISTED:,} more rows do not have {width} fields"
        faults.problems.append(Problem("error", where, found, "export the table again"))
    numbers = np.frombuffer(lines, dtype=np.int64)
    plain = len(numbers) == 0 or numbers[-1] - plan.above == len(numbers)
    faults.lines = None if plain else numbers
    return faults


def _widened(plan: _Plan) -> _Plan:
    """The plan with every column as wide as its values ask for."""
    checks = []
    narrow = [name for name, dtype in plan.types.items() if dtype != pl.String]
    for place, name in enumerate(narrow):
        text = trimmed(pl.col(name))
        dotted = text.str.replace(",", ".", literal=True) if plan.decimal_comma else text
        checks += [
            (text.is_not_null() & text.cast(pl.Int64, strict=False).is_null()).any().alias(f"{place} not whole"),
            (text.is_not_null() & dotted.cast(pl.Float64, strict=False).is_null()).any().alias(f"{place} not a number"),
            text.str.contains(WHOLE).all().alias(f"{place} digits"),
            text.is_not_null().any().alias(f"{place} values"),
        ]
    found = plan.text().select(checks).collect(engine="streaming").row(0, named=True)
    types = dict(plan.types)
    for place, name in enumerate(narrow):
        if not found[f"{place} values"]:
            types[name] = pl.String
        elif found[f"{place} not whole"]:
            named_by_digits = found[f"{place} digits"]
            types[name] = pl.String if found[f"{place} not a number"] or named_by_digits else pl.Float64
    return dataclasses.replace(plan, types=types, as_text=frozenset(narrow))
