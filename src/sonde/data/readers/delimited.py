"""CSV and its kin (tabs, semicolons, bars, blanks), read with care: every complaint names its line.

The record syntax is RFC 4180's, read by Python's csv module; large files go through `large_csv` instead, and come back
here only to say on which line they are wrong.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from sonde.data.contents import Examples
from sonde.data.readers.encodings import decoded
from sonde.data.readers.leave_out import OnError, leave_out
from sonde.data.readers.values import MISSING, is_number, typed
from sonde.errors import DataError, Problem

SEPARATORS = ("\t", ";", "|", ",")  # where two cut equally well the earlier: a comma may be a decimal comma
SAMPLE = 1000  # rows that separator and header are told from
LISTED = 1000  # ragged rows listed at most

# Known files that come without a header: (stem, columns) → names. Adult: UCI Machine Learning Repository, adult.names.
HEADERLESS: dict[tuple[str, int], tuple[str, ...]] = {
    ("adult", 15): (
        "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
        "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """How a file is written: what separates fields, whether quotes have a meaning."""

    separator: str
    quoted: bool = True


@dataclass
class Rows:
    """The records of a file and the line on which each begins, counted from 1."""

    fields: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """What one table file gives."""

    examples: Examples
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    header: bool = True


def read_delimited(raw: bytes, *, where: str, stem: str = "", names: Sequence[str] | None = None, on_error: OnError = "stop") -> Table:
    """The table that some bytes hold.

    `stem` is the file's name without suffixes (known headerless files are told by it); `names` are the columns' names
    where there is no header, such as those of the file it belongs to.

    Raises
    ------
    DataError
        An empty file, a quote that is not closed, no separator, duplicate columns, a header of another width than the
        rows. Ragged rows are problems of the table instead, as they can be left out.
    """
    text, notes = decoded(raw, where, on_error)
    dialect = sniff(text, where)
    rows, dialect, more = _records(text, dialect, where)
    notes += more
    head = read_head(rows, where=where, stem=stem, names=names)
    notes += head.notes
    fields, lines = rows.fields[head.above :], rows.lines[head.above :]
    if not fields:
        raise DataError(Problem("error", where, "there is a header but no row below it", "add rows"))
    problems = head.problems + _ragged(fields, lines, head.columns, where)
    frame = _frame(fields, head.columns, decimal_comma=dialect.separator != ",")
    if head.header is not None:
        frame, more = without_unnamed(frame, head.header)
        notes += more
    plain = lines[0] == 2 and lines[-1] == len(lines) + 1
    examples = Examples(frame, lines=None if plain else np.asarray(lines, dtype=np.int64))
    examples, problems = leave_out(examples, problems, on_error)
    return Table(examples, tuple(problems), tuple(notes), head.header is not None)


def sniff(text: str, where: str) -> Dialect:
    """The separator: the one that cuts most of the first rows into the same number of fields.

    Where none does: runs of blanks, when every row has as many words; none at all, when hardly a row has two words.

    Raises
    ------
    DataError
        When the text is no table.
    """
    head = _first_lines(text)
    best, share = ",", 0.0
    for separator in SEPARATORS:
        widths = _widths(head, Dialect(separator))
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1 and times / len(widths) > share:
            best, share = separator, times / len(widths)
    words = [len(line.split()) for line in head if line.strip()]
    if share >= 0.5 or sum(count == 1 for count in words) >= 0.9 * len(words):
        return Dialect(best)
    if len(words) > 2 and len(set(words)) == 1:
        return Dialect(" ")
    if not any(separator in line for line in head for separator in SEPARATORS):  # one column of text
        return Dialect(best)
    found = "no comma, tab, semicolon, bar or blank cuts the lines into the same columns throughout"
    raise DataError(Problem("error", where, found, "export the table as CSV, quoting text that holds commas"))


def _first_lines(text: str) -> list[str]:
    lines = text[: 2**20].splitlines(keepends=True)
    return lines[:SAMPLE] if len(text) <= 2**20 else lines[:-1][:SAMPLE]


def _widths(lines: Sequence[str], dialect: Dialect) -> list[int]:
    """Numbers of fields of the rows, up to the first that is wrongly quoted."""
    return [len(row) for row in first_records(lines, dialect).fields]


def first_records(lines: Iterable[str], dialect: Dialect) -> Rows:
    """The records up to the first that is wrongly quoted or cut off, blank lines left out."""
    rows = Rows()
    try:
        for line, row in numbered(lines, dialect):
            if not is_blank(row):
                rows.fields.append(row)
                rows.lines.append(line)
    except csv.Error:
        pass
    return rows


def numbered(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line on which it begins, blank lines too."""
    source = (line.strip(" \r\n") for line in lines) if dialect.separator == " " else lines
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    # a blank after a separator is passed over, so that ` "a, b"` is one field and runs of blanks are one separator
    reader = csv.reader(source, delimiter=dialect.separator, quoting=quoting, strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"{error}", line) from None


