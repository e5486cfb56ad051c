"""Sentences whose every token is told a tag: tokens as they stand, and those that are not known by their form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .problem import PredictError
from .subwords import SPECIALS
from .text import padded, read_texts

# Files with a token a line, whose first column it is, and blank lines between sentences.
SUFFIXES = (".conll", ".conll2003", ".iob", ".iob2", ".bio", ".bioes", ".ner", ".annotated")
# What a token that is not known looks like; the first form that matches holds.
FORMS = (
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
ENDINGS = ("ing", "ed", "ly", "s")
PLAIN = "<word>"
PIECES = (*(name for name, _ in FORMS), PLAIN, *(f"<-{ending}>" for ending in ENDINGS))
# An address, a word with what joins its parts, or one mark: how a text is cut that has no tokens of its own.
_TOKEN = re.compile(r"https?://\S+|[@#]?\w+(?:[-.'’]\w+)*|[^\w\s]")


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names (row numbers) and inputs: tokens int64 (row, length), 0 after each sentence's end, and lengths int64 (row,).

    `source`: texts, lists of tokens, rows with either, a file with a token a line, or one with a text a line.
    """
    fitted = preprocessing["preparation"]
    known = {piece: number for number, piece in enumerate((*PIECES, *fitted["tokenizer"]["words"]), SPECIALS)}
    sentences = sentences_of(source, preprocessing["text"])
    rows = [[known[token] if token in known and token not in PIECES else known[form_of(token)] for token in tokens] for tokens in sentences]
    return [str(row) for row in range(len(rows))], padded(rows, fitted["length"])


def form_of(token: str) -> str:
    """One of PIECES: what a token looks like."""
    for name, pattern in FORMS:
        if name == "<Capital>" and not token[:1].isupper():
            continue
        if pattern.match(token):
            return name
    return next((f"<-{ending}>" for ending in ENDINGS if token.endswith(ending) and len(token) > len(ending) + 1), PLAIN)


def sentences_of(source: Any, column: str) -> list[list[str]]:
    """The tokens of each sentence, of whatever `encode` takes."""
    return [_TOKEN.findall(each) if isinstance(each, str) else list(each) for each in _sentences(source, column)]


def _sentences(source: Any, column: str) -> list[Any]:
    """Each sentence as a text, or as a list of tokens."""
    if isinstance(source, (str, Path)):
        (text,) = read_texts(source)[1]
        if Path(source).suffix.lower() in SUFFIXES:
            lines = [line for line in text.split("\n") if not line.startswith("-DOCSTART-")]
            blocks = "\n".join(line if line.strip() else "" for line in lines).split("\n\n")
            return [[line.split("\t" if "\t" in line else None)[0] for line in block.split("\n") if line] for block in blocks if block.strip()]
        return [line for line in text.split("\n") if line.strip()]
    if not isinstance(source, Sequence):
        remedy = "give texts, lists of tokens, or a file"
        raise PredictError(f"sentences cannot be read from {type(source).__name__}", where="the data", remedy=remedy)
    for row, each in enumerate(source):
        if isinstance(each, Mapping) and column not in each:
            found = f"there is no column {column!r}, which the model learned from"
            raise PredictError(found, where=f"row {row}", remedy="the columns here are " + ", ".join(map(str, each)))
    return [each[column] if isinstance(each, Mapping) else each for each in source]
