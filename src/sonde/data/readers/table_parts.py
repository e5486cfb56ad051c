"""Tables that belong together: train.csv with test.csv, adult.data with adult.test. Columns and types are made to agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import SCENES, Content, Examples, Part
from sonde.data.fingerprint import joined, of_files
from sonde.data.readers.class_folders import PART_NAMES, PARTS, check_classes
from sonde.data.readers.delimited import HEADERLESS, Table
from sonde.data.readers.leave_out import leave_out
from sonde.data.readers.tables import read_table, stem
from sonde.errors import DataError, Problem, nearest
from sonde.recipe import Data

_LISTED = 100  # values listed a column


@dataclass
class Parts:
    """Tables that agree, and what was found on the way. `target` is the column that a test file without answers lacks."""

    examples: dict[Part, Examples]
    problems: list[Problem]
    notes: list[str]
    target: str | None = None


def part_of(path: Path) -> Part | None:
    """The part that a table's name speaks of: train.csv, my_test.tsv, adult.data and adult.test."""
    if path.suffix == ".test":
        return "test"
    if path.suffix == ".data" and path.with_suffix(".test").exists():
        return "train"
    pieces = [piece for piece in re.split(r"[-_. ]", stem(path).lower()) if piece]
    found = next((PART_NAMES[piece] for piece in (pieces[-1:] + pieces[:1]) if piece in PART_NAMES), None)
    inside = {PART_NAMES[piece] for piece in pieces if piece in PART_NAMES}
    return found or (inside.pop() if len(inside) == 1 else None)


def read_tables(paths: dict[Part, Path], data: Data, *, origin: Path) -> Content:
    """The content of table files, one a part (or one file: "all").

    Raises
    ------
    DataError
        What `read_table` refuses, and parts whose columns differ.
    """
    first: Part = "all" if "all" in paths else "train"
    leading = read_table(paths[first], on_error=data.on_error)
    tables = {first: leading}
    for part, path in paths.items():
        if part != first:
            tables[part] = read_table(path, names=leading.examples.frame.columns, on_error=data.on_error)
    parts = agree(tables, {part: str(path) for part, path in paths.items()}, data)
    used = list(paths.values())
    rows = sum(len(examples) for examples in parts.examples.values())
    width = parts.examples.get("all", parts.examples.get("train", leading.examples)).frame.width
    named = f" in {', '.join(parts.examples)}" if len(parts.examples) > 1 else ""
    name = origin.resolve().name if origin.is_dir() else stem(origin)
    return Content(
        kind="table",
        origin=str(origin),
        name=name,
        reason=f"a table of {rows:,} rows and {width} columns{named}",
        parts=parts.examples,
        fingerprint=of_files(used),
        target=parts.target or _known_target(paths[first], leading),
        files=tuple(used),
        problems=tuple(parts.problems),
        notes=tuple(parts.notes),
    )


def _known_target(path: Path, table: Table) -> str | None:
    """The last column of a file that is known by name and width, as its publisher has it there."""
    names = HEADERLESS.get((stem(path), table.examples.frame.width))
    return names[-1] if names is not None and tuple(table.examples.frame.columns) == names else None


def agree(tables: dict[Part, Table], names: dict[Part, str], data: Data) -> Parts:
    """The tables with the columns, order and types of the first ("train" or "all").

    A test table that lacks nothing but the target is no part: it is for `sonde predict`, and left aside with a word.
    """
    first: Part = "all" if "all" in tables else "train"
    leading = tables[first]
    result = Parts({first: leading.examples}, list(leading.problems), _named(leading, names[first], len(tables) > 1))
    for part, table in tables.items():
        if part == first:
            continue
        result.problems += table.problems
        result.notes += _named(table, names[part], True)
        answer = _lacking_answer(leading.examples.frame, table.examples.frame, data)
        if answer is not None:
            result.notes.append(f"{_short(names[part])} has no column {answer!r}, which is to be predicted: it is left for `sonde predict`")
            if not data.target:
                result.target = answer
            continue
        problems = _differences(leading.examples.frame, table.examples.frame, names[first], names[part], data)
        frame, more = _with_columns(leading.examples.frame, table.examples.frame, names[part])
        frame, said = _full_stops(leading.examples.frame, frame, names[part])
        examples = Examples(frame, table.examples.pictures, table.examples.lines)
        examples, wrong = leave_out(examples, _types(leading.examples.frame, examples, names[part]), data.on_error)
        result.examples[part] = replace(examples, frame=_cast(leading.examples.frame, examples.frame))
        result.problems += problems + wrong
        result.notes += more + said
    if list(result.examples) == ["train"]:
        result.examples = {"all": result.examples["train"]}
    return result


