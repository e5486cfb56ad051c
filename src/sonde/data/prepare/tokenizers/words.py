"""Words as pieces: runs of letters and digits, each other character by itself; a space before a word belongs to it.

So that decoding gives the text back, white space other than the one space before a word is a piece of its own. Of sentences
the first word is read as if a space stood before it, so that it is the same piece as anywhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from sonde.data.prepare.tokenizers import SPECIALS, UNKNOWN

FLOOR: Final = 2  # a word that is rarer in the training part is unknown
_WORD = re.compile(r" ?\w+| ?[^\w\s]|\s")


@dataclass(frozen=True)
class Words:
    """`words`: those that have a piece of their own, the most frequent first. `sentences`: texts begin as if a space stood before them."""

    words: tuple[str, ...]
    sentences: bool = False
    name: ClassVar[str] = "words"

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Specials, then the words."""
        return (*SPECIALS, *self.words)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, len(SPECIALS))}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode."""
        found = _cut(texts, self.sentences)
        numbers = self._numbers
        flat = [numbers.get(word, UNKNOWN) for words in found for word in words]
        return np.array(flat, dtype=np.int32), np.array([len(words) for words in found], dtype=np.int64)

    def decode(self, numbers: Sequence[int]) -> str:
        """As Tokenizer.decode."""
        shown = ("", "\N{REPLACEMENT CHARACTER}", "", "", *self.words)
        text = "".join([shown[number] for number in numbers])
        return text.removeprefix(" ") if self.sentences else text

    def characters(self) -> np.ndarray:
        """As Tokenizer.characters; how long an unknown word is nobody knows, and one character is the least."""
        return np.array([0, 1, 0, 0] + [len(word) for word in self.words], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "words": list(self.words), "sentences": self.sentences}


def _cut(texts: Iterable[str], sentences: bool) -> list[list[str]]:
    return [_WORD.findall(f" {text}" if sentences else text) for text in texts]


def fit(texts: Iterable[str], *, floor: int = FLOOR, most: int | None = None, sentences: bool = False) -> Words:
    """Words that occur at least `floor` times, at most `most` of them; ties in the order of letters."""
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(_WORD.findall(f" {text}" if sentences else text))
    return Words(most_frequent(counted, floor, most), sentences)


def most_frequent(counted: Counter[str], floor: int, most: int | None) -> tuple[str, ...]:
    """Those that were counted at least `floor` times, at most `most`, the most frequent first; ties in the order of letters."""
    return tuple(sorted((word for word, count in counted.items() if count >= floor), key=lambda word: (-counted[word], word))[:most])


def from_json(table: dict[str, Any]) -> Words:
    """The inverse of `to_json`."""
    return Words(tuple(table["words"]), table["sentences"])
