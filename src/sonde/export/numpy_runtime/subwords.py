"""Subwords for NumPy alone: byte-pair encoding and WordPiece, run from the tables that the run's tokeniser has learned.

Which characters are letters, numbers and marks stands in preprocessing.json, as the run's library has it: tables of Unicode grow with the
years, and a text would be cut elsewhere by Python's own.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import numpy as np

SPECIALS = 4  # padding, unknown, begin and end are the first pieces of every vocabulary
UNKNOWN = 1
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
BLANKS = (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)  # Unicode's White_Space
LONGEST = 100  # a word of more letters is unknown to WordPiece
# Words with the blank before them, as GPT-2 cuts them (Radford et al. 2019), of a text whose characters stand for their kinds.
_BYTE_WORDS = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII)
WORDS = re.compile("!|x+")  # a mark, or what stands between marks and blanks (Devlin et al. 2019)
_CLOSING = re.compile(r" ([.,!?;:%)\]}])")


def byte_letters() -> dict[int, str]:
    """The letter that stands for each byte: itself where it is printed, else one from 256 on (Radford et al. 2019)."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def kinds_of(others: str, ranges: dict[str, list[list[int]]]) -> np.ndarray:
    """uint8 (code point,): an ASCII character that stands for the kind of each; `ranges` have first and last code points by it."""
    kinds = np.full(0x110000, ord(others), dtype=np.uint8)
    for kind, found in ranges.items():
        for first, last in found:
            kinds[first : last + 1] = ord(kind)
    return kinds


def spans_of(codes: np.ndarray, kinds: np.ndarray, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    """Where the parts begin and end at which the text of the kinds of some characters (code points) matches."""
    return [found.span() for found in pattern.finditer(kinds[codes].tobytes().decode("ascii"))]


def code_points(text: str) -> np.ndarray:
    """Of each character, uint32."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _cut(text: str, kinds: np.ndarray, pattern: re.Pattern[str]) -> list[str]:
    """The parts of a text at which the text of its characters' kinds matches."""
    return [text[begin:end] for begin, end in spans_of(code_points(text), kinds, pattern)]


class BytePairs:
    """Byte-pair encoding (Sennrich, Haddow and Birch 2016) on bytes: in each word the pair that was learned first is joined, again and again."""

    def __init__(self, fitted: dict[str, Any]) -> None:
        model = json.loads(fitted["table"])["model"]
        self.sentences: bool = fitted["sentences"]
        self.numbers: dict[str, int] = model["vocab"]
        self.rank = {tuple(pair): place for place, pair in enumerate(model["merges"])}
        self.letters = byte_letters()
        known = {letter: byte for byte, letter in self.letters.items()}
        written = sorted(self.numbers, key=self.numbers.__getitem__)[SPECIALS:]
        self.bytes = [b"", REPLACEMENT.encode(), b"", b"", *(bytes(known[letter] for letter in piece) for piece in written)]
        self.kinds = kinds_of("!", {"x": fitted["letters"], "0": fitted["numbers"], "\t": [[point, point] for point in BLANKS]})
        for kept in "' abcdefghijklmnopqrstuvwxyz":  # that the pattern names
            self.kinds[ord(kept)] = ord(kept)
        self.seen: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """The numbers of the pieces."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        return [number for word in _cut(f" {text}" if self.sentences else text, self.kinds, _BYTE_WORDS) for number in self._word(word)]

    def _word(self, word: str) -> list[int]:
        if word not in self.seen:
            pieces = [letter for letter in map(self.letters.__getitem__, word.encode()) if letter in self.numbers]
            while len(pieces) > 1:
                ranks = [self.rank.get(pair, len(self.rank)) for pair in itertools.pairwise(pieces)]
                place = ranks.index(min(ranks))
                if ranks[place] == len(self.rank):
                    break
                pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
            self.seen[word] = [self.numbers[piece] for piece in pieces]
        return self.seen[word]

    def decode(self, numbers: list[int]) -> str:
        """The text of some pieces; bytes that are no UTF-8 give `�`."""
        text = b"".join([self.bytes[number] for number in numbers]).decode("utf-8", "replace")
        return text[1:] if self.sentences and text.startswith(" ") else text


class LongestFirst:
    """WordPiece of single words (Schuster and Nakajima 2012): the longest piece that is known, then of the rest, whose pieces begin with `##`.

    A word of which a part is not known, or of more than LONGEST letters, is one unknown piece.
    """

    def __init__(self, numbers: dict[str, int], unknown: int) -> None:
        self.numbers, self.unknown = numbers, unknown
        self.seen: dict[str, list[int]] = {}

    def __call__(self, word: str) -> list[int]:
        """The numbers of a word's pieces."""
        if word not in self.seen:
            self.seen[word] = self._pieces(word) if len(word) <= LONGEST else [self.unknown]
        return self.seen[word]

    def _pieces(self, word: str) -> list[int]:
        found, start = [], 0
        while start < len(word):
            before = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if before + word[start:end] in self.numbers)
            end = next(ends, None)
            if end is None:
                return [self.unknown]
            found.append(self.numbers[before + word[start:end]])
            start = end
        return found


class WordPieces:
    """WordPiece over words and marks."""

    def __init__(self, fitted: dict[str, Any]) -> None:
        numbers: dict[str, int] = json.loads(fitted["table"])["model"]["vocab"]
        self.pieces, self.of_word = sorted(numbers, key=numbers.__getitem__), LongestFirst(numbers, UNKNOWN)
        self.kinds = kinds_of("x", {"!": fitted["marks"], " ": [[point, point] for point in BLANKS]})

    def encode(self, text: str) -> list[int]:
        """The numbers of the pieces."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        return [number for word in _cut(text, self.kinds, WORDS) for number in self.of_word(word)]

    def decode(self, numbers: list[int]) -> str:
        """Words with single blanks between them, as blanks are not kept."""
        words = ""
        for number in numbers:
            piece = REPLACEMENT if number == UNKNOWN else "" if number < SPECIALS else self.pieces[number]
            words += piece[2:] if piece.startswith("##") else f" {piece}" if piece else ""
        return _CLOSING.sub(r"\1", words.lstrip())
