"""Characters as pieces: the vocabulary is every character of the training part, in the order of their code points."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from sonde.data.prepare.tokenizers import SPECIALS, UNKNOWN

CHUNK: Final = 65_536  # texts that are counted at a time


@dataclass(frozen=True)
class Characters:
    """`alphabet`: the characters that have a piece of their own."""

    alphabet: str
    name: ClassVar[str] = "characters"

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Specials, then the alphabet."""
        return (*SPECIALS, *self.alphabet)

    @cached_property
    def _numbers(self) -> np.ndarray:
        """int32 (code point,): the piece of each character up to the largest known one, and one more for all beyond."""
        points = _points(self.alphabet)
        table = np.full(int(points.max(initial=0)) + 2, UNKNOWN, dtype=np.int32)
        table[points] = np.arange(len(SPECIALS), len(SPECIALS) + len(points))
        return table

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode. No Python loop over characters."""
        points = _points("".join(texts))
        return self._numbers[np.minimum(points, len(self._numbers) - 1)], np.array([len(text) for text in texts], dtype=np.int64)

    def decode(self, numbers: Sequence[int]) -> str:
        """As Tokenizer.decode."""
        shown = ("", "\N{REPLACEMENT CHARACTER}", "", "", *self.alphabet)
        return "".join([shown[number] for number in numbers])

    def characters(self) -> np.ndarray:
        """As Tokenizer.characters."""
        return np.array([0, 1, 0, 0] + [1] * len(self.alphabet), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "alphabet": self.alphabet}


def _points(text: str) -> np.ndarray:
    """The code points of a text, uint32. Lone surrogates, which broken files give, pass."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def fit(texts: Iterable[str], *, floor: int = 1, most: int | None = None, sentences: bool = False) -> Characters:
    """Every character that occurs at least `floor` times, at most `most` of them, the commonest first to be kept."""
    counts: Counter[int] = Counter()
    waiting = iter(texts)
    while some := list(itertools.islice(waiting, CHUNK)):
        points, times = np.unique(_points("".join(some)), return_counts=True)
        counts.update(dict(zip(points.tolist(), times.tolist(), strict=True)))
    kept = sorted((point for point, count in counts.items() if count >= floor), key=lambda point: (-counts[point], point))[:most]
    return Characters(np.array(sorted(kept), dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass"))


def from_json(table: dict[str, Any]) -> Characters:
    """The inverse of `to_json`."""
    return Characters(table["alphabet"])
