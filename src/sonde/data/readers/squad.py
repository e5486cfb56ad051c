"""Questions about paragraphs with their answers, in SQuAD's JSON (Rajpurkar et al. 2016, version 1.1, and 2018, version 2.0).

    {"data": [{"title": …, "paragraphs": [{"context": …, "qas": [
        {"id": …, "question": …, "answers": [{"text": …, "answer_start": …}], "is_impossible": false}]}]}]}

An answer is a stretch of the paragraph, and `answer_start` its place there in characters. Version 2.0 also has questions that the
paragraph does not answer; new questions have no answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.encodings import decoded
from sonde.data.readers.leave_out import leave_out
from sonde.data.readers.text_files import TextFile, by_part
from sonde.errors import DataError, Problem
from sonde.recipe import Data

MARK: Final = b'"paragraphs"'
SHOWN: Final = 40  # letters of an answer that a message shows
SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("id", "title", "question", "context"), pl.String()),
    "answers": pl.List(pl.String),
    "starts": pl.List(pl.Int64),
}


def is_squad(path: Path) -> bool:
    """Whether a file is JSON of this form, told from its name and first bytes."""
    file = TextFile(path)
    return file.suffix == ".json" and MARK in file.head()


def read_squad(path: Path, data: Data) -> Content | None:
    """The questions of a file, or of a folder's files, which are parts by their names (train-v1.1.json, dev-v1.1.json); None where there are none.

    A row is a question: `id`, `title` of its article, `question`, `context` (the paragraph), and, unless no question has any, `answers`
    with the places of their first characters, `starts`; both are empty where there is no answer.

    Raises
    ------
    DataError
        JSON that is not well formed, and with `on_error` stop a list of all questions that are empty or whose answer does not stand at its place.
    """
    paths = [path] if path.is_file() else sorted(entry for entry in path.iterdir() if entry.is_file())
    files = [TextFile(file) for file in paths if is_squad(file)]
    if not files:
        return None
    named = by_part(files)
    if named is None:
        shown = ", ".join(file.name for file in files)
        found = f"there are {len(files)} files of questions: {shown}"
        raise DataError(Problem("error", str(path), found, "give one of them, or name them train, dev and test"))
    parts: dict[Part, Examples] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for part, file in named.items():
        with file.open() as stream:
            raw = stream.read()
        text, said = decoded(raw, file.where)
        notes += said
        rows, wrong = _questions(text, file.where)
        parts[part], wrong = leave_out(Examples(rows), wrong, data.on_error)
        problems += wrong
    total = sum(map(len, parts.values()))
    frames = [examples.frame for examples in parts.values()]
    paragraphs = sum(frame["context"].n_unique() for frame in frames)
    none = sum(int((frame["answers"].list.len() == 0).sum()) for frame in frames if "answers" in frame.columns)
    without = f", {none:,} of them without an answer" if none else ""
    return Content(
        kind="questions",
        origin=str(path),
        name=path.resolve().name.partition(".")[0],
        reason=f"{total:,} questions about {paragraphs:,} paragraphs{without}",
        parts=parts,
        fingerprint=of_files([file.path for file in named.values()]),
        files=tuple(file.path for file in named.values()),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _questions(text: str, where: str) -> tuple[pl.DataFrame, list[Problem]]:
    """The rows of a file, and what is wrong with them."""
    try:
        articles = json.loads(text)["data"]
        rows = list(_rows(articles))
    except json.JSONDecodeError as error:
        raise DataError(Problem("error", f"{where}, line {error.lineno}", f"this is not JSON ({error.msg})", "mend the file")) from None
    except (KeyError, TypeError, AttributeError) as error:
        found = f"this is not the form of SQuAD: data, paragraphs, context, qas, id, question ({type(error).__name__}: {error})"
        raise DataError(Problem("error", where, found, "compare the file with SQuAD's train-v1.1.json")) from None
    if not rows:
        raise DataError(Problem("error", where, "there is no question in this file", "give a file with questions"))
    problems = [problem for number, row in enumerate(rows) for problem in _wrong(row, number, where)]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    if frame["answers"].null_count() == len(frame):
        frame = frame.drop("answers", "starts")
    return frame, problems


def _rows(articles: Any) -> Iterator[tuple[str, str, str, str, list[str] | None, list[int] | None]]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                answers = asked.get("answers", [] if asked.get("is_impossible") else None)
                if asked.get("is_impossible"):  # version 2.0 keeps what looks like an answer elsewhere, as "plausible_answers"
                    answers = []
                texts = None if answers is None else [_answer(answer, "text", str) for answer in answers]
                starts = None if answers is None else [_answer(answer, "answer_start", int) for answer in answers]
                yield str(asked["id"]), str(article.get("title", "")), str(asked["question"]), str(paragraph["context"]), texts, starts


def _answer(answer: Mapping[str, Any], key: str, kind: type) -> Any:
    value = answer[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{key} is {value!r}")
    return value


def _wrong(row: tuple[str, str, str, str, list[str] | None, list[int] | None], number: int, where: str) -> Iterator[Problem]:
    """What is wrong with a question."""
    name, _, question, context, answers, starts = row
    place = f"{where}, question {name!r}"
    if not question.strip():
        yield Problem("error", place, "the question is empty", "write it, or leave such questions out with --on-error skip", number)
    if not context.strip():
        yield Problem("error", place, "the paragraph is empty", "write it, or leave such questions out with --on-error skip", number)
    for answer, start in zip(answers or (), starts or (), strict=True):
        there = context[max(start, 0) : max(start, 0) + len(answer)]
        if not answer.strip():
            yield Problem("error", place, f"the answer at offset {start} is empty", "write it, or leave answers out where there is none", number)
        elif start < 0 or there != answer:
            found = f"the answer {_shown(answer)} is not at offset {start} of its paragraph, where {_shown(there)} stands"
            at = context.find(answer)
            remedy = f"it stands at offset {at}" if at >= 0 else "the paragraph has no such text"
            yield Problem("error", place, found, f"{remedy}: mend it, or leave such questions out with --on-error skip", number)


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
