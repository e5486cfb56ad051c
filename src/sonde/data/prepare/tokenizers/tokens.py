"""Tokens that are given, each a piece by itself; those that are not in the vocabulary are read by their form.

The forms are those of Bikel, Schwartz and Weischedel (1999, table 3.1), made shorter: a name that was never seen is still one
with a capital letter, a number, or an address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from sonde.data.prepare.tokenizers import SPECIALS
from sonde.data.prepare.tokenizers.words import FLOOR, most_frequent

# What a token that is not known looks like; the first form that matches holds.
FORMS: Final = (
    ("<address>", re.compile(r"(https?:|www\.)|\S+@\S+\.\S+", re.IGNORECASE)),
    ("<@name>", re.compile(r"@\w")),
    ("<#topic>", re.compile(r"#\w")),
    ("<digits>", re.compile(r"[\d.,:/-]*\d[\d.,:/-]*$")),
    ("<digits and letters>", re.compile(r"\S*\d")),
    ("<CAPITALS>", re.compile(r"[^\W\d_a-z]{2,}$")),
    ("<Capital>", re.compile(r"[^\W\d_][^\W\d_]*$")),  # told from small letters below
    ("<letters-letters>", re.compile(r"\w+[-'’.]\S*$")),
    ("<marks>", re.compile(r"[^\w]+$")),
)
_ENDINGS: Final = ("ing", "ed", "ly", "s")
PLAIN: Final = "<word>"
PIECES: Final = (*(name for name, _ in FORMS), PLAIN, *(f"<-{ending}>" for ending in _ENDINGS))


def form_of(token: str) -> str:
    """One of PIECES: what a token looks like."""
    for name, pattern in FORMS:
        if name == "<Capital>" and not token[:1].isupper():
            continue
        if pattern.match(token):
            return name
    return next((f"<-{ending}>" for ending in _ENDINGS if token.endswith(ending) and len(token) > len(ending) + 1), PLAIN)


@dataclass(frozen=True)
class Tokens:
    """`words`: the tokens that have a piece of their own, the most frequent first."""

    words: tuple[str, ...]
    name: ClassVar[str] = "tokens"

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Specials, forms, then the tokens."""
        return (*SPECIALS, *PIECES, *self.words)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, len(SPECIALS) + len(PIECES))}

    @cached_property
    def _forms(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(PIECES, len(SPECIALS))}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode; each text is a token, and has one piece."""
        numbers, forms = self._numbers, self._forms
        found = [numbers[text] if text in numbers else forms[form_of(text)] for text in texts]
        return np.array(found, dtype=np.int32), np.ones(len(found), dtype=np.int64)

    def decode(self, numbers: Sequence[int]) -> str:
        """The tokens with blanks between them; forms give `�`, as the token that had the form is not known."""
        shown = ["", "\N{REPLACEMENT CHARACTER}", "", ""] + ["\N{REPLACEMENT CHARACTER}"] * len(PIECES) + list(self.words)
        return " ".join([shown[number] for number in numbers if shown[number]])

    def characters(self) -> np.ndarray:
        """As Tokenizer.characters; a form counts one."""
        return np.array([0, 1, 0, 0] + [1] * len(PIECES) + [len(word) for word in self.words], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "words": list(self.words)}


def fit(texts: Iterable[str], *, floor: int = FLOOR, most: int | None = None, sentences: bool = False) -> Tokens:
    """Tokens that occur at least `floor` times, at most `most` of them; ties in the order of letters."""
    return Tokens(most_frequent(Counter(texts), floor, most))


def from_json(table: dict[str, Any]) -> Tokens:
    """The inverse of `to_json`."""
    return Tokens(tuple(table["words"]))
