"""Tables as typed columns, from CSV and its kin, JSON, rows and arrays: the types that the run's own readers give."""

from __future__ import annotations

import csv
import datetime
import difflib
import gzip
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from .problem import PredictError, raise_all

# What stands for a missing value in a text file.
MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "?", "NaN", "nan", "-nan", "NULL", "null"})
BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
SEPARATORS = ("\t", ";", "|", ",")  # where two cut equally well the earlier: a comma may be a decimal comma
# Formats that need a library → the function of Polars that reads them.
READ = {".parquet": "read_parquet", ".pq": "read_parquet", ".arrow": "read_ipc", ".feather": "read_ipc", ".ipc": "read_ipc"}
SAMPLE = 1000  # rows that the separator is told from
_WHOLE = re.compile(r"[+-]?[0-9]+")
_FRACTION = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?([0-9]+|[0-9]*,[0-9]+)")


@dataclass(frozen=True)
class Column:
    """One column. `kind`: whole, fraction, truth, date, moment (date and time) or text; a missing value is None."""

    kind: str
    values: list[Any]

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers, not text that may be read as such."""
        return self.kind in ("whole", "fraction")


@dataclass(frozen=True)
class Table:
    """Columns by name. `lines`: each row's line in the file, for messages."""

    columns: dict[str, Column]
    lines: list[int]
    where: str

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Column:
        """A column that the model needs."""
        if name not in self.columns:
            near = difflib.get_close_matches(name, list(self.columns), n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "the columns here are " + ", ".join(self.columns)
            raise PredictError(f"there is no column {name!r}, which the model learned from", where=self.where, remedy=remedy)
        return self.columns[name]


def read_table(source: Any, *, needed: Sequence[str], published: Sequence[str] = ()) -> Table:
    """A table from a path, a list of dictionaries, a dictionary of columns, or an array (columns x0, x1, …).

    `published`: the columns' names where the training file is known to come without a header.
    """
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), needed, published)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Mapping):
        names = [str(name) for name in source]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*source.values(), strict=True)]
        return from_rows(rows, "the columns")
    if isinstance(source, Sequence) and len(source) and all(isinstance(row, Mapping) for row in source):
        return from_rows(source, "the rows")
    remedy = "give a path, a list of dictionaries, a dictionary of columns, or an array"
    raise PredictError(f"a table cannot be read from {type(source).__name__}", where="the data", remedy=remedy)


def as_float64(column: Column) -> np.ndarray:
    """float64 (row,), NaN where there is no number."""
    if column.kind == "text":
        return np.array([math.nan if value is None else _float(value.strip(BLANKS)) for value in column.values], dtype=np.float64)
    if column.kind in ("date", "moment"):
        return np.full(len(column.values), np.nan)
    return np.array([math.nan if value is None else float(value) for value in column.values], dtype=np.float64)


def as_text(column: Column) -> list[str | None]:
    """Categories as text in one spelling: 1 and 1.0 are both `1`, blanks around a word do not count."""
    if column.kind == "fraction":
        return [None if value is None else _number_text(value) for value in column.values]
    if column.kind == "truth":
        return [None if value is None else str(bool(value)).lower() for value in column.values]
    if column.kind == "moment":
        return [None if value is None else value.isoformat(sep=" ", timespec="microseconds") for value in column.values]
    return [None if value is None else str(value).strip(BLANKS) or None for value in column.values]