def is_blank(row: Sequence[str]) -> bool:
    """Whether a record is a blank line."""
    return not row or (len(row) == 1 and not row[0].strip())


def _records(text: str, dialect: Dialect, where: str) -> tuple[Rows, Dialect, list[str]]:
    """All records. Quotes of a tab-separated file are letters, which is said, when every line by itself is a whole row and quotes would join some."""
    if dialect.separator == "\t" and '"' in text:
        plain = Dialect(dialect.separator, quoted=False)
        letters = first_records(io.StringIO(text, newline=""), plain)
        if len(set(map(len, letters.fields))) == 1 and len(first_records(io.StringIO(text, newline=""), dialect).fields) < len(letters.fields):
            return letters, plain, ["quotes do not pair within lines, so they are read as letters"]
    return records(io.StringIO(text, newline=""), dialect, where), dialect, []


def records(stream: Iterable[str], dialect: Dialect, where: str) -> Rows:
    """The records of a file, blank lines left out.

    Raises
    ------
    DataError
        Where a quote is not closed or text follows a closing quote; the line is that on which the record begins.
    """
    rows = Rows()
    try:
        for line, row in numbered(stream, dialect):
            if not is_blank(row):
                rows.fields.append(row)
                rows.lines.append(line)
    except csv.Error as error:
        raise quote_error(error, where) from None
    return rows


def quote_error(error: csv.Error, where: str) -> DataError:
    """What the csv module's complaint about quotes means; its second argument is the line."""
    said, line = error.args
    if "unexpected end" in said:
        found = "a quote opened in this row is never closed"
    elif "field larger" in said:
        found = f"a value of this row is longer than {csv.field_size_limit():,} characters; is a quote not closed?"
    elif "expected after" in said:
        found = "text follows a closing quote"
    else:
        found = f"the row cannot be read ({said})"
    return DataError(Problem("error", f"{where}, line {line}", found, 'close the quote; a quote inside a quoted field is written twice ("")'))


@dataclass(frozen=True)
class Head:
    """What stands above the rows: `above` counts the records there, the header (None: there is none) included."""

    columns: list[str]
    header: list[str] | None
    above: int
    notes: list[str]
    problems: list[Problem]


def read_head(rows: Rows, *, where: str, stem: str, names: Sequence[str] | None) -> Head:
    """Titles passed over, the header told from a row, columns named."""
    skipped = _preamble(rows.fields)
    notes = [f"line {rows.lines[i]} ({rows.fields[i][0][:40]!r}) is no row of the table and was passed over" for i in range(skipped)]
    fields = rows.fields[skipped:]
    header = fields[0] if has_header(fields) else None
    line = rows.lines[skipped]
    columns, said, problems = column_names(header, fields, where=f"{where}, line {line}", stem=stem, names=names)
    return Head(columns, header, skipped + (header is not None), notes + said, problems)


def _usual_width(fields: Sequence[list[str]]) -> int:
    return Counter(map(len, fields)).most_common(1)[0][0]


def _preamble(fields: Sequence[list[str]]) -> int:
    """How many leading rows of one field stand above a table of several columns: titles and comments."""
    usual = _usual_width(fields)
    count = 0
    while usual > 1 and count < min(10, len(fields) - 1) and len(fields[count]) == 1:
        count += 1
    return count


def has_header(fields: Sequence[list[str]]) -> bool:
    """Whether the first row names columns.

    It does where it has text above numbers; it does not where it has numbers, or where most of its words stand among
    the repeated words below them too.
    """
    first, body = fields[0], fields[1 : SAMPLE + 1]
    if not body:
        return not any(is_number(value) for value in first)
    numbers, words, repeated = 0, 0, 0
    for place, value in enumerate(text.strip() for text in first):
        below = [row[place].strip() for row in body if len(row) > place and row[place].strip() not in MISSING]
        if not below or value in MISSING:
            continue
        if sum(map(_floats, below)) >= 0.9 * len(below):
            if not _floats(value):
                return True
            numbers += 1
        else:
            words += 1
            repeated += value in below and len(set(below)) < len(below)
    return numbers == 0 and (words == 0 or repeated * 2 < words)


def _floats(value: str) -> bool:
    try:
        float(value.replace(",", "."))
    except ValueError:
        return False
    return True


