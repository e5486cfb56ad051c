"""What can be wrong with the columns of a table, whatever is predicted from them."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import polars as pl

from sonde.data.checks.columns import ALMOST_ALL, MISSING_WORDS, Column, not_finite, numbers_in
from sonde.data.checks.subject import FIRST, Rows, Subject, count, quoted
from sonde.data.prepare.dates import FORMATS, as_dates, date_format
from sonde.errors import Problem

MANY_CATEGORIES = 1000  # more than these, or
CATEGORY_SHARE = 0.5  # more than this share of rows distinct: most categories are too rare to learn from
WIDE = 1e4  # 99th over 1st percentile of positive values from which a logarithm is worth a thought
PILE_SHARE, PILE_ROWS, PILE_TIMES = 0.002, 10, 5.0  # rows that share the largest value: cut-off measurements
FEW_ROWS = 50
FEW_CLASSES = 20
MISSING_NAMED = 10


def check(subject: Subject) -> list[Problem]:
    """All problems of columns, the grave ones first."""
    problems = empty(subject)
    for rows in subject.sources:
        problems += text_in_numbers(subject, rows) + infinities(subject, rows)
    if not len(subject.train):
        return problems
    problems += similar_names(subject) + unused(subject) + missing(subject) + unparsed_dates(subject)
    for column in subject.columns:
        if column.role == "feature":
            problems += sparse(subject, column) + many_categories(subject, column) + missing_words(subject, column)
            problems += similar_values(subject, column) + wide(subject, column)
        if column.role != "left-out":
            problems += piled_up(subject, column)
    return problems


def empty(subject: Subject) -> list[Problem]:
    """No examples, very few, or nothing to learn from."""
    rows, where = len(subject.train), subject.where()
    if not rows:
        return [
            Problem(
                "error", where, "there is no example to learn from", "check that the file has rows below its header, or give another path"
            )
        ]
    found = []
    if subject.content.kind == "table" and subject.targets and not subject.features:
        left = [f"{column.name} ({column.why})" for column in subject.columns if column.role == "left-out"]
        said = "; left out: " + ", ".join(left[:10]) if left else ""
        remedy = "add columns that may explain the target, or name the ones to use with --features"
        found.append(Problem("error", where, f"no column is left to learn {quoted(subject.targets)} from{said}", remedy))
    if rows < FEW_ROWS and subject.content.kind != "series":
        remedy = "gather more examples, or measure with --folds so that each one is used"
        found.append(
            Problem("note", where, f"only {count(rows, 'example')} to learn from: results will differ a lot from seed to seed", remedy)
        )
    return found


def text_in_numbers(subject: Subject, rows: Rows) -> list[Problem]:
    """Text in a column of numbers: which, where, how often; and numbers written as text that are infinite."""
    found = []
    for column in subject.columns:
        name = column.name
        if column.type != "number" or column.role == "left-out" or name not in rows.examples.frame.columns:
            continue
        if column.role == "target" and subject.classifies and column.distinct <= FEW_CLASSES:
            continue  # names of classes, some of which are numbers
        if rows.examples.frame.schema[name] not in (pl.String, pl.Categorical, pl.Enum):
            continue
        values = rows.column(name)
        numbers = numbers_in(values)
        if numbers.null_count() > values.null_count() and not subject.told(f"column {name!r}", "is text"):
            wrong = (numbers.is_null() & values.is_not_null()).arg_true().to_numpy()
            found.append(_text(subject, rows, column, values, wrong))
        infinite = numbers.is_infinite().fill_null(False).arg_true().to_numpy()
        found += _infinite(subject, rows, column, infinite)
    return found


def _text(subject: Subject, rows: Rows, column: Column, values: pl.Series, wrong: np.ndarray) -> Problem:
    words = values.cast(pl.String).gather(wrong).unique(maintain_order=True)
    said = f"{count(len(wrong), 'value')} of {len(rows) - values.null_count():,} {'is' if len(wrong) == 1 else 'are'} not a number"
    missing = all(word.strip().lower() in MISSING_WORDS for word in words)
    remedy = "leave these cells empty" if missing else "correct these cells, or leave them empty where the value is unknown"
    if column.role == "feature":
        remedy += f"; if the column holds names and not numbers, say so with `--set data.types.{column.name}=category`"
    where = f"{subject.where(rows, column=column.name)}, {subject.places(rows, wrong)}"
    return _error(
        subject, where, f"text in a column of numbers: {said}: {quoted(words.to_list())}", remedy, skippable=column.role == "feature"
    )


def infinities(subject: Subject, rows: Rows) -> list[Problem]:
    """Infinite values in columns that are used: no mean or gradient survives one."""
    frame, found = rows.examples.frame, []
    used = {column.name: column for column in subject.columns if column.role != "left-out" and column.name in frame.columns}
    for name, counts in not_finite(pl.DataFrame([frame[name] for name in used])).items():
        if counts["infinite"]:
            found += _infinite(subject, rows, used[name], frame[name].is_infinite().fill_null(False).arg_true().to_numpy())
    return found


def _infinite(subject: Subject, rows: Rows, column: Column, infinite: np.ndarray) -> list[Problem]:
    if not len(infinite):
        return []
    where = f"{subject.where(rows, column=column.name)}, {subject.places(rows, infinite)}"
    remedy = "correct these values (often a division by zero), or leave the cells empty"
    return [_error(subject, where, count(len(infinite), "infinite value"), remedy, skippable=column.role == "feature")]


def _error(subject: Subject, where: str, found: str, remedy: str, *, skippable: bool) -> Problem:
    """An error; a warning where `--on-error skip` leaves the rows out."""
    if skippable and subject.data.on_error == "skip":
        return Problem("warning", where, f"{found}; these rows are left out", remedy)
    return Problem("error", where, found, remedy)


def similar_names(subject: Subject) -> list[Problem]:
    """Columns whose names differ only in case, blanks or punctuation."""
    groups: dict[str, list[str]] = defaultdict(list)
    for column in subject.columns:
        groups[re.sub(r"[\s_.\-]+", "", column.name).casefold()].append(column.name)
    return [
        Problem(
            "warning",
            subject.where(),
            f"columns {quoted(names)} differ only in case, blanks or punctuation",
            "rename or --drop one of them",
        )
        for names in groups.values()
        if len(names) > 1
    ]


def unused(subject: Subject) -> list[Problem]:
    """Columns left out by themselves, each with a word."""
    found: list[Problem] = []
    if subject.content.kind != "table":  # there, columns beside the pictures or the series are left out by their nature
        return found
    for column in subject.columns:
        if (
            column.role != "left-out"
            or column.name in (*subject.data.drop, subject.data.id, subject.data.group)
            or column.why.startswith("not among")
        ):
            continue
        remedy = "nothing to do; --drop it to silence this"
        if column.type == "identifier":
            remedy = f"nothing to do; to learn from it all the same, say `--set data.types.{column.name}=category`"
        found.append(Problem("note", subject.where(column=column.name), f"left out: {column.why}", remedy))
    return found


def missing(subject: Subject) -> list[Problem]:
    """The columns with missing values, in one line, the most missing first."""
    lacking = [column for column in subject.features if 0 < column.missing < ALMOST_ALL * column.rows]
    if not lacking:
        return []
    lacking.sort(key=lambda column: -column.missing)
    listed = ", ".join(f"{column.name!r} {column.missing:,}" for column in lacking[:MISSING_NAMED])
    more = f" and {len(lacking) - MISSING_NAMED} more" if len(lacking) > MISSING_NAMED else ""
    said = f"{count(len(lacking), 'column')} with missing values in {lacking[0].rows:,} rows: {listed}{more}"
    remedy = "nothing to do: missing numbers take the mean and a further column says so; missing categories are one of their own"
    return [Problem("note", subject.where(), said, remedy)]


def sparse(subject: Subject, column: Column) -> list[Problem]:
    """A column that is almost all missing."""
    if column.rows and column.missing / column.rows >= ALMOST_ALL:
        found = f"{column.missing:,} of {column.rows:,} values are missing ({column.missing / column.rows:.1%})"
        return [Problem("note", subject.where(column=column.name), found, "--drop it unless that a value is there at all tells something")]
    return []


def many_categories(subject: Subject, column: Column) -> list[Problem]:
    """More categories than can be learned."""
    present = column.rows - column.missing
    if column.type != "category" or not (
        column.distinct > MANY_CATEGORIES or (column.distinct > 100 and column.distinct > CATEGORY_SHARE * present)
    ):
        return []
    found = f"{column.distinct:,} different categories in {count(present, 'value')}: most are too rare to learn from"
    remedy = "rare ones count as one; if a part of the value repeats (a letter, a district), make it a column of its own"
    return [Problem("note", subject.where(column=column.name), found, remedy)]


def missing_words(subject: Subject, column: Column) -> list[Problem]:
    """Words that mean "missing" among the categories."""
    if column.type != "category" or column.values.dtype != pl.String:
        return []
    words = [word for word in column.values.drop_nulls().unique(maintain_order=True) if word.strip().lower() in MISSING_WORDS]
    if not words:
        return []
    rows = int(column.values.is_in(words).sum())
    found = f"{quoted(words)} ({count(rows, 'row')}) reads like a missing value, but is taken as a category"
    remedy = "leave the cell empty where the value is unknown; keep it where the word means something"
    return [Problem("note", subject.where(column=column.name), found, remedy)]


def spelled_alike(values: pl.Series) -> list[list[str]]:
    """Groups of texts that differ only in case or blanks, each with the most frequent form first."""
    if values.dtype != pl.String:
        return []
    counts = values.drop_nulls().alias("value").value_counts(sort=True, name="count")
    if counts.height > 20_000:
        return []
    groups: dict[str, list[str]] = defaultdict(list)
    for value in counts["value"]:
        groups[" ".join(value.split()).casefold()].append(value)
    return [group for group in groups.values() if len(group) > 1]


def similar_values(subject: Subject, column: Column) -> list[Problem]:
    """Categories that differ only in case or blanks."""
    if column.type != "category":
        return []
    groups = spelled_alike(column.values.str.strip_chars()) if column.values.dtype == pl.String else []  # as the encoder does
    if not groups:
        return []
    said = "; ".join(quoted(sorted(group)) for group in groups[:3]) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
    found = f"categories that differ only in case or blanks count as different: {said}"
    return [Problem("warning", subject.where(column=column.name), found, "write each category in one way")]


def wide(subject: Subject, column: Column) -> list[Problem]:
    """Positive numbers over several powers of ten."""
    if column.type != "number" or not column.values.dtype.is_numeric():
        return []
    values = column.values.drop_nulls().cast(pl.Float64).to_numpy()
    values = values[np.isfinite(values)]
    if values.size < 20 or values.min() < 0 or not (positive := values[values > 0]).size:
        return []
    low, high = np.quantile(positive, [0.01, 0.99])
    if positive.size < 20 or high < WIDE * low:
        return []
    found = f"positive values over {np.log10(high) - np.log10(low):.0f} powers of ten (1 % are under {low:.3g}, 1 % over {high:.3g})"
    return [
        Problem("note", subject.where(column=column.name), found, "nothing to do: its logarithm is taken where that makes it less skewed")
    ]


def piled_up(subject: Subject, column: Column) -> list[Problem]:
    """Many rows at exactly the largest value: measurements that were cut off there."""
    if column.type != "number" or column.distinct < 30 or not column.values.dtype.is_numeric():
        return []
    largest = column.figures.get("max")
    values = column.values.drop_nulls().cast(pl.Float64).to_numpy()
    if largest is None or not values.size:
        return []
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(distinct) < 10 or distinct[-1] != largest:
        return []
    piled, below = int(counts[-1]), float(np.mean(counts[-6:-1]))
    if piled < max(PILE_ROWS, PILE_SHARE * len(values)) or piled < PILE_TIMES * below:
        return []
    found = f"{piled:,} of {len(values):,} values are exactly {largest:.10g}, the largest: larger ones may have been cut off there"
    remedy = "leave such rows out, or read results near that value with care"
    if column.role != "target":
        remedy = "ask where the column comes from; nothing else to do"
    return [Problem("note", subject.where(column=column.name), found, remedy)]


def unparsed_dates(subject: Subject) -> list[Problem]:
    """Dates written as text: not all in one form, or with day and month that cannot be told apart."""
    found = []
    for column in subject.columns:
        if column.type == "date" and column.values.dtype == pl.String and column.role != "left-out":
            found += _unparsed(subject, subject.sources[0], column)
    return found


def _unparsed(subject: Subject, rows: Rows, column: Column) -> list[Problem]:
    values = rows.column(column.name).str.strip_chars()
    where, remedy = subject.where(rows, column=column.name), "write all dates as YYYY-MM-DD, such as 2021-01-26"
    form = date_format(values)
    if form is not None:
        twin = form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        if twin == form or not form.startswith(("%m", "%d")) or as_dates(values, twin) is None or _unread(values, twin).size:
            return []
        first = "month" if form.startswith("%m") else "day"
        said = f"dates such as {values.drop_nulls()[0]!r}: day and month cannot be told apart; the {first} is taken to come first"
        return [Problem("warning", where, said, remedy)]
    form = min(FORMATS, key=lambda form: _unread(values.head(1000), form).size)
    wrong = _unread(values, form)
    said = f"{count(len(wrong), 'value')} of {len(values) - values.null_count():,} cannot be read as dates"
    like = values.gather(np.setdiff1d(values.is_not_null().arg_true().to_numpy(), wrong)[:1]).to_list()
    said += (f" like {like[0]!r}" if like else "") + f": {quoted(values.gather(wrong[:FIRST]).to_list())}"
    return [Problem("warning", f"{where}, {subject.places(rows, wrong)}", said, remedy)]


def _unread(values: pl.Series, form: str) -> np.ndarray:
    """Rows with a text that `form` does not fit."""
    dates = as_dates(values, form)
    assert dates is not None
    return (dates.is_null() & values.is_not_null()).arg_true().to_numpy()