def _named(table: Table, name: str, several: bool) -> list[str]:
    return [f"{_short(name)}: {note}" if several else note for note in table.notes]


def _short(name: str) -> str:
    return Path(name).name


def _lacking_answer(leading: pl.DataFrame, other: pl.DataFrame, data: Data) -> str | None:
    """The target column that the other table lacks: the one named, or the only one that it lacks."""
    missing = [name for name in leading.columns if name not in other.columns]
    for name in data.target:
        if name in missing:
            return name
    extra = [name for name in other.columns if name not in leading.columns]
    return missing[0] if not data.target and len(missing) == 1 and not extra else None


def _differences(leading: pl.DataFrame, other: pl.DataFrame, first: str, second: str, data: Data) -> list[Problem]:
    """Columns that the first table has and the other lacks, those aside that are not used."""
    used = set(data.features) | set(data.target) if data.features else set(leading.columns) - set(data.drop)
    problems = []
    for name in leading.columns:
        if name not in other.columns and name in used:
            near = nearest(name, [column for column in other.columns if column not in leading.columns])
            remedy = f"is it {near!r}? Name it as in {first}" if near else f"add it, or leave it out of both with --drop {name}"
            problems.append(Problem("error", second, f"column {name!r} of {first} is missing here", remedy))
    return problems


