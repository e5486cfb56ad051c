"""What can be wrong with texts: letters that are none, lines that are no sentences, pairs that are no pairs, characters that were never seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from sonde.data.checks.columns import Column, Role
from sonde.data.checks.subject import Rows, Subject, count, quoted, sample_of, verb
from sonde.data.prepare.text import LENGTH
from sonde.data.split import RUNNING
from sonde.errors import Problem

KINDS: Final = ("text", "pairs", "tagged", "questions")
READ: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "second"),
    "pairs": ("source", "target"),
    "tagged": ("tokens",),
    "questions": ("question", "context"),
}
WHOLE: Final = ("masked-language-modelling", "question-answering")  # tasks whose texts are read to their ends, however long they are
ROWS: Final = 200_000  # rows of a part that are looked at when training starts; all of them when all were asked for
LONG: Final = 1_000  # characters, and
TIMES: Final = 30  # times the middle one's length from which a text is oddly long
RATIO: Final = 4.0  # times as long as usual, beside its partner
SHORT: Final = 20  # characters under which a ratio of lengths says nothing
# Text that went through a wrong encoding, marks of broken bytes, and characters that print nothing.
_WRONG: Final = (
    (r"\x{FFFD}", "the mark of a broken letter (�)", "fetch the text again from where it was whole"),
    (r"Ã[\x{80}-\x{BF}©¨¤¶¼]|â€[™œ\x{9D}]|Â[ °©«»]", "letters as UTF-8 read as Windows-1252 gives them, such as Ã© for é", "save the text as UTF-8 again"),
    (r"[\x00-\x08\x0B\x0E-\x1F\x7F]", "control characters", "delete them, if they are no part of the text"),
    (r"[\x{E000}-\x{F8FF}]", "characters of private use, which mean something in one font alone", "replace them"),
)


def as_read(columns: tuple[Column, ...], kind: str, targets: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns with the parts that they play in texts: what is read, what is to be told."""
    told = []
    for column in columns:
        name, values = column.name, column.values
        if name in READ[kind] or (kind == "tagged" and name in targets):
            amount = values.list.len() if values.dtype == pl.List else values.cast(pl.String).str.count_matches(r"\S+")
            mean = amount.mean()
            unit = "words" if values.dtype != pl.List else "tokens"
            role: Role = "target" if name in targets else "feature"
            why = f"{float(mean or 0):.0f} {unit} in a row on average"  # type: ignore[arg-type]
            column = dataclasses.replace(column, type="text", role=role, why=why)
        elif name not in targets:
            column = dataclasses.replace(column, role="left-out", why="texts are learned from, not this column")
        told.append(column)
    return tuple(told)


def check(subject: Subject) -> list[Problem]:
    """All problems of texts."""
    kind, problems = subject.content.kind, []
    for rows in subject.parts.values():
        chosen = None if subject.deep else sample_of(rows, ROWS)
        held = {name: _as_text(rows, name, chosen) for name in READ[kind] if name in rows.examples.frame.columns}
        for name, values in held.items():
            problems += wrong_characters(subject, rows, name, values, chosen)
            if subject.task not in (*RUNNING, *WHOLE):
                problems += long_texts(subject, rows, name, values, chosen)
        if kind == "pairs" and len(held) == 2:
            problems += odd_pairs(subject, rows, held["source"], held["target"], chosen)
        if kind == "tagged":
            problems += unseen_tags(subject, rows)
    if subject.task == "language-modelling":
        problems += unseen_characters(subject)
    return problems


def _as_text(rows: Rows, name: str, chosen: np.ndarray | None) -> pl.Series:
    values = rows.frame([name], chosen)[name]
    return values.list.join(" ") if values.dtype == pl.List else values.fill_null("")


def _rows(chosen: np.ndarray | None, found: np.ndarray) -> np.ndarray:
    """Numbers among a part's rows of what was found among the `chosen`."""
    return found if chosen is None else chosen[found]


def wrong_characters(subject: Subject, rows: Rows, name: str, values: pl.Series, chosen: np.ndarray | None) -> list[Problem]:
    """Characters that no writer meant."""
    found = []
    for pattern, what, remedy in _WRONG:
        where = values.str.contains(pattern).arg_true().to_numpy()
        if len(where):
            place = f"{subject.where(rows, column=name)}, {subject.places(rows, _rows(chosen, where))}"
            found.append(Problem("warning", place, f"{count(len(where), 'row')} {verb(len(where), 'holds', 'hold')} {what}", remedy))
    return found


