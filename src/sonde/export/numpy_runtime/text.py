"""Text as tokens and back: characters or words, running text or padded sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .columns import read_table
from .problem import PredictError

SPECIALS = 4  # padding, unknown, begin and end are the first pieces of every vocabulary
UNKNOWN = 1
_WORD = re.compile(r" ?\w+| ?[^\w\s]|\s")
_OTHER = re.compile("[^a-z]+")


def pieces(tokenizer: dict[str, Any]) -> list[str]:
    """What each token stands for in a text; padding, begin and end for nothing, an unknown one for `�`."""
    return ["", "\N{REPLACEMENT CHARACTER}", "", "", *(tokenizer["alphabet"] if tokenizer["name"] == "characters" else tokenizer["words"])]


def tokens_of(text: str, fitted: dict[str, Any]) -> np.ndarray:
    """The numbers of a text's pieces, int64. `fitted`: the preparation, with its tokeniser and the form of the text."""
    tokenizer = fitted["tokenizer"]
    cut = CUTS[tokenizer["name"]](formed(text, fitted["form"]), tokenizer)
    known = {piece: number for number, piece in enumerate(pieces(tokenizer)) if number >= SPECIALS}
    return np.array([known.get(piece, UNKNOWN) for piece in cut], dtype=np.int64)


def formed(text: str, form: str) -> str:
    """Text as it stands, in lower case, or as letters a to z and single spaces."""
    if form == "raw":
        return text
    lower = text.lower()
    return lower if form == "lower" else _OTHER.sub(" ", lower).lstrip(" ")


def _words(text: str, tokenizer: dict[str, Any]) -> list[str]:
    return _WORD.findall(f" {text}" if tokenizer.get("sentences") else text)


# name of a tokeniser → text in pieces. One that is not here cannot be exported.
CUTS: dict[str, Callable[[str, dict[str, Any]], Sequence[str]]] = {"characters": lambda text, _: text, "words": _words}


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names (row numbers) and inputs of sentences: tokens int64 (row, length), 0 after each one's end, and lengths int64 (row,)."""
    fitted, column = preprocessing["preparation"], preprocessing["text"]
    if isinstance(source, Sequence) and not isinstance(source, str) and all(isinstance(each, str) for each in source):
        source = {column: list(source)}
    table = read_table(source, needed=[column])
    called = fitted["column"] if column not in table.columns and fitted["column"] in table.columns else column
    texts = ["" if value is None else str(value) for value in table.column(called).values]
    rows = [tokens_of(text, fitted)[: fitted["length"]] for text in texts]
    out = np.zeros((len(rows), fitted["length"]), dtype=np.int64)
    for row, found in zip(out, rows, strict=True):
        row[: len(found)] = found
    return [str(row) for row in range(len(rows))], (out, np.array([max(len(row), 1) for row in rows], dtype=np.int64))


def read_texts(source: Any) -> tuple[list[str], list[str]]:
    """Names and texts: of a file, or texts in a list."""
    if isinstance(source, Sequence) and not isinstance(source, str) and all(isinstance(each, str) for each in source):
        return [str(number) for number in range(len(source))], list(source)
    try:
        text = Path(source).read_text(encoding="utf-8-sig")
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise PredictError(f"this text cannot be read ({error})", where=str(source), remedy="give a text file in UTF-8, or a list of texts") from None
    return [str(source)], [text.replace("\r\n", "\n").replace("\r", "\n")]
