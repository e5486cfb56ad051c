"""Running text as documents of sentences, for tasks that ask what follows what (Devlin et al. 2018, section A.2).

A document is a text of its own: a file, or what stands between blank lines in it. Paragraphs of a book are short, so those that follow
each other are joined until a document has a number of words; so are the sentences of a single file without blank lines. Rows of a table
of texts are a document each.

Sentences are lines, where nearly all lines end as sentences do; else what ends with a full stop, a question or an exclamation mark.
"""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples
from sonde.data.prepare.options import positive
from sonde.data.readers.text import LONG
from sonde.errors import DataError, Problem

WORDS: Final = 100  # of a document, before the next paragraph begins another one, where the task does not say
BY_LINE: Final = 0.8  # share of the lines that end as sentences do from which each line is a sentence
_CLOSED: Final = r"""[.!?…。！？]["'”’)\]]*\s*$"""
_ENDS = re.compile(r"""(?<=[.!?…])(["'”’)\]]*)\s+|(?<=[。！？])""")


def as_documents(content: Content, options: dict[str, Any]) -> Content:
    """`content`, of kind text, with a row a document: `text` holds its sentences, one a line; lines are those on which documents begin.

    `options` are the task's; `document` is the least number of words of a document that is made of paragraphs. Raises DataError where
    there is no sentence.
    """
    least = positive(options, "document", default=WORDS)
    parts = {part: _documents(examples, least, content.origin) for part, examples in content.parts.items()}
    total = sum(map(len, parts.values()))
    return dataclasses.replace(content, parts=parts, reason=f"{content.reason}, {total:,} documents", target=None)


def _documents(examples: Examples, least: int, origin: str) -> Examples:
    texts = examples.frame["text"].fill_null("").to_list()
    lines = np.arange(2, len(texts) + 2) if examples.lines is None else examples.lines
    if any(text.endswith("\n") for text in texts):
        found = _running(texts, lines, least)
    else:
        found = [(sentences_of(text.splitlines()), int(line)) for text, line in zip(texts, lines, strict=True)]
    kept = [("\n".join(sentences), line) for sentences, line in found if sentences]
    if not kept:
        raise DataError(Problem("error", origin, "there is no sentence in this text", "give text with words"))
    frame = pl.DataFrame({"text": [text for text, _ in kept]})
    return Examples(frame, lines=np.array([line for _, line in kept], dtype=np.int64))


def _running(texts: list[str], lines: np.ndarray, least: int) -> list[tuple[list[str], int]]:
    """The documents of files that follow each other, and the line on which each begins."""
    edges = [0, *_files(texts, lines), len(texts)]
    if len(edges) == 2 and all(text.strip() for text in texts):
        return _cut(texts, lines, least)
    found = []
    for begin, end in pairwise(edges):
        by_line = _by_line(texts[begin:end])
        paragraph: list[str] = []
        document: list[str] = []
        words, first = 0, int(lines[begin]) if begin < end else 1
        for number in range(begin, end + 1):
            text = texts[number].strip() if number < end else ""
            if text:
                if not paragraph and not document:
                    first = int(lines[number])
                paragraph.append(text)
                continue
            document += [*paragraph] if by_line else sentences_of(paragraph)
            words += sum(len(line.split()) for line in paragraph)
            paragraph = []
            if words >= least:
                found.append((document, first))
                document, words = [], 0
        if document:  # the end of a file that is shorter than a document
            found.append((document, first))
    return found


def _cut(texts: list[str], lines: np.ndarray, least: int) -> list[tuple[list[str], int]]:
    """A text without blank lines in stretches of whole sentences; each begins on the line on which the first of its sentences may begin."""
    by_line = _by_line(texts)
    sentences = [text.strip() for text in texts] if by_line else sentences_of(texts)
    share = len(lines) / max(len(sentences), 1)
    found: list[tuple[list[str], int]] = []
    document: list[str] = []
    words = 0
    for number, sentence in enumerate(sentences):
        document.append(sentence)
        words += len(sentence.split())
        if words >= least or number + 1 == len(sentences):
            found.append((document, int(lines[int((number + 1 - len(document)) * share)])))
            document, words = [], 0
    return found


def _files(texts: list[str], lines: np.ndarray) -> list[int]:
    """The rows with which another file begins: line numbers start anew. A long line goes on in rows of the same line."""
    anew = np.flatnonzero(lines[1:] <= lines[:-1]) + 1
    return [int(row) for row in anew if lines[row] < lines[row - 1] or len(texts[row - 1]) < LONG]


def _by_line(texts: list[str]) -> bool:
    """Whether each line is a sentence."""
    filled = pl.Series([text for text in texts if text.strip()], dtype=pl.String)
    return len(filled) > 0 and float(filled.str.contains(_CLOSED).mean() or 0) >= BY_LINE  # type: ignore[arg-type]


def sentences_of(lines: list[str]) -> list[str]:
    """The sentences of a paragraph, whatever its lines are; a sentence keeps its mark and what closes with it."""
    text = " ".join(line.strip() for line in lines if line.strip())
    found, begin = [], 0
    for end in _ENDS.finditer(text):
        stop = end.start() + len(end.group(1) or "")
        if text[begin:stop].strip():
            found.append(text[begin:stop].strip())
        begin = end.end()
    return [*found, text[begin:].strip()] if text[begin:].strip() else found
