"""Questions about paragraphs as BERT reads them (Devlin et al. 2018, section 4.2): `[CLS] question [SEP] window of the paragraph [SEP]`.

A paragraph that is longer than a row is read through windows that begin `stride` pieces after each other, as in the published code;
the answer to a question is the best one of all its windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.options import positive
from sonde.data.prepare.tokenizers.bert import FLOOR, MOST, BertPieces, fit
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, RecipeError

LENGTH: Final = 384  # pieces of a row where the recipe does not say; this and the next two are the published code's
STRIDE: Final = 128
QUESTION: Final = 64  # pieces of a question that are read at most, and never more than half of the row


@dataclass(frozen=True)
class Windows:
    """Rows that are windows: `question` int64 (window,), the row of the examples that each is of, ascending; `shift` int64 (window,): the
    number of a piece in the paragraph is its place in the row and this.
    """

    question: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Answers:
    """Of questions the texts of the answers, their first characters in the paragraph (−1 for no answer), and how sure they are, 0 … 1."""

    texts: list[str]
    starts: list[int]
    scores: list[float]


def fit_questions(train: Selection, data: recipe.Data, options: dict[str, Any], *, pieces: BertPieces | None) -> BertPreparation:
    """The vocabulary, the one that is given or one of the training part's questions and paragraphs, and the length of a row.

    Raises RecipeError for a stride over which pieces would be left out.
    """
    frame = train.examples.frame.select("question", "context")[train.index]
    if pieces is None:
        texts = [*frame["question"].to_list(), *frame["context"].unique(maintain_order=True).to_list()]
        most, floor = data.vocabulary or MOST, FLOOR if data.floor is None else data.floor
        pieces = fit(texts, lower=data.text_form != "raw", most=most, floor=floor)
    length = data.length or LENGTH
    if length < 8:
        raise RecipeError(f"a row of {length} pieces has no room for a question and a paragraph", where="data.length", remedy="--length 64 or more")
    stride = positive(options, "stride", default=min(STRIDE, max(1, length // 3)))
    most = length - 3 - min(QUESTION, (length - 3) // 2)  # pieces of a paragraph beside the longest question
    if stride > most:
        what = f"windows of {length} pieces that begin {stride} pieces after each other may leave some out beside a long question"
        raise RecipeError(what, where="task.stride", remedy=f"use --set task.stride={most} or less")
    return BertPreparation(("question", "context"), pieces, length, stride=stride)


def windows(prep: BertPreparation, examples: Examples, *, targets: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Windows, list[Problem]]:
    """(tokens int32 (window, length), lengths int32 (window,), targets int64 (window, 2) or None, which question each is of, what is wrong).

    Targets are the places of the first and the last piece of the first right answer; both 0, where [CLS] stands, where the window does
    not hold all of it. Questions with which something is wrong have no window.
    """
    frame, pieces, length = examples.frame, prep.pieces, prep.length
    most = min(QUESTION, (length - 3) // 2)
    asked = [numbers[:most] for numbers, _ in pieces.located(frame["question"].to_list())]
    located = _located(pieces, frame["context"])
    spans, problems = _spans(examples, located) if targets else ([(-1, -1)] * len(frame), [])
    wrong = {problem.example for problem in problems}
    rows: list[np.ndarray] = []
    told: list[tuple[int, int]] = []
    of: list[int] = []
    shifts: list[int] = []
    for number, (question, context) in enumerate(zip(asked, frame["context"].to_list(), strict=True)):
        numbers, room, head = located[context][0], length - len(question) - 3, len(question) + 2
        if number in wrong:
            continue
        if not len(numbers):
            problems.append(Problem("error", f"question {frame['id'][number]!r}", "the paragraph has no word", "write it, or use --on-error skip", number))
            continue
        for begin in range(0, max(len(numbers) - room, 0) + prep.stride, prep.stride):
            some = numbers[begin : begin + room]
            rows.append(np.concatenate([[pieces.begin], question, [pieces.separator], some, [pieces.separator]]))
            first, last = spans[number]
            whole = begin <= first and last < begin + len(some)
            told.append((first - begin + head, last - begin + head) if whole and first >= 0 else (0, 0))
            of.append(number)
            shifts.append(begin - head)
            if begin + room >= len(numbers):
                break
    lengths = np.array([len(row) for row in rows], dtype=np.int32)
    tokens = np.zeros((len(rows), length), dtype=np.int32)  # [PAD] is number 0
    tokens[np.arange(length) < lengths[:, None]] = np.concatenate(rows) if rows else 0
    found = Windows(torch.tensor(of, dtype=torch.int64), torch.tensor(shifts, dtype=torch.int64))
    return tokens, lengths, np.array(told, dtype=np.int64).reshape(-1, 2) if targets else None, found, problems


def answers(prep: BertPreparation, examples: Examples, found: Windows, index: Tensor, predictions: Tensor, *, none: bool) -> tuple[np.ndarray, Answers]:
    """The best answer to each question that has a window among `index`: which rows of `examples` these are, ascending, and their answers.

    `predictions` (window, 5) are the task's: score, first and last place, score of no answer, how sure. With `none` a question may have no
    answer: where the least score of that over all windows is above the best answer's.
    """
    of, shift = found.question[index].numpy(), found.shift[index].numpy()
    values = predictions.detach().double().cpu().numpy()
    questions, which = np.unique(of, return_inverse=True)
    order = np.lexsort((-values[:, 0], which))  # the best window of each question first
    best = order[np.searchsorted(which[order], np.arange(len(questions)))]
    nothing = np.full(len(questions), np.inf)
    np.minimum.at(nothing, which, values[:, 3])
    contexts = examples.frame["context"].gather(questions)
    located = _located(prep.pieces, contexts)
    made = Answers([], [], [])
    for row, context, null in zip(best, contexts.to_list(), nothing, strict=True):
        score, first, last, _, sure = values[row]
        made.scores.append(float(sure))
        if none and null > score:
            made.texts.append("")
            made.starts.append(-1)
            continue
        places = located[context][1]
        begin, end = places[int(first) + shift[row], 0], places[int(last) + shift[row], 1]
        made.texts.append(context[begin:end])
        made.starts.append(int(begin))
    return questions, made


def _located(pieces: BertPieces, contexts: pl.Series) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pieces of each paragraph and their places in it; several questions are about one."""
    unique = contexts.unique(maintain_order=True).to_list()
    return dict(zip(unique, pieces.located(unique), strict=True))


def _spans(examples: Examples, located: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[list[tuple[int, int]], list[Problem]]:
    """The first and the last piece of the first right answer to each question, (−1, −1) where there is none; and what has no piece."""
    spans, problems = [], []
    columns: Sequence[list[Any]] = [examples.frame[name].to_list() for name in ("id", "context", "answers", "starts")]
    for number, (name, context, texts, starts) in enumerate(zip(*columns, strict=True)):
        if not texts:
            spans.append((-1, -1))
            continue
        places = located[context][1]
        first = int(np.searchsorted(places[:, 1], starts[0], side="right"))
        last = int(np.searchsorted(places[:, 0], starts[0] + len(texts[0]), side="left")) - 1
        spans.append((first, last))
        if last < first:
            found = f"the answer at offset {starts[0]} has no letter that is read"
            problems.append(Problem("error", f"question {name!r}", found, "mend it, or use --on-error skip", number))
    return spans, problems


def refuse(problems: Sequence[Problem], on_error: str) -> None:
    """Raise DataError for what is wrong, unless such examples are left out."""
    if problems and on_error == "stop":
        raise DataError(problems)
