"""Tokens with their tags, one a line, a blank line between sentences (CoNLL; Tjong Kim Sang and De Meulder 2003).

The token is the first column and the tag the last; columns are separated by tabs, or by blanks where there is no tab. A
tag of BIO is `O`, `B-type` (the first token of a span) or `I-type` (a further one); BIOES also has `E-` (the last of
several) and `S-` (a span of one token). `-DOCSTART-` lines part documents and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.text_files import TAGGED, TextFile
from sonde.errors import DataError, Problem
from sonde.recipe import Data

NAMED: Final = 10  # lines that are named in a message
_SPAN_TAG = re.compile(r"^(O|[BIESLU]-\S+)$")
_DOCUMENT: Final = "-DOCSTART-"
_OPENS: Final = frozenset("BI")  # tags after which a span is still open
_GOES_ON: Final = frozenset("IEL")  # tags that need an open span of their type


def is_tagged(file: TextFile) -> bool:
    """Whether the name says so, or the first lines: the same columns throughout, blank lines between, tags of spans in the last."""
    if file.suffix in TAGGED:
        return True
    lines = file.head().decode("utf-8", "replace").splitlines()[:-1]
    filled = [line for line in lines if line.strip()]
    if not filled or len(filled) == len(lines):
        return False
    cut = [_columns(line) for line in filled if not line.startswith(_DOCUMENT)]
    tags = [columns[-1] for columns in cut]
    even = len({len(columns) for columns in cut}) == 1 and len(cut[0]) > 1
    return even and sum(bool(_SPAN_TAG.match(tag)) for tag in tags) >= 0.9 * len(tags) and any(tag != "O" for tag in tags)


def _columns(line: str) -> list[str]:
    return line.rstrip("\n\r").split("\t") if "\t" in line else line.split()


@dataclass
class _Sentences:
    """Tokens and tags, a list a sentence, and the line on which each token stands."""

    tokens: list[list[str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    lines: list[list[int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_tagged(files: Mapping[Part, TextFile], data: Data, *, origin: Path) -> Content:
    """Sentences of tagged tokens, one file a part (or one: "all").

    A tag that breaks BIO (`I-person` after `O`) is an error that names file and line; with `on_error` skip it is mended as
    conlleval reads it: such a tag begins a span.

    Raises
    ------
    DataError
        A line with another number of columns, and what `TextFile.read` refuses.
    """
    parts: dict[Part, Examples] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for part, file in files.items():
        found = file.read(data.on_error)
        assert found is not None
        text, said = found
        notes += [f"{file.where}: {note}" if len(files) > 1 else note for note in said]
        sentences = _sentences(text, file.where)
        problems += sentences.problems
        wrong = broken(sentences.tags)
        if len(wrong) and data.on_error == "skip":
            sentences.tags = mended(sentences.tags)
            some = ", ".join(str(sentences.lines[row][place]) for row, place in wrong[:NAMED]) + (", …" if len(wrong) > NAMED else "")
            what = "a tag broke BIO and was mended: it begins" if len(wrong) == 1 else f"{len(wrong):,} tags broke BIO and were mended: each begins"
            what += " a span now"
            problems.append(Problem("warning", f"{file.where}, line{'s' * (len(wrong) > 1)} {some}", what, "mend the file"))
        elif len(wrong):
            problems += _breaks(sentences, wrong, file.where)
        first = np.array([lines[0] for lines in sentences.lines], dtype=np.int64)
        columns = {"tokens": sentences.tokens, "tags": sentences.tags}
        parts[part] = Examples(pl.DataFrame({name: pl.Series(values, dtype=pl.List(pl.String)) for name, values in columns.items()}), lines=first)
    paths = list(dict.fromkeys(file.path for file in files.values()))
    rows, tokens = sum(map(len, parts.values())), sum(int(examples.frame["tokens"].list.len().sum()) for examples in parts.values())
    named = f" in {', '.join(parts)}" if len(parts) > 1 else ""
    return Content(
        kind="tagged",
        origin=str(origin),
        name=origin.resolve().name.partition(".")[0],
        reason=f"{rows:,} sentences of {tokens:,} tagged tokens{named}",
        parts=parts,
        fingerprint=of_files(paths),
        target="tags",
        files=tuple(paths),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _sentences(text: str, where: str) -> _Sentences:
    """Sentences of a text, blank lines (which may hold blanks) between them. Raises DataError for lines without a tag."""
    found, wrong = _Sentences(), []
    tokens: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip():
            if tokens:
                found.tokens.append(tokens)
                found.tags.append(tags)
                found.lines.append(lines)
                tokens, tags, lines = [], [], []
            continue
        columns = _columns(line)
        if columns[0] == _DOCUMENT:
            continue
        if len(columns) < 2 or not columns[0] or not columns[-1].strip():
            wrong.append((number, line))
            continue
        tokens.append(columns[0])
        tags.append(columns[-1].strip())
        lines.append(number)
    remedy = "write a token, a tab and its tag; a blank line ends a sentence"
    if wrong:
        shown = [Problem("error", f"{where}, line {number}", f"{line[:60]!r} has no token and tag", remedy) for number, line in wrong[:NAMED]]
        if len(wrong) > NAMED:
            shown.append(Problem("error", where, f"{len(wrong) - NAMED:,} more lines have no token and tag", remedy))
        raise DataError(shown)
    if not found.tokens:
        raise DataError(Problem("error", where, "there is no sentence in this file", remedy))
    return found


def of_spans(tags: Sequence[Sequence[str]]) -> bool:
    """Whether all tags are those of BIO or BIOES, and not, say, parts of speech."""
    return all(_SPAN_TAG.match(tag) for tag in {tag for sentence in tags for tag in sentence})


def broken(tags: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """(sentence, token) of each tag that goes on with a span which is not open: `I-` or `E-` after `O`, another type, or an end."""
    if not of_spans(tags):
        return []
    wrong = []
    for row, sentence in enumerate(tags):
        before = "O"
        for place, tag in enumerate(sentence):
            if tag[0] in _GOES_ON and not (before[0] in _OPENS and before[2:] == tag[2:]):
                wrong.append((row, place))
            before = tag
    return wrong


def mended(tags: Sequence[Sequence[str]]) -> list[list[str]]:
    """Tags as conlleval reads them: one that goes on with no open span begins one (`I-` becomes `B-`, `E-` becomes `S-`)."""
    fixed = [list(sentence) for sentence in tags]
    for row, place in broken(tags):
        tag = fixed[row][place]
        fixed[row][place] = {"E": "S", "L": "U"}.get(tag[0], "B") + tag[1:]
    return fixed


def _breaks(sentences: _Sentences, wrong: list[tuple[int, int]], where: str) -> list[Problem]:
    remedy = "mend the tag; --on-error skip mends all of them as conlleval reads them: such a tag begins a span"
    problems = []
    for row, place in wrong[:NAMED]:
        tag = sentences.tags[row][place]
        before = sentences.tags[row][place - 1] if place else "the beginning of the sentence"
        found = f"the tag {tag!r} goes on with a span, but follows {before if place == 0 else repr(before)}"
        problems.append(Problem("error", f"{where}, line {sentences.lines[row][place]}", found, remedy))
    if len(wrong) > NAMED:
        problems.append(Problem("error", where, f"{len(wrong) - NAMED:,} more tags break BIO", remedy))
    return problems