def from_rows(rows: Sequence[Mapping[str, Any]], where: str, lines: Sequence[int] | None = None) -> Table:
    """A table from dictionaries; a key that a row lacks is missing there. Rows are counted from 0 in messages."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(map(str, row)))
    columns = {name: _from_values([row.get(name) for row in rows]) for name in names}
    return Table(columns, list(range(len(rows)) if lines is None else lines), where)


def _number_text(value: Any) -> str:
    number = float(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 2**63:
        return str(int(number))
    written = str(value)
    if "e" not in written:
        return written
    digits, _, exponent = written.partition("e")
    return format(Decimal(written), "f") if int(exponent) == -5 else f"{digits}e{'+' if int(exponent) > 0 else '-'}{abs(int(exponent))}"


def _float(text: str) -> float:
    return float(text) if _FRACTION.fullmatch(text) else math.nan


def _from_values(values: Sequence[Any]) -> Column:
    """Numbers where all are numbers, dates where all are dates, else text; None and NaN are missing."""
    plain = [None if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)) else value for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return Column("truth", plain)
    if kinds and all(issubclass(kind, (int, np.integer)) for kind in kinds) and all(value is None or abs(int(value)) < 2**63 for value in plain):
        return Column("whole", [None if value is None else int(value) for value in plain])
    if kinds and all(issubclass(kind, (int, float, np.number)) for kind in kinds):
        return Column("fraction", [None if value is None else float(value) for value in plain])
    if kinds == {datetime.datetime}:
        return Column("moment", [None if value is None else _naive(value) for value in plain])
    if kinds == {datetime.date}:
        return Column("date", plain)
    return Column("text", [None if value is None else str(value) for value in plain])


def _naive(value: datetime.datetime) -> datetime.datetime:
    return value if value.tzinfo is None else value.astimezone(datetime.timezone.utc).replace(tzinfo=None)  # noqa: UP017 (Python 3.10 does too)


def _from_array(x: np.ndarray) -> Table:
    if x.ndim not in (1, 2) or x.dtype.kind not in "biufSU":
        remedy = "give one row an example (2 axes) of numbers or text"
        raise PredictError(f"an array of {x.ndim} axes and type {x.dtype} is no table", where="the array", remedy=remedy)
    named = {f"x{place}": x[:, place] for place in range(x.shape[1])} if x.ndim == 2 else {"value": x}
    columns = {}
    for name, values in named.items():
        if values.dtype.kind == "f":  # the values' own precision counts where they name categories
            kept = values.astype(np.float32) if values.dtype == np.float16 else values
            columns[name] = Column("fraction", [None if math.isnan(value) else value for value in kept])
        else:
            columns[name] = _from_values([value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values.tolist()])
    return Table(columns, list(range(len(x))), "the array")


def _read_file(path: Path, needed: Sequence[str], published: Sequence[str]) -> Table:
    """A file by its suffix; `.gz` is unpacked."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise PredictError(f"the file cannot be read ({error})", where=str(path), remedy="check the path") from None
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in (".npy", ".npz"):
        return _from_array(read_array(path))
    if suffix in READ:
        remedy = f"save it as CSV, as with Polars: pl.{READ[suffix]}({path.name!r}).write_csv({path.stem + '.csv'!r}); or use `sonde predict`"
        raise PredictError(f"{suffix} files are not read with NumPy alone", where=str(path), remedy=remedy)
    text = _decoded(raw, path)
    if suffix in (".json", ".jsonl", ".ndjson"):
        return _read_json(text, path, lines=suffix != ".json")
    return _read_delimited(text, path, needed, published)


def read_array(path: Path) -> np.ndarray:
    """The array of a .npy file, or the inputs of a .npz file: x, images, data or inputs, or its only array."""
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            name = next((each for each in ("x", "images", "data", "inputs") if each in loaded.files), loaded.files[0])
            found: np.ndarray = loaded[name]
            return found
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise PredictError(f"the file is damaged or no NumPy file of plain arrays ({error})", where=str(path), remedy="save it again") from None


