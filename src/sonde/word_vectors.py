"""What a run's word vectors say: the words nearest to a word, sums and differences of words, and questions of analogy.

Vectors are compared by the cosine of the angle between them. a − b + c is computed with vectors of length 1 (Mikolov, Yih and
Zweig 2013; the method that Levy and Goldberg 2014 call 3CosAdd), and the words that are asked about are no answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.prepare.text import TextPreparation, formed
from sonde.errors import DataError, Problem, UsageError, did_you_mean
from sonde.nn.sequence import network_of
from sonde.run import Run

MOST = 30_000  # words among which answers are looked for, the most frequent ones, as the authors' program does
CHUNK = 256  # questions that are answered together


@dataclass(frozen=True)
class WordVectors:
    """`words` in the order of the vocabulary, the most frequent first, and their `vectors` of length 1, a row each."""

    words: tuple[str, ...]
    vectors: Float[Tensor, "word width"]
    preparation: TextPreparation

    def __getitem__(self, word: str) -> Tensor:
        """The vector of a word, of length 1. Raises UsageError, which names the nearest spelling, where there is none."""
        return self.vectors[self._place(word)]

    def neighbours(self, expression: str, count: int = 10) -> list[tuple[str, float]]:
        """The words nearest to `king`, or to `king - man + woman`, with their cosines, the nearest first.

        Signs stand between spaces; the words of the expression are no answers. Raises UsageError for a word without a vector.
        """
        terms = list(_terms(expression))
        places = [self._place(word) for _, word in terms]
        wanted = torch.stack([sign * self.vectors[place] for (sign, _), place in zip(terms, places, strict=True)]).sum(0)
        cosine = self.vectors @ F.normalize(wanted, dim=0)
        cosine[places] = -torch.inf
        found = cosine.topk(min(max(count, 1), len(self.words) - len(set(places))))
        return [(self.words[place], value) for place, value in zip(found.indices.tolist(), found.values.tolist(), strict=True)]

    def analogies(self, questions: Sequence[tuple[str, str, str, str]]) -> tuple[int, int]:
        """(Right, asked): of a is to b as c is to d, how often d is the word nearest to b − a + c, of questions whose words are known.

        Answers are looked for among the MOST most frequent words.
        """
        numbers = {word: place for place, word in enumerate(self.words[:MOST])}
        told = [[numbers.get(self._form(word), -1) for word in question] for question in questions]
        known = torch.tensor([row for row in told if min(row) >= 0], dtype=torch.int64, device=self.vectors.device).view(-1, 4)
        vectors, right = self.vectors[:MOST], 0
        for some in known.split(CHUNK):
            a, b, c, d = some.unbind(1)
            score = F.normalize(vectors[b] - vectors[a] + vectors[c], dim=1) @ vectors.t()
            score.scatter_(1, some[:, :3], -torch.inf)
            right += int((score.argmax(1) == d).sum())
        return right, len(known)

    def _form(self, word: str) -> str:
        return str(formed([word], self.preparation.form)[0]).strip()

    def _place(self, word: str) -> int:
        form = self._form(word)
        if form not in self.words:
            what = f"there is no vector for {word!r}: it is rare in the text that was learned from, or not in it"
            raise UsageError(what, where="--text", remedy=did_you_mean(form, self.words))
        return self.words.index(form)


def word_vectors(run: Run) -> WordVectors:
    """The vectors of a run's words. Raises UsageError where it has learned none."""
    task = run.description["task"]["name"]
    if task != "word-vectors":
        remedy = "train some: sonde train book.txt --task word-vectors"
        raise UsageError(f"this run does {task}, and has no word vectors", where=str(run.path), remedy=remedy)
    preparation = run.preparation
    table = network_of(run.model).vectors
    assert isinstance(table, nn.Embedding)
    places = [place for place, count in enumerate(preparation.around.counts) if count]
    words = tuple(preparation.tokenizer.pieces[place].strip() for place in places)
    # A word before which no space stands, after an apostrophe say, is a piece of its own: the more frequent one is the word.
    first: dict[str, int] = {}
    for word, place in zip(words, places, strict=True):
        first.setdefault(word, place)
    rows = torch.tensor(list(first.values()), device=table.weight.device)
    return WordVectors(tuple(first), F.normalize(table.weight.detach()[rows].float(), dim=1), preparation)


def read_questions(path: Path) -> dict[str, list[tuple[str, str, str, str]]]:
    """Questions by section, of a file in the form of word2vec's questions-words.txt: `: section`, then four words a line.

    Raises DataError that names the line where one is no question.
    """
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    section = ""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem("error", str(path), f"the questions cannot be read: {error}", "give a text file in UTF-8")) from None
    for number, line in enumerate(lines, 1):
        if line.startswith(":"):
            section = line[1:].strip()
        elif line.strip():
            words = line.split()
            if len(words) != 4:
                what = f"{line.strip()!r} is {len(words)} words, and a question is four: a is to b as c is to d"
                raise DataError(Problem("error", f"{path}, line {number}", what, "write Athens Greece Paris France"))
            found.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
    if not found:
        raise DataError(Problem("error", str(path), "there is no question", "write four words a line: Athens Greece Paris France"))
    return found


def _terms(expression: str) -> Iterator[tuple[int, str]]:
    """(±1, word) of each term. Raises UsageError where words and signs do not alternate."""
    pieces = expression.replace("−", "-").split()
    if pieces and pieces[0] not in "+-":
        pieces = ["+", *pieces]
    signs, words = pieces[::2], pieces[1::2]
    if not words or len(signs) != len(words) or any(sign not in ("+", "-") for sign in signs) or any(word in ("+", "-") for word in words):
        what = f"{expression!r} is neither a word nor a sum of words"
        raise UsageError(what, where="--text", remedy='write --text king, or --text "king - man + woman" with spaces around the signs')
    yield from ((1 if sign == "+" else -1, word) for sign, word in zip(signs, words, strict=True))
