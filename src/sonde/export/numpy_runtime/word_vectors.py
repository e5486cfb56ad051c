"""Word vectors: the words nearest to a word, and to sums and differences of words (Mikolov, Yih and Zweig 2013)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .problem import PredictError
from .text import formed, read_texts

NEIGHBOURS = 10


class WordVectors:
    """What `load` gives for word vectors. `words` in the order of the vocabulary, the most frequent first; `vectors` float32 (word, width) of
    length 1."""

    def __init__(self, vectors: np.ndarray, preprocessing: dict[str, Any]) -> None:
        self.vectors, self.preprocessing = vectors, preprocessing
        self.words: list[str] = preprocessing["words"]
        self.places = {word: place for place, word in enumerate(self.words)}

    def __getitem__(self, word: str) -> np.ndarray:
        """The vector of a word, of length 1."""
        vector: np.ndarray = self.vectors[self._place(word)]
        return vector

    def neighbours(self, expression: str, count: int = NEIGHBOURS) -> list[tuple[str, float]]:
        """The words nearest to `king`, or to `king - man + woman`, with their cosines, the nearest first; signs stand between spaces."""
        terms = list(_terms(expression))
        places = [self._place(word) for _, word in terms]
        wanted = np.sum([sign * self.vectors[place] for (sign, _), place in zip(terms, places, strict=True)], axis=0)
        cosine = self.vectors @ (wanted / max(float(np.linalg.norm(wanted)), 1e-12))
        cosine[places] = -np.inf
        best = np.argsort(-cosine, kind="stable")[: min(max(count, 1), len(self.words) - len(set(places)))]
        return [(self.words[place], float(cosine[place])) for place in best]

    def predict(self, source: Any) -> dict[str, Any]:
        """The nearest words of each expression, a row each: `near`, `word`, `cosine`. `source`: expressions, or a text file with one a line."""
        if isinstance(source, (list, tuple)):
            asked = list(source)
        else:
            asked = [line for line in read_texts(source)[1][0].split("\n") if line.strip()]
        rows = [(expression, word, cosine) for expression in asked for word, cosine in self.neighbours(expression)]
        return {name: [row[place] for row in rows] for place, name in enumerate(("near", "word", "cosine"))}

    def _place(self, word: str) -> int:
        form = formed(word, self.preprocessing["form"]).strip()
        if form not in self.places:
            what = f"there is no vector for {word!r}: it is rare in the text that was learned from, or not in it"
            raise PredictError(what, where="the text", remedy=f"the most frequent words are {', '.join(self.words[:5])}")
        return self.places[form]


def _terms(expression: str) -> Iterator[tuple[int, str]]:
    """(±1, word) of each term."""
    pieces = expression.replace("\N{MINUS SIGN}", "-").split()
    if pieces and pieces[0] not in "+-":
        pieces = ["+", *pieces]
    signs, words = pieces[::2], pieces[1::2]
    if not words or len(signs) != len(words) or any(sign not in ("+", "-") for sign in signs) or any(word in ("+", "-") for word in words):
        found = f"{expression!r} is neither a word nor a sum of words"
        raise PredictError(found, where="the text", remedy="write king, or king - man + woman with spaces around the signs")
    yield from ((1 if sign == "+" else -1, word) for sign, word in zip(signs, words, strict=True))