def _decoded(raw: bytes, path: Path) -> str:
    """UTF-8 or UTF-16 by its first bytes, else UTF-8, else Windows-1252."""
    if not raw.strip():
        raise PredictError(f"the file is empty ({len(raw)} bytes)", where=str(path), remedy="copy or export it again")
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    first = next((name for mark, name in marks.items() if raw.startswith(mark)), "utf-8")
    for encoding in (first, "cp1252", "latin-1"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text[:4096]:
            return text
        break
    raise PredictError("this is not text", where=str(path), remedy="export the table as CSV in UTF-8")


def _read_json(text: str, path: Path, *, lines: bool) -> Table:
    try:
        if lines:
            numbered = [(number, json.loads(line)) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        else:
            numbered = list(enumerate(json.loads(text)))
    except (ValueError, TypeError) as error:
        raise PredictError(f"this is not JSON ({error})", where=str(path), remedy="mend the file") from None
    if not numbered or not all(isinstance(row, dict) for _, row in numbered):
        raise PredictError("these are not JSON objects", where=str(path), remedy='write one object a row: {"age": 31, "city": "Oslo"}')
    return from_rows([row for _, row in numbered], str(path), [number for number, _ in numbered])


def _read_delimited(text: str, path: Path, needed: Sequence[str], published: Sequence[str]) -> Table:
    separator = _separator(text)
    rows = _records(io.StringIO(text, newline=""), separator, path)
    usual = Counter(len(fields) for _, fields in rows).most_common(1)[0][0]
    while usual > 1 and len(rows) > 1 and len(rows[0][1]) == 1:  # titles above the table
        rows.pop(0)
    names = [name.strip(BLANKS) for name in rows[0][1]]
    if not set(needed) <= set(names) and all(re.fullmatch("column[0-9]+", name) for name in needed):
        names = [f"column{place + 1}" for place in range(usual)]  # as the run calls the columns of a file without a header
    elif usual == len(published) and not set(needed) & set(names):
        names = list(published)
    else:
        names, rows = [name or f"column{place + 1}" for place, name in enumerate(names)], rows[1:]
    wrong = [(line, len(fields)) for line, fields in rows if len(fields) != len(names) and any(field.strip() for field in fields[len(names) :] or ["x"])]
    remedy = "quote values that hold the separator; empty values count"
    raise_all([PredictError(f"the row has {n} fields, where there are {len(names)} columns", where=f"{path}, line {line}", remedy=remedy) for line, n in wrong])
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise PredictError(f"two columns are named {twice[0]!r}", where=str(path), remedy="give every column a name of its own")
    if not rows:
        raise PredictError("there is no row", where=str(path), remedy="add rows below the header")
    columns = {name: _typed([fields[place] for _, fields in rows], decimal_comma=separator != ",") for place, name in enumerate(names)}
    return Table(columns, [line for line, _ in rows], str(path))


def _typed(written: Sequence[str], *, decimal_comma: bool) -> Column:
    """Whole numbers or fractions where every value is one, else trimmed text. Whole numbers beyond 64 bits stay text."""
    trimmed = [text.strip(BLANKS) for text in written]
    text: list[Any] = [None if value in MISSING else value for value in trimmed]
    present = [value for value in text if value is not None]
    if present and all(_WHOLE.fullmatch(value) for value in present):
        whole = [None if value is None else int(value) for value in text]
        fits = all(value is None or -(2**63) <= value < 2**63 for value in whole)
        return Column("whole", whole) if fits else Column("text", text)
    if present and all(_FRACTION.fullmatch(value) for value in present):
        return Column("fraction", [None if value is None else float(value) for value in text])
    if present and decimal_comma and all(_DECIMAL_COMMA.fullmatch(value) for value in present):
        return Column("fraction", [None if value is None else float(value.replace(",", ".")) for value in text])
    return Column("text", text)


def _separator(text: str) -> str:
    """The separator that cuts most of the first rows into the same number of fields; runs of blanks where none does."""
    head = text[: 2**20].splitlines(keepends=True)
    head = (head if len(text) <= 2**20 else head[:-1])[:SAMPLE]
    best, share = ",", 0.0
    for separator in SEPARATORS:
        widths = []
        try:
            widths = [len(row) for row in csv.reader(head, delimiter=separator, strict=True, skipinitialspace=True) if row]
        except csv.Error:
            pass
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1 and times / len(widths) > share:
            best, share = separator, times / len(widths)
    words = [len(line.split()) for line in head if line.strip()]
    return " " if share < 0.5 and len(words) > 2 and len(set(words)) == 1 and words[0] > 1 else best


def _records(stream: Iterable[str], separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Every record with the line on which it begins; blank lines are left out."""
    source = (line.strip(" \r\n") for line in stream) if separator == " " else stream
    reader = csv.reader(source, delimiter=separator, strict=True, skipinitialspace=True)
    rows, line = [], 1
    try:
        for fields in reader:
            if fields and (len(fields) > 1 or fields[0].strip()):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = 'close the quote; a quote inside a quoted field is written twice ("")'
        raise PredictError(f"the row cannot be read ({error})", where=f"{path}, line {line}", remedy=remedy) from None
    return rows
