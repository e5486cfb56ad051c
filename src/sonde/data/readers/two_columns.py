"""Two columns of text, one tab a line: sentences with labels, or with their translations; and tables that hold such columns.

Where one column has at most LABELS distinct values, which come again, these are labels; else the lines are pairs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers import text_files
from sonde.data.readers.encodings import texts
from sonde.data.readers.filled_rows import NAMED, filled
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.row_files import CHUNK, Pieces, mapped_rows
from sonde.data.readers.text_files import TextFile, even_ends
from sonde.data.readers.values import typed
from sonde.errors import DataError, Problem, did_you_mean
from sonde.recipe import Data

LABELS: Final = 100
WORDS: Final = 2.5  # words of a value on average from which a column is text and not names
SAMPLE: Final = 2_000  # rows by which it is told what columns hold
EVEN: Final = 0.98  # of the first lines: the others are mistakes
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_SENTENCE_END = r"[.!?…。！？]\W*$"


def is_two_columns(head: bytes) -> bool:
    """Whether the first lines of a file, nearly all, hold one tab each, and one of their columns text."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:-1] or [head.decode("utf-8", "replace")] if line.strip()]
    cut = [line.split("\t") for line in lines if line.count("\t") == 1]
    if not cut or len(cut) < EVEN * len(lines):
        return False
    columns = list(zip(*cut, strict=True))
    return any(is_prose(pl.Series(column[1:] if len(column) > 1 else column)) for column in columns)


def is_prose(values: pl.Series) -> bool:
    """Whether a column holds text to read: words, more than a name has, in values that mostly differ."""
    if values.dtype != pl.String:
        return False
    present = values.head(SAMPLE).drop_nulls()
    present = present.filter(present.str.contains(r"\p{L}"))
    if not len(present) or 2 * len(present) < min(len(values), SAMPLE):
        return False
    words = present.str.strip_chars().str.count_matches(r"\S+").mean()
    many = present.n_unique() * 2 > len(present) or len(present) < 10
    # A sentence in a script without blanks is one "word" of many letters; short ones of other scripts end as sentences do.
    ended = present.str.contains(_SENTENCE_END).mean()
    return many and (float(words or 0.0) >= WORDS or float(ended or 0.0) > 0.5)  # type: ignore[arg-type]


