"""Texts, pairs of texts and words as BERT reads them (Devlin et al. 2018, figure 4): `[CLS] first [SEP]`, `[CLS] first [SEP] second [SEP]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .bert_pieces import BertPieces
from .columns import Table, read_table
from .graph import Graph
from .problem import PredictError, raise_all
from .tables import names
from .tagged import sentences_of
from .text import read_texts

PLAIN = (".txt", ".text")  # files with a text a line
TOKENS = 2**13  # that go into the graph at a time, about


def encode(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], tuple[np.ndarray, ...]]:
    """Names, and inputs: tokens int64 (row, length), 0 after each one's end, and lengths int64 (row,).

    Of words also the place of the first piece of each, int64 (row, word), 0 after the last and for those past the cut. `source` of texts:
    a table's path or rows, a list of texts (of pairs, a list of pairs), a text file with a text a line; of words as tagged.py takes it.

    Raises PredictError for missing columns and rows without text.
    """
    fitted = preprocessing["preparation"]
    pieces = BertPieces(fitted["tokenizer"])
    if fitted["words"]:
        sentences = sentences_of(source, preprocessing["text"] or fitted["columns"][0])
        called = [str(row) for row in range(len(sentences))]
        return called, _words(pieces, sentences, length=fitted["length"], most=fitted["words"])
    called, columns = _texts(source, preprocessing)
    numbers = [[pieces.encode(text) for text in column] for column in columns]
    _refuse_empty([sum(map(len, row)) for row in zip(*numbers, strict=True)])
    return called, framed(numbers, pieces, length=fitted["length"])


def framed(numbers: Sequence[Sequence[Sequence[int]]], pieces: BertPieces, *, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with their specials, int64 (row, length), and lengths int64 (row,), from the pieces of the texts of one column or two."""
    rows = []
    for texts in zip(*numbers, strict=True):
        if len(texts) == 1:
            kept = [min(len(texts[0]), length - 2)]
        else:
            kept = longest_first(len(texts[0]), len(texts[1]), length - 3)
        row = [pieces.begin]
        for text, count in zip(texts, kept, strict=True):
            row += [*text[:count], pieces.separator]
        rows.append(row)
    return filled_up(rows, length)


def filled_up(rows: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows as int64 (row, length), 0 after each one's end, and how long they are, int64 (row,)."""
    out = np.zeros((len(rows), length), dtype=np.int64)
    for place, row in zip(out, rows, strict=True):
        place[: len(row)] = row
    return out, np.array([len(row) for row in rows], dtype=np.int64)


def longest_first(first: int, second: int, room: int) -> list[int]:
    """How many pieces of two texts are kept in `room`: the last of the longer one is dropped, again and again.

    Where both end at half of an odd room, the one that was longer keeps the odd piece; of equals the second.
    """
    half = room - room // 2 if first > second else room // 2
    kept = min(first, max(room - second, half))
    return [kept, min(second, room - kept)]


def in_batches(graph: Graph, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
    """The graph's output for rows of tokens, those of about one length together, so that little is padding.

    An output for each token has −∞ where there was none.
    """
    tokens, lengths, *others = inputs
    if not len(tokens):  # the shape of the answer is that of one row
        return graph.run(*(np.ones((1, *each.shape[1:]), dtype=each.dtype) for each in inputs))[0][:0]
    out: np.ndarray | None = None
    order, start = np.argsort(-lengths, kind="stable"), 0
    while start < len(order):
        step = max(2, int(lengths[order[start]]))
        rows = order[start : start + max(1, TOKENS // step)]
        (found,) = graph.run(tokens[rows, :step], lengths[rows], *(each[rows] for each in others))
        each_token = found.ndim == 3 and not others
        if out is None:
            shape = (tokens.shape[1], *found.shape[2:]) if each_token else found.shape[1:]
            out = np.full((len(tokens), *shape), -np.inf, dtype=found.dtype)
        if each_token:
            out[rows, :step] = found
        else:
            out[rows] = found
        start += len(rows)
    assert out is not None
    return out


def _words(pieces: BertPieces, sentences: Sequence[Sequence[str]], *, length: int, most: int) -> tuple[np.ndarray, ...]:
    """Tokens, lengths and places of first pieces; a word that has no piece (a control character) stands where the next one does."""
    cut = [[pieces.encode(word) for word in words] for words in sentences]
    texts = [[number for word in words for number in word] for words in cut]
    _refuse_empty([len(text) for text in texts])
    places = np.zeros((len(cut), most), dtype=np.int64)
    for row, words in zip(places, cut, strict=True):
        begins = 1 + np.cumsum([0, *(len(word) for word in words[: most - 1])])[: len(words)]
        row[: len(begins)] = np.where(begins < length - 1, begins, 0)
    return (*framed([texts], pieces, length=length), places)


def _texts(source: Any, preprocessing: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Names, and the texts of each column that the model reads."""
    standard: list[str] = preprocessing["preparation"]["columns"]
    told: str = preprocessing["text"] or ",".join(standard)
    wanted = [told] if len(standard) == 1 else [name.strip() for name in told.split(",")]
    if isinstance(source, (str, Path)) and len(wanted) == 1 and Path(source).suffix.lower() in PLAIN:
        lines = [line for line in read_texts(source)[1][0].split("\n") if line.strip()]
        if lines and wanted[0] not in lines[0].split("\t"):
            return [str(row) for row in range(len(lines))], [lines]
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes)) and len(source):
        if len(wanted) == 1 and all(isinstance(each, str) for each in source):
            source = {wanted[0]: list(source)}
        elif len(wanted) == 2 and all(isinstance(each, (tuple, list)) and len(each) == 2 for each in source):
            source = dict(zip(wanted, map(list, zip(*source, strict=True)), strict=True))
    table = read_table(source, needed=wanted)
    if not set(wanted) <= set(table.columns):
        # Rows of the run's own data have its names; a single column is the text, whatever it is called.
        wanted = standard if set(standard) <= set(table.columns) else list(table.columns) if len(table.columns) == len(wanted) == 1 else wanted
    columns = [["" if value is None else str(value) for value in table.column(name).values] for name in wanted]
    _refuse_blank(table, wanted, columns)
    return names(table, preprocessing["id"]), columns


def _refuse_blank(table: Table, wanted: Sequence[str], columns: Sequence[Sequence[str]]) -> None:
    remedy = "fill it in, or leave such rows out"
    raise_all(
        [
            PredictError("there is no text", where=f"{table.where}, line {table.lines[row]}, column {name!r}", remedy=remedy)
            for name, column in zip(wanted, columns, strict=True)
            for row, text in enumerate(column)
            if not text.strip()
        ]
    )


def _refuse_empty(counts: Sequence[int]) -> None:
    """What has no piece: nothing, or control characters alone."""
    remedy = "fill it in, or leave such rows out"
    raise_all([PredictError("there is no text", where=f"row {row}", remedy=remedy) for row, count in enumerate(counts) if not count])
