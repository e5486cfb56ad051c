"""Text as tokens and back, running text or padded sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .columns import read_table
from .problem import PredictError
from .subwords import REPLACEMENT, SPECIALS, UNKNOWN, BytePairs, WordPieces

_WORD = re.compile(r" ?\w+| ?[^\w\s]|\s")
_OTHER = re.compile("[^a-z]+")


@runtime_checkable
class Tokenizer(Protocol):
    """Between text and the numbers of its pieces."""

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces."""
        ...

    def decode(self, numbers: list[int]) -> str:
        """The text of some pieces: padding, begin and end stand for nothing, an unknown one for `�`."""
        ...


class Listed:
    """Pieces that are cut by their form, whatever they are, and looked up: characters, and words with the blank before them."""

    def __init__(self, pieces: Sequence[str], cut: Callable[[str], Sequence[str]], *, sentences: bool) -> None:
        self.pieces = ["", REPLACEMENT, "", "", *pieces]
        self.numbers = {piece: number for number, piece in enumerate(pieces, SPECIALS)}
        self.cut, self.sentences = cut, sentences

    def encode(self, text: str) -> list[int]:
        """As Tokenizer.encode."""
        return [self.numbers.get(piece, UNKNOWN) for piece in self.cut(f" {text}" if self.sentences else text)]

    def decode(self, numbers: list[int]) -> str:
        """As Tokenizer.decode."""
        text = "".join([self.pieces[number] for number in numbers])
        return text[1:] if self.sentences and text.startswith(" ") else text


# name of a tokeniser → how it is made from its saved values. One that is not here cannot be exported.
TOKENIZERS: dict[str, Callable[[dict[str, Any]], Tokenizer]] = {
    "characters": lambda fitted: Listed(fitted["alphabet"], list, sentences=False),
    "words": lambda fitted: Listed(fitted["words"], _WORD.findall, sentences=fitted["sentences"]),
    "bpe": BytePairs,
    "wordpiece": WordPieces,
}


def tokenizer_of(preparation: dict[str, Any]) -> Tokenizer:
    """The tokeniser of a preparation."""
    fitted = preparation["tokenizer"]
    return TOKENIZERS[fitted["name"]](fitted)


def formed(text: str, form: str) -> str:
    """Text as it stands, in lower case, or as letters a to z and single spaces."""
    if form == "raw":
        return text
    lower = text.lower()
    return lower if form == "lower" else _OTHER.sub(" ", lower).lstrip(" ")


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names (row numbers) and inputs of sentences: tokens int64 (row, length), 0 after each one's end, and lengths int64 (row,)."""
    fitted, column = preprocessing["preparation"], preprocessing["text"]
    if isinstance(source, Sequence) and not isinstance(source, str) and all(isinstance(each, str) for each in source):
        source = {column: list(source)}
    table = read_table(source, needed=[column])
    called = fitted["column"] if column not in table.columns and fitted["column"] in table.columns else column
    texts = ["" if value is None else str(value) for value in table.column(called).values]
    tokenizer = tokenizer_of(fitted)
    rows = [tokenizer.encode(formed(text, fitted["form"])) for text in texts]
    return [str(row) for row in range(len(rows))], padded(rows, fitted["length"])


def padded(rows: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `length` tokens int64 (row, length), 0 after each one's end, and lengths int64 (row,) of at least 1; longer rows are cut."""
    out = np.zeros((len(rows), length), dtype=np.int64)
    for row, found in zip(out, rows, strict=True):
        row[: len(found)] = found[:length]
    return out, np.array([min(max(len(row), 1), length) for row in rows], dtype=np.int64)


def read_texts(source: Any) -> tuple[list[str], list[str]]:
    """Names and texts: of a file, or texts in a list."""
    if isinstance(source, Sequence) and not isinstance(source, str) and all(isinstance(each, str) for each in source):
        return [str(number) for number in range(len(source))], list(source)
    try:
        text = Path(source).read_text(encoding="utf-8-sig")
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise PredictError(f"this text cannot be read ({error})", where=str(source), remedy="give a text file in UTF-8, or a list of texts") from None
    return [str(source)], [text.replace("\r\n", "\n").replace("\r", "\n")]