def _with_columns(leading: pl.DataFrame, other: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    extra = [column for column in other.columns if column not in leading.columns]
    columns = [pl.col(column) if column in other.columns else pl.lit(None, dtype=leading[column].dtype).alias(column) for column in leading.columns]
    notes = [f"{_short(name)} has columns that the training table lacks, which are left out: {', '.join(extra)}"] if extra else []
    return other.select(columns), notes


def _full_stops(leading: pl.DataFrame, other: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """Text without the full stop that every value of a column ends in here and none does there, as in Adult's test file."""
    notes = []
    for column in leading.columns:
        here, there = other[column].drop_nulls(), leading[column].drop_nulls()
        if other[column].dtype != pl.String or leading[column].dtype != pl.String or not len(here) or not len(there):
            continue
        if here.head(100).str.ends_with(".").all() and here.str.ends_with(".").all() and here.str.head(-1).is_in(there.unique().implode()).all():
            other = other.with_columns(pl.col(column).str.head(-1))
            notes.append(f"{_short(name)}: the full stop after every {column!r} was taken off, as the training table has none")
    return other, notes


def _types(leading: pl.DataFrame, examples: Examples, name: str) -> list[Problem]:
    """Text where the first table has numbers."""
    problems = []
    for column in leading.columns:
        values = examples.frame[column]
        if not leading[column].dtype.is_numeric() or values.dtype != pl.String:
            continue
        wrong = np.flatnonzero((values.is_not_null() & values.cast(pl.Float64, strict=False).is_null()).to_numpy())
        problems += [
            Problem(
                "error",
                f"{name}, line {examples.line(int(row))}, column {column!r}",
                f"{values[int(row)]!r} is text, where the training table has numbers",
                "mend the value or leave it empty; `--on-error skip` leaves the row out",
                example=int(row),
            )
            for row in wrong[:_LISTED]
        ]
        if len(wrong) > _LISTED:
            problems.append(Problem("error", f"{name}, column {column!r}", f"{len(wrong) - _LISTED:,} more values are text", "mend the column"))
    return problems


def _cast(leading: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The types of the first table, where they can hold the other's values; fractions stay fractions, text stays text."""
    casts = []
    for column in leading.columns:
        want: Any = leading[column].dtype
        have = other[column].dtype
        if want == have or (want.is_integer() and have.is_float()):
            continue
        cast = other[column].cast(want, strict=False)
        if cast.null_count() == other[column].null_count():
            casts.append(cast)
    return other.with_columns(casts)


def single(table: Table, *, origin: str, name: str, fingerprint: str, files: Sequence[Path] = ()) -> Content:
    """The content of one table."""
    frame = table.examples.frame
    return Content(
        kind="table",
        origin=origin,
        name=name,
        reason=f"a table of {frame.height:,} rows and {frame.width} columns",
        parts={"all": table.examples},
        fingerprint=fingerprint,
        files=tuple(files),
        problems=table.problems,
        notes=table.notes,
    )


def with_part(content: Content, part: Part, other: Content, data: Data) -> Content:
    """`content` with all of `other` as its validation or test part: what `--test PATH` asks for.

    Columns and types are made to agree as those of files in one folder; classes are compared.

    Raises
    ------
    DataError
        When the two are of different kinds, or `other` lacks the target.
    """
    if content.kind != other.kind:
        found = f"this is of kind {other.kind}, and {content.origin} is of kind {content.kind}"
        raise DataError(Problem("error", other.origin, found, f"give data of one kind to --{part}"))
    parts: dict[Part, Examples] = {("train" if name == "all" else name): examples for name, examples in content.parts.items()}
    if content.kind in SCENES:
        return _scenes_with(content, parts, part, other)
    tables = {name: Table(examples) for name, examples in parts.items()} | {part: Table(other.examples)}
    result = agree(tables, {**dict.fromkeys(parts, content.origin), part: other.origin}, data)
    if part not in result.examples:
        raise DataError(Problem("error", other.origin, f"there is no column to measure by ({result.target or data.target[0]})", f"give --{part} data with it"))
    problems = [*content.problems, *other.problems, *result.problems]
    if content.kind == "images" and content.target == other.target == "label":
        alone = [problem for one in (content, other) for problem in check_classes(one.parts, where=one.origin, on_error="stop")[1]]
        result.examples, joint = check_classes(result.examples, where=other.origin, on_error=data.on_error)
        problems = [problem for problem in problems if problem not in alone] + joint
    return replace(
        content,
        parts={name: result.examples[name] for name in PARTS if name in result.examples},
        reason=f"{content.reason}; {part} part: {other.reason}",
        fingerprint=joined([content.fingerprint, other.fingerprint]),
        files=(*content.files, *other.files),
        problems=tuple(problems),
        notes=(*content.notes, *other.notes, *result.notes),
    )


def _scenes_with(content: Content, parts: dict[Part, Examples], part: Part, other: Content) -> Content:
    """Pictures with places in them and all of `other` as a part: their classes are compared by name."""
    classes = parts["train"].classes
    unknown = [name for name in other.examples.classes if name not in classes]
    if content.kind == "masks" and other.examples.classes != classes:
        found = f"the masks have other classes ({', '.join(other.examples.classes[:5])}, …) than {content.origin} ({', '.join(classes[:5])}, …)"
        raise DataError(Problem("error", other.origin, found, "give both the same classes.txt or label_colors.txt"))
    if unknown:
        found = f"there are classes that {content.origin} lacks: {', '.join(unknown[:10])}"
        raise DataError(Problem("error", other.origin, found, "name the classes alike, or add training pictures of them"))
    whole = list(other.parts.values())
    if len(whole) > 1:
        found = f"these data name parts of their own ({', '.join(other.parts)})"
        raise DataError(Problem("error", other.origin, found, f"give the annotations of one part to --{part}"))
    joined_parts = parts | {part: replace(whole[0], classes=classes)}
    return replace(
        content,
        parts={name: joined_parts[name] for name in PARTS if name in joined_parts},
        reason=f"{content.reason}; {part} part: {other.reason}",
        fingerprint=joined([content.fingerprint, other.fingerprint]),
        files=(*content.files, *other.files),
        problems=(*content.problems, *other.problems),
        notes=(*content.notes, *other.notes),
    )