def read_two_columns(files: Mapping[Part, TextFile], data: Data, *, origin: Path) -> Content:
    """Lines of two columns, one file a part (or one: "all").

    Raises
    ------
    DataError
        Lines without exactly one tab (left out with `on_error` skip), and what `TextFile.read` refuses.
    """
    frames: dict[Part, Examples] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    names: tuple[str, str] | None = None
    for part, file in files.items():
        frame, lines, said, told = _read(file, data.on_error, names)
        notes += [f"{file.where}: {note}" if len(files) > 1 else note for note in told]
        if said["headed"] is None:
            remedy = "write text, a tab, and its label or translation"
            raise DataError(Problem("error", file.where, "no line has two columns with a tab between them", remedy))
        wrong = _wrong(said, file.where)
        problems += [dataclasses.replace(problem, level="warning") for problem in wrong] if data.on_error == "skip" else wrong
        if names is None:
            names = (said["names"][0], said["names"][1]) if said["headed"] else ("column1", "column2")
        if said["headed"]:
            notes.append(f"{file.where}: the first line names the columns {names[0]!r} and {names[1]!r}")
        if not frame.height:
            raise DataError(Problem("error", file.where, "there is a header but no row below it", "add rows"))
        frames[part] = Examples(frame.rename(dict(zip(("first", "second"), names, strict=True))), lines=lines)
    content = Content(
        kind="table",
        origin=str(origin),
        name=origin.resolve().name.partition(".")[0],
        reason="two columns",
        parts=frames,
        fingerprint=of_files(list(dict.fromkeys(file.path for file in files.values()))),
        files=tuple(dict.fromkeys(file.path for file in files.values())),
        problems=tuple(problems),
        notes=tuple(notes),
    )
    assert names is not None
    return _of_columns(content, data, names)


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first line holds two names in small letters, neither of which stands below: `sentence` and `label`, `en` and `de`."""
    first, below = rows[0], rows[1 : SAMPLE + 1]
    if first[0] == first[1] or not all(_NAME.match(value) for value in first):
        return False
    return not any(value in {row[place] for row in below} for place, value in enumerate(first))


def _read(file: TextFile, on_error: OnError, names: tuple[str, str] | None) -> tuple[pl.DataFrame, np.ndarray, dict[str, Any], list[str]]:
    """Columns `first` and `second` without a header, their lines, what `_pieces` says, and notes; of a large file mapped from the cache."""
    said: dict[str, Any] = {"headed": None, "names": None, "wrong": [], "count": 0}
    found = file.read(on_error, text_files.LARGE)
    if found is None:
        pieces, notes = texts(file.open, file.where, on_error)
        key = hashlib.sha256(f"two columns 1 {of_files([file.path])} {file.where} {on_error} {names}".encode()).hexdigest()[:32]
        return *mapped_rows(key, _pieces(pieces, names, said), said), notes
    text, notes = found
    read = list(_pieces(iter([text]), names, said))
    frame, lines = read[0] if read else (pl.DataFrame({"first": [], "second": []}), np.zeros(0, dtype=np.int64))
    return frame, lines, said, notes


def _pieces(pieces: Iterator[str], names: tuple[str, str] | None, said: dict[str, Any]) -> Pieces:
    """Lines of two columns and their numbers. Into `said`: whether the first one is a header, and which lines have other numbers of columns."""
    before = 0
    for text in pieces:
        rows: list[list[str]] = []
        lines: list[int] = []
        numbered = even_ends(text).removesuffix("\n").split("\n")
        for number, line in enumerate(numbered, before + 1):
            if not line.strip():
                continue
            cut = line.split("\t")
            if len(cut) == 2:
                rows.append(cut)
                lines.append(number)
            else:
                said["count"] += 1
                if len(said["wrong"]) < NAMED:
                    said["wrong"].append((number, len(cut)))
        before += len(numbered)
        if rows and said["headed"] is None:
            headed: bool = _is_header(rows) if names is None else tuple(rows[0]) == names
            said["headed"] = headed
            if headed:
                said["names"] = rows[0]
                rows, lines = rows[1:], lines[1:]
        if rows:
            columns = [pl.Series(name, [row[place] for row in rows], dtype=pl.String) for place, name in enumerate(("first", "second"))]
            yield pl.DataFrame(columns), np.asarray(lines, dtype=np.int64)


def _wrong(said: dict[str, Any], where: str) -> list[Problem]:
    """Lines that have another number of columns."""
    remedy = "write one tab a line, or leave such lines out with --on-error skip"
    problems = [
        Problem("error", f"{where}, line {number}", f"this line has {count} column{'s' * (count > 1)}, and others two", remedy)
        for number, count in said["wrong"]
    ]
    if said["count"] > NAMED:
        problems.append(Problem("error", where, f"{said['count'] - NAMED:,} more lines have no two columns", remedy))
    return problems


def as_text(content: Content, data: Data) -> Content:
    """A table as text where `--text` names a column, or where its columns are a sentence and a label or two sentences; else as it is."""
    if content.kind != "table":
        return content
    frame = content.examples.frame
    if data.text is not None and data.text not in frame.columns and "," in data.text:
        return _two_texts(content, data)
    if data.text is not None:
        text = "text" if data.text not in frame.columns and "text" in frame.columns else data.text  # lists of texts have that one column
        if text not in frame.columns:
            found = f"there is no column {data.text!r} of text"
            raise DataError(Problem("error", content.origin, found, f"{did_you_mean(data.text, frame.columns)} (--text)"))
        others = [name for name in data.target if name != text and name in frame.columns]
        if len(others) == 1 and _is_translation(frame[others[0]]):
            return to_pairs(content, source=text, target=others[0])
        return to_labelled(content, text=text, target=others[0] if len(others) == 1 else None)
    used = [name for name in frame.columns if name not in (data.id, data.group, data.time, *data.drop)]
    if len(used) != 2 or data.types or data.features:
        return content
    return _of_columns(content, data, (used[0], used[1]), surely=False)


def as_pairs(content: Content, data: Data) -> Content:
    """What looks like labelled text or like a table as pairs, where a person said that it is to be translated; else as it is.

    The source and what is written are the columns that `--text` and `--target` name, or the only two of text, in their order.
    """
    if content.kind not in ("text", "table"):
        return content
    frame = content.examples.frame
    words = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    source = "text" if content.kind == "text" else data.text
    target = next((name for name in data.target if name in words), content.target)
    if len(words) == 2:
        source = source or next(name for name in words if name != target)
        target = target or next(name for name in words if name != source)
    if source not in words or target not in words or source == target:
        return content
    return to_pairs(content, source=source, target=target)


def _two_texts(content: Content, data: Data) -> Content:
    """A table of pairs of texts that are read together, `--text premise,hypothesis`: kind text, the second under `second`."""
    names = [name.strip() for name in (data.text or "").split(",")]
    columns = content.examples.frame.columns
    if {"text", "second"} <= set(columns):  # lists of texts have these
        names = ["text", "second"]
    for name in names:
        if name not in columns:
            raise DataError(Problem("error", content.origin, f"there is no column {name!r} of text", f"{did_you_mean(name, columns)} (--text)"))
    if len(names) != 2 or names[0] == names[1]:
        found = f"--text names {len(names)} columns" if len(names) != 2 else f"--text names {names[0]!r} twice"
        raise DataError(Problem("error", "--text", found, "name one column of text, or two that are read together"))
    others = [name for name in data.target if name not in names and name in columns]
    return to_labelled(content, text=names[0], target=others[0] if len(others) == 1 else None, second=names[1])


def _of_columns(content: Content, data: Data, names: tuple[str, str], *, surely: bool = True) -> Content:
    """Two columns as labelled text or as pairs. Where it is not sure that they are text (`surely`), only what looks like it.

    A saved recipe names the target of pairs "target" and that of labelled text otherwise, so it is read again as it was.
    """
    frame = content.examples.frame
    named = next((name for name in data.target if name in names), None)
    if data.text in names or named is not None:
        target = named or next(name for name in names if name != data.text)
        translated = _is_translation(frame[target])
    else:
        plain = [name for name in names if not is_prose(frame[name])]
        labels = [] if data.target == ("target",) else [name for name in names if is_label(frame[name])]
        labels = [name for name in labels if name in plain] or labels
        if not labels and data.target not in ((), ("target",)):
            labels = plain or [names[1]]
        target, translated = labels[-1] if labels else names[1], not labels
    text = next(name for name in names if name != target)
    if not surely and not (is_prose(frame[text]) and (not translated or is_prose(frame[target]))):
        return content
    return to_pairs(content, source=text, target=target) if translated else to_labelled(content, text=text, target=target)


def is_label(values: pl.Series) -> bool:
    """Whether a column holds labels: at most LABELS distinct values, which come again, and which do not end as sentences do."""
    known = len(values) - values.null_count()
    distinct = _distinct(values, LABELS)
    if not known or distinct is None or 2 * len(distinct) > known:
        return False
    if values.dtype != pl.String:
        return True
    return 2 * int(distinct.str.contains(_SENTENCE_END).sum()) <= len(distinct)


def _distinct(values: pl.Series, most: int) -> pl.Series | None:
    """The distinct values; None where there are more than `most`, which is seen before all are looked at."""
    found = values.clear()
    for start in range(0, len(values), CHUNK):
        found = pl.concat([found, values.slice(start, CHUNK).drop_nulls().unique()]).unique()
        if len(found) > most:
            return None
    return found


def _is_translation(values: pl.Series) -> bool:
    """Whether a target is text to write."""
    return values.dtype == pl.String and not is_label(values) and is_prose(values)


def to_labelled(content: Content, *, text: str, target: str | None, second: str | None = None) -> Content:
    """A table's column `text`, and perhaps a `second` that is read with it, as kind text, with its other columns beside.

    Blank texts are left out, with a warning.
    """
    texts_named = {text: "text"} | ({} if second is None else {second: "second"})
    label = "label" if target in ("column1", "column2", "text") else target
    parts: dict[Part, Examples] = {}
    problems = list(content.problems)
    for part, examples in content.parts.items():
        # A column that has one of these names and is something else makes room.
        frame = examples.frame.rename({name: f"{name} " for name in ("text", "second") if name in examples.frame.columns and name not in texts_named})
        renamed = dataclasses.replace(examples, frame=frame.rename(texts_named | ({target: label} if target and label else {})))
        cleaned, said = filled(renamed, tuple(texts_named.values()), _file(content, part), content.fingerprint)
        if target and label and cleaned.frame[label].dtype == pl.String:
            cleaned = dataclasses.replace(cleaned, frame=cleaned.frame.with_columns(typed(cleaned.frame[label])))
        parts[part] = cleaned
        problems += said
    rows = sum(map(len, parts.values()))
    classes = "" if target is None else f", each with {label!r}"
    named = f" in {', '.join(parts)}" if len(parts) > 1 else ""
    reason = f"{rows:,} {'texts' if second is None else 'pairs of texts'}{classes}{named}"
    return dataclasses.replace(content, kind="text", parts=parts, reason=reason, target=label, problems=tuple(problems))


def to_pairs(content: Content, *, source: str, target: str) -> Content:
    """Two columns of a table as sentences and their translations; pairs with a blank side are left out, with a warning."""
    parts: dict[Part, Examples] = {}
    problems = list(content.problems)
    for part, examples in content.parts.items():
        columns = [examples.frame[name].alias(to) for name, to in ((source, "source"), (target, "target"))]
        others = [examples.frame[name] for name in examples.frame.columns if name not in (source, target, "source", "target")]
        named_so = Examples(pl.DataFrame([*columns, *others]), lines=examples.lines)
        parts[part], said = filled(named_so, ("source", "target"), _file(content, part), content.fingerprint)
        problems += said
    rows = sum(map(len, parts.values()))
    named = f" in {', '.join(parts)}" if len(parts) > 1 else ""
    told = "" if {source, target} <= {"column1", "column2", "source", "target"} else f" from {source!r} to {target!r}"
    reason = f"{rows:,} pairs of sentences{told}{named}"
    return dataclasses.replace(content, kind="pairs", parts=parts, reason=reason, target="target", problems=tuple(problems))


def _file(content: Content, part: Part) -> str:
    """The file of a part, for messages."""
    parts = list(content.parts)
    return str(content.files[parts.index(part)]) if len(content.files) == len(parts) else content.origin