def column_names(
    header: list[str] | None, fields: Sequence[list[str]], *, where: str, stem: str, names: Sequence[str] | None
) -> tuple[list[str], list[str], list[Problem]]:
    """Names, notes and warnings. Raises DataError for duplicate names and a header of another width than the rows."""
    if header is None:
        width = _usual_width(fields)
        if names is not None and len(names) == width:
            return list(names), ["there is no header; the columns are named as in the training file"], []
        if (stem, width) in HEADERLESS:
            return list(HEADERLESS[stem, width]), ["there is no header; the columns are named as the publisher names them"], []
        made = [f"column{place + 1}" for place in range(width)]
        shown = ", ".join(value.strip() for value in fields[0][:4])
        found = f"the first line looks like a row ({shown}{', …' if width > 4 else ''}), so there is no header"
        remedy = f"the columns are called {made[0]} to {made[-1]}; put a line of names on top to name them"
        return made, [], [Problem("warning", where, found, remedy)]
    given = [name.strip() for name in header]
    if len(fields) > 1:
        usual = Counter(_filled_width(row, len(given)) for row in fields[1 : SAMPLE + 1]).most_common(1)[0][0]
        if usual != len(given):
            found = f"the header has {len(given)} names, but the rows have {usual} fields"
            raise DataError(Problem("error", where, found, "name every column once; quote names that hold the separator"))
    duplicates = [name for name, times in Counter(filter(None, given)).items() if times > 1]
    if duplicates:
        places = {name: [str(place + 1) for place, other in enumerate(given) if other == name] for name in duplicates}
        said = "; ".join(f"columns {' and '.join(places[name])} are all named {name!r}" for name in duplicates)
        raise DataError(Problem("error", where, said, "give every column a name of its own"))
    return [name or _free(f"column{place + 1}", given) for place, name in enumerate(given)], [], []


def _filled_width(row: Sequence[str], width: int) -> int:
    """A row's number of fields; separators at the end of the line do not count."""
    return width if len(row) > width and not any(value.strip() for value in row[width:]) else len(row)


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _ragged(fields: list[list[str]], lines: Sequence[int], columns: Sequence[str], where: str) -> list[Problem]:
    """Makes every row as wide as the columns, in place, and says which were not."""
    width = len(columns)
    problems: list[Problem] = []
    wrong = 0
    for row, (values, line) in enumerate(zip(fields, lines, strict=True)):
        if len(values) == width:
            continue
        fields[row] = (values + [""] * width)[:width]
        if _filled_width(values, width) == width:
            continue
        wrong += 1
        if wrong <= LISTED:
            problems.append(ragged_row(where, line, len(values), width, row, span=(lines[row + 1] if row + 1 < len(lines) else line + 1) - line))
    if wrong * 2 > len(fields) and len(fields) > 2:
        found = f"{wrong:,} of {len(fields):,} rows do not have {width} fields"
        raise DataError([Problem("error", where, found, "check the separator and the quotes, or export the table again"), *problems[:3]])
    if wrong > LISTED:
        problems.append(Problem("error", where, f"{wrong - LISTED:,} more rows do not have {width} fields", "export the table again"))
    return problems


def ragged_row(where: str, line: int, fields: int, width: int, row: int, span: int = 1) -> Problem:
    """The complaint about a row that is too long or too short."""
    found = f"the row has {fields} field{'s' if fields != 1 else ''}, where there are {width} columns"
    if span > 20:
        found += f"; it goes on over {span} lines, so a quote may not be closed"
    remedy = "quote values that hold the separator" if fields > width else "add the missing values (empty ones count)"
    return Problem("error", f"{where}, line {line}", found, f"{remedy}; `--on-error skip` leaves such rows out", example=row)


def _frame(fields: Sequence[list[str]], columns: Sequence[str], *, decimal_comma: bool) -> pl.DataFrame:
    written = zip(*fields, strict=True)
    named = zip(columns, written, strict=True)
    return pl.DataFrame([typed(pl.Series(name, values, dtype=pl.String), decimal_comma=decimal_comma) for name, values in named])


def without_unnamed(frame: pl.DataFrame, header: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """The table without columns that have neither name nor values, such as separators at the line's end make."""
    empty = [name for name, given in zip(frame.columns, header, strict=True) if not given.strip() and frame[name].null_count() == frame.height]
    unnamed = [name for name, given in zip(frame.columns, header, strict=True) if not given.strip() and name not in empty]
    return frame.drop(empty), [f"a column without a name is called {', '.join(unnamed)}"] if unnamed else []
