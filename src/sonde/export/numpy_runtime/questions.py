"""Questions about paragraphs (Devlin et al. 2018, section 4.2): `[CLS] question [SEP] window of the paragraph [SEP]`, and the best answer of all windows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .bert import filled_up, in_batches
from .bert_pieces import BertPieces
from .columns import read_table
from .foretelling import log_softmax
from .graph import Graph
from .problem import PredictError, raise_all
from .tables import names
from .text import read_texts

QUESTION = 64  # pieces of a question that are read at most, and never more than half of the row
WINDOWS = 256  # whose spans are looked at together
FORM = "this is not the form of SQuAD: data, paragraphs, context, qas, id, question"


@dataclass(frozen=True)
class Windows:
    """Rows for the graph. `question` int64 (window,): of which each is, ascending; `shift` int64 (window,): the number of a piece in the
    paragraph is its place in the row and this. `places`: of each question, where the pieces of its paragraph begin and end."""

    tokens: np.ndarray
    lengths: np.ndarray
    question: np.ndarray
    shift: np.ndarray
    places: list[np.ndarray]


class Answerer:
    """What `load` gives for a model that finds the answers to questions in paragraphs."""

    def __init__(self, graph: Graph, preprocessing: dict[str, Any]) -> None:
        self.graph, self.preprocessing = graph, preprocessing
        self.pieces = BertPieces(preprocessing["preparation"]["tokenizer"])

    def predict(self, source: Any) -> dict[str, Any]:
        """Of each question `name` (its id, or its row), `question`, `prediction` (empty for no answer), `start` in characters, `score`.

        `source`: the path of SQuAD's JSON or of a table, or rows, with `question` and `context` and perhaps `id`.
        """
        called, questions, contexts = read_questions(source)
        windows = self.windows(called, questions, contexts)
        answer: dict[str, Any] = {"name": called, "question": questions, "prediction": [], "start": [], "score": []}
        found = self._spans(self.outputs(windows.tokens, windows.lengths))
        ends = np.searchsorted(windows.question, np.arange(len(called) + 1))
        for number, (context, begin, end) in enumerate(zip(contexts, ends[:-1], ends[1:], strict=True)):
            best = begin + int(found[begin:end, 0].argmax())
            score, first, last, _, sure = found[best]
            answer["score"].append(float(sure))
            if self.preprocessing["answer"]["none"] and found[begin:end, 3].min() > score:
                answer["prediction"].append("")
                answer["start"].append(None)
                continue
            places = windows.places[number]
            start = int(places[int(first) + windows.shift[best], 0])
            answer["prediction"].append(context[start : places[int(last) + windows.shift[best], 1]])
            answer["start"].append(start)
        return answer

    def encode(self, source: Any) -> tuple[list[str], tuple[np.ndarray, ...]]:
        """The names of the questions, and the graph's raw inputs, a row a window."""
        called, questions, contexts = read_questions(source)
        windows = self.windows(called, questions, contexts)
        return called, (windows.tokens, windows.lengths)

    def outputs(self, *inputs: np.ndarray) -> np.ndarray:
        """Logits (window, step, 2) of being the first and the last piece of the answer, −∞ outside of the paragraph but for [CLS]."""
        return in_batches(self.graph, inputs)

    def windows(self, called: Sequence[str], questions: Sequence[str], contexts: Sequence[str]) -> Windows:
        """The rows of some questions. Raises PredictError where there is nothing to read."""
        fitted = self.preprocessing["preparation"]
        length, stride = fitted["length"], fitted["stride"]
        located = {context: self.pieces.located(context) for context in contexts}  # several questions are about one
        raise_all([problem for each in zip(called, questions, contexts, strict=True) for problem in _wrong(*each, located)])
        rows: list[list[int]] = []
        of: list[int] = []
        shifts: list[int] = []
        for number, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            asked, numbers = self.pieces.encode(question)[: min(QUESTION, (length - 3) // 2)], located[context][0]
            room, head = length - len(asked) - 3, len(asked) + 2
            for begin in range(0, max(len(numbers) - room, 0) + stride, stride):
                some = numbers[begin : begin + room]
                rows.append([self.pieces.begin, *asked, self.pieces.separator, *some, self.pieces.separator])
                of.append(number)
                shifts.append(begin - head)
                if begin + room >= len(numbers):
                    break
        places = [located[context][1] for context in contexts]
        return Windows(*filled_up(rows, length), np.array(of, dtype=np.int64), np.array(shifts, dtype=np.int64), places)

    def _spans(self, logits: np.ndarray) -> np.ndarray:
        """Of each window float64 (5,): the best span's score, its first and its last place, the score of no answer, and how sure the span is."""
        most: int = min(self.preprocessing["answer"]["longest"], logits.shape[1] - 1)
        found = np.empty((len(logits), 5))
        for start in range(0, len(logits), WINDOWS):
            some = logits[start : start + WINDOWS]
            inner = some[:, 1:]
            ends = np.pad(inner[..., 1], ((0, 0), (0, most - 1)), constant_values=-np.inf)
            sums = inner[..., :1] + np.lib.stride_tricks.sliding_window_view(ends, most, axis=1)  # (window, first, last − first)
            place = sums.reshape(len(some), -1).argmax(axis=1)
            first = place // most + 1
            last = first + place % most
            row, log_p = np.arange(len(some)), log_softmax(some.transpose(0, 2, 1))
            sure = np.exp(log_p[row, 0, first] + log_p[row, 1, last])
            score = some[row, first, 0] + some[row, last, 1]
            found[start : start + WINDOWS] = np.stack([score, first, last, some[:, 0].sum(axis=1), sure], axis=1)
        return found


def read_questions(source: Any) -> tuple[list[str], list[str], list[str]]:
    """Names, questions and paragraphs. Raises PredictError for a file of another form."""
    if isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".json":
        (text,) = read_texts(source)[1]
        if '"paragraphs"' in text:
            return _squad(text, str(source))
    table = read_table(source, needed=["question", "context"])
    questions, contexts = (["" if value is None else str(value) for value in table.column(name).values] for name in ("question", "context"))
    return names(table, "id"), questions, contexts


def _squad(text: str, where: str) -> tuple[list[str], list[str], list[str]]:
    """The questions of SQuAD's JSON (Rajpurkar et al. 2016); answers that stand there are not looked at."""
    try:
        rows = [
            (str(asked["id"]), str(asked["question"]), str(paragraph["context"]))
            for article in json.loads(text)["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    except json.JSONDecodeError as error:
        raise PredictError(f"this is not JSON ({error.msg})", where=f"{where}, line {error.lineno}", remedy="mend the file") from None
    except (KeyError, TypeError) as error:
        remedy = "compare the file with SQuAD's train-v1.1.json"
        raise PredictError(f"{FORM} ({type(error).__name__}: {error})", where=where, remedy=remedy) from None
    if not rows:
        raise PredictError("there is no question in this file", where=where, remedy="give a file with questions")
    called, questions, contexts = map(list, zip(*rows, strict=True))
    return called, questions, contexts


def _wrong(name: str, question: str, context: str, located: Mapping[str, tuple[list[int], np.ndarray]]) -> list[PredictError]:
    """What is wrong with a question."""
    if not question.strip():
        return [PredictError("the question is empty", where=f"question {name!r}", remedy="write it, or leave it out")]
    if not located[context][0]:
        return [PredictError("the paragraph has no word", where=f"question {name!r}", remedy="write it, or leave the question out")]
    return []