def long_texts(subject: Subject, rows: Rows, name: str, values: pl.Series, chosen: np.ndarray | None) -> list[Problem]:
    """Texts that are many times as long as others, and those of which the end is not read."""
    lengths = values.str.len_chars()
    middle = float(lengths.median() or 0)  # type: ignore[arg-type]
    odd = (lengths > max(LONG, TIMES * middle)).arg_true().to_numpy()
    found = []
    if len(odd):
        said = f"{count(len(odd), 'text')} of up to {lengths.to_numpy().max():,} characters, "
        said += f"where the middle one has {middle:,.0f}: is an end of a line missing?"
        place = f"{subject.where(rows, column=name)}, {subject.places(rows, _rows(chosen, odd))}"
        found.append(Problem("warning", place, said, "cut them, or leave them out"))
    most = subject.data.length or LENGTH
    cut = int((values.str.count_matches(r"\w+|[^\w\s]") > most).sum()) if subject.data.tokenizer in (None, "words", "tokens") else 0
    if cut:
        said = f"{count(cut, 'text')} of {len(values):,} {verb(cut, 'has', 'have')} more than {most} words and marks: "
        said += f"the rest of {verb(cut, 'it', 'them')} is not read"
        found.append(Problem("note", subject.where(rows, column=name), said, f"read more with --length {2 * most}"))
    return found


def odd_pairs(subject: Subject, rows: Rows, source: pl.Series, target: pl.Series, chosen: np.ndarray | None) -> list[Problem]:
    """Pairs of very different length, and those that say the same letter for letter."""
    one, other = source.str.len_chars().cast(pl.Float64), target.str.len_chars().cast(pl.Float64)
    ratio = (other + 1) / (one + 1)
    usual = float(ratio.median() or 1.0)  # type: ignore[arg-type]
    long_enough = pl.Series(np.maximum(one.to_numpy(), other.to_numpy()) > SHORT)
    odd = (((ratio > RATIO * usual) | (ratio < usual / RATIO)) & long_enough).arg_true().to_numpy()
    same = ((source == target) & long_enough).arg_true().to_numpy()
    found = []
    if len(odd):
        said = f"{count(len(odd), 'pair')} in which one side is over {RATIO:.0f} times as long as usual beside the other: do they say the same?"
        place = f"{subject.where(rows)}, {subject.places(rows, _rows(chosen, odd))}"
        found.append(Problem("warning", place, said, "look at them; lines that moved against each other do so"))
    if len(same):
        said = f"{count(len(same), 'pair')} with the same text on both sides: {verb(len(same), 'it is', 'they are')} not translated"
        place = f"{subject.where(rows)}, {subject.places(rows, _rows(chosen, same))}"
        found.append(Problem("warning", place, said, "translate them, or leave them out"))
    return found


def unseen_tags(subject: Subject, rows: Rows) -> list[Problem]:
    """Tags of a held-out part that the training part does not have."""
    if rows.part not in subject.held_out or "tags" not in rows.examples.frame.columns:
        return []
    known = subject.train.column("tags").explode().unique()
    here = rows.column("tags").list.set_difference(known.implode())
    wrong = (here.list.len() > 0).arg_true().to_numpy()
    if not len(wrong):
        return []
    names = sorted(here.explode().drop_nulls().unique().to_list())
    said = f"{verb(len(names), 'tag', 'tags')} {quoted(names)} of {count(len(wrong), 'sentence')} "
    said += f"{verb(len(names), 'does', 'do')} not occur in the training part"
    place = f"{subject.where(rows)}, {subject.places(rows, wrong)}"
    return [Problem("error", place, said, "mend the tags, or add such sentences to the training part")]


def unseen_characters(subject: Subject) -> list[Problem]:
    """Characters of a held-out part that the training part does not have, so that they are all read as one."""
    known = set(_alphabet(subject.train.column("text")))
    found = []
    for rows in subject.held_out.values():
        new = [letter for letter in _alphabet(rows.column("text")) if letter not in known]
        if new:
            times = int(rows.column("text").str.count_matches("[" + "".join(f"\\x{{{ord(letter):X}}}" for letter in new) + "]").sum())
            said = f"{count(len(new), 'character')} {quoted(new)} ({times:,} times) {verb(len(new), 'does', 'do')} not occur in the training part"
            found.append(Problem("note", subject.where(rows), said + ": the model can never foretell them", "leave it so, or use --tokenizer bpe"))
    return found


def _alphabet(values: pl.Series) -> list[str]:
    """The characters of a text, in order; some rows at a time, as they may lie in a file larger than memory."""
    letters: set[str] = set()
    for start in range(0, len(values), ROWS):
        letters.update("".join(values.slice(start, ROWS).to_list()))
    return sorted(letters)
