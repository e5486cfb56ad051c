"""BERT's pieces for NumPy alone (Devlin et al. 2018, section 3): a text is brought into one form, cut into words and marks, and these into pieces.

What becomes of each character stands in preprocessing.json, as the run's library has it (see subwords.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .subwords import BLANKS, WORDS, LongestFirst, code_points, kinds_of, spans_of

POINTS = 0x110000  # Unicode's code points
# Hangul syllables come apart by counting: their first letter, their vowel, and mostly a last one (the Unicode standard, section 3.12).
_SYLLABLES, _FIRSTS, _VOWELS, _LASTS = 0xAC00, 0x1100, 0x1161, 0x11A7
_SYLLABLE_COUNT, _VOWEL_COUNT, _LAST_COUNT = 11_172, 21, 28


class BertPieces:
    """What the run's BertPieces does. `fitted` has `vocabulary`, `lower`, `marks`, and what stands under `form`."""

    def __init__(self, fitted: dict[str, Any]) -> None:
        self.vocabulary: list[str] = fitted["vocabulary"]
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        self.begin, self.separator, self.unknown = numbers["[CLS]"], numbers["[SEP]"], numbers["[UNK]"]
        self.form, self.of_word = NormalForm(fitted["form"], lower=fitted["lower"]), LongestFirst(numbers, self.unknown)
        self.kinds = kinds_of("x", {"!": fitted["marks"], " ": [[point, point] for point in BLANKS]})

    def encode(self, text: str) -> list[int]:
        """The numbers of the pieces."""
        codes, _ = self.form(text)
        return [number for word, _, _ in self._words(codes) for number in self.of_word(word)]

    def located(self, text: str) -> tuple[list[int], np.ndarray]:
        """The numbers of the pieces, and where each begins and ends in the text, int64 (piece, 2), in characters."""
        codes, places = self.form(text)
        numbers: list[int] = []
        spans: list[tuple[int, int]] = []
        for word, begin, end in self._words(codes):
            found = self.of_word(word)
            numbers += found
            at = begin
            for number in found:
                # An unknown word is one piece; in a word, pieces begin with two signs that do not stand there.
                size = end - begin if number == self.unknown else len(self.vocabulary[number]) - (2 if at > begin else 0)
                spans.append((at, at + size - 1))
                at += size
        ends = np.array(spans, dtype=np.int64).reshape(-1, 2)
        return numbers, places[ends] + np.array([0, 1]) if len(ends) else ends

    def _words(self, codes: np.ndarray) -> list[tuple[str, int, int]]:
        """Words and marks, and where they begin and end."""
        text = codes.tobytes().decode("utf-32-le")
        return [(text[begin:end], begin, end) for begin, end in spans_of(codes, self.kinds, WORDS)]


class NormalForm:
    """Control characters go, white space is blanks, Chinese characters stand apart; with `lower`, letters are small and without accents."""

    def __init__(self, form: dict[str, Any], *, lower: bool) -> None:
        self.clean = kinds_of("x", {"-": form["gone"], " ": form["blanks"], "+": form["apart"]})
        self.lower = lower
        if lower:
            self.apart, self.small = _Replacing(form["parts"] | _hangul()), _Replacing(form["small"])
            self.ranks = np.zeros(POINTS, dtype=np.uint8)
            for rank, ranges in enumerate(form["ranks"], start=1):
                for first, last in ranges:
                    self.ranks[first : last + 1] = rank
            self.accents = kinds_of("x", {"-": form["accents"]}) == ord("-")

    def __call__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The code points of the form, uint32 (character,), and the character of the text that each comes from, int64 (character,)."""
        codes = code_points(text.encode("utf-8", "replace").decode("utf-8"))  # half of a pair of UTF-16 is read as `?`
        kinds, places = self.clean[codes], np.arange(len(codes))
        kept = kinds != ord("-")
        kinds, codes, places = kinds[kept], np.where(kinds[kept] == ord(" "), np.uint32(32), codes[kept]), places[kept]
        alone = kinds == ord("+")
        if alone.any():
            count = np.where(alone, 3, 1)
            middle = np.cumsum(count) - np.where(alone, 2, 1)
            spread = np.full(int(count.sum()), 32, dtype=np.uint32)
            spread[middle] = codes
            codes, places = spread, places.repeat(count)
        return self._lowered(codes, places) if self.lower else (codes, places)

    def _lowered(self, codes: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes, source, inside = self.apart(codes)
        ranks = self.ranks[codes]
        if ranks.any():  # marks behind one letter have an order of their own; those of one rank keep theirs
            order = np.lexsort((ranks, np.cumsum(ranks == 0)))
            codes, inside = codes[order], inside[order]
            # As in the library, of the moved ones the first comes from where the first stood.
            source = np.cumsum(inside == 0) - 1
        kept = ~self.accents[codes]
        codes, places = codes[kept], places[source[kept]]
        codes, source, _ = self.small(codes)
        return codes, places[source]


class _Replacing:
    """Single characters replaced by several."""

    def __init__(self, replaced: Mapping[str, str]) -> None:
        self.count, self.start = np.ones(POINTS, dtype=np.uint8), np.full(POINTS, -1, dtype=np.int32)
        points = np.array([ord(character) for character in replaced], dtype=np.int64)
        sizes = np.array([len(text) for text in replaced.values()], dtype=np.int64)
        self.count[points], self.start[points] = sizes, np.cumsum(sizes) - sizes
        self.flat = code_points("".join(replaced.values()))

    def __call__(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The new characters, which of `codes` each comes from, and its place in what that becomes."""
        count = self.count[codes]
        source = np.arange(len(codes)).repeat(count)
        inside = np.arange(len(source)) - (np.cumsum(count, dtype=np.int64) - count)[source]
        codes = codes[source]
        start = self.start[codes]
        changed = start >= 0
        codes[changed] = self.flat[(start + inside)[changed]]
        return codes, source, inside


def _hangul() -> dict[str, str]:
    """Syllables and the letters that they are made of."""
    found = {}
    for number in range(_SYLLABLE_COUNT):
        rest, last = divmod(number, _LAST_COUNT)
        first, vowel = divmod(rest, _VOWEL_COUNT)
        letters = chr(_FIRSTS + first) + chr(_VOWELS + vowel)
        found[chr(_SYLLABLES + number)] = letters + chr(_LASTS + last) if last else letters
    return found
