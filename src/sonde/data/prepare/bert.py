"""Texts, and pairs of texts, as BERT reads them (Devlin et al. 2018, section 3 and figure 4).

    [CLS] first [SEP]                  one text
    [CLS] first [SEP] second [SEP]     two

What is longer than `length` is cut, the longer of the two first; how much was cut is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.masked import COUNTED, Masking
from sonde.data.prepare.tokenizers import from_json
from sonde.data.prepare.tokenizers.bert import FLOOR, MOST, BertPieces, fit
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, did_you_mean

LENGTH: Final = 128  # tokens of a text, its specials included, that are read at most where the recipe does not say
CHUNK: Final = 65_536  # texts that are looked at together


@dataclass(frozen=True)
class BertPreparation:
    """`columns`: of the text, or of the two. `length`: tokens of a row, the specials included.

    `words`: 0, or of lists of words, each of which is told something about, how many of a row are. `masking`: how pieces are masked where
    rows are documents to learn from for pre-training, else None. `stride`: 0, or of questions about paragraphs, which are read through
    windows (questions.py), after how many pieces the next one begins.
    """

    columns: tuple[str, ...]
    pieces: BertPieces
    length: int
    words: int = 0
    masking: Masking | None = None
    stride: int = 0

    @property
    def tokenizer(self) -> BertPieces:
        """The pieces."""
        return self.pieces

    @property
    def sizes(self) -> dict[str, Any]:
        """What the model is built for."""
        return {"vocabulary": len(self.pieces.vocabulary), "length": self.length, "separator": self.pieces.separator, "words": self.words}

    @property
    def normalisation(self) -> dict[str, Any]:
        """Tokens go to the model as they are."""
        return {"kind": "tokens"}

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """(tokens int32 (row, length), [PAD] after each row's end; lengths int32 (row,)) of the rows `index`.

        Of words also the place of the first piece of each, int32 (row, words), 0 after the last and for those past the cut.
        """
        return self._inputs(self._cut(examples, index), examples, index)

    def inspect(self, examples: Examples, index: np.ndarray | None = None) -> tuple[tuple[np.ndarray, ...], list[Problem]]:
        """As `encode`; a row without a single token is a problem."""
        texts = self._cut(examples, index)
        empty = np.flatnonzero(_together(texts) == 0)
        problems = []
        for place in empty:
            row = int(place if index is None else index[place])
            remedy = "fill it in, or leave such rows out with --on-error skip"
            problems.append(Problem("error", f"line {examples.line(row)}", "there is no text", remedy, row))
        return self._inputs(texts, examples, index), problems

    def _inputs(self, texts: list[tuple[np.ndarray, np.ndarray]], examples: Examples, index: np.ndarray | None) -> tuple[np.ndarray, ...]:
        inputs = framed(*texts, pieces=self.pieces, length=self.length)
        if not self.words:
            return inputs
        values = examples.frame[self.columns[0]]
        return (*inputs, first_pieces(self.pieces, values if index is None else values.gather(index), length=self.length, most=self.words))

    def count(self, part: Selection) -> int:
        """About how many pieces the documents of a part have, from its first ones; 0 where rows are examples by themselves."""
        if self.masking is None:
            return 0
        values = part.examples.frame[self.columns[0]].gather(part.index)
        some = values.head(COUNTED)
        characters = int(some.str.len_chars().sum()) or 1
        return round(int(self.pieces.encode(some.to_list())[1].sum()) * int(values.str.len_chars().sum()) / characters)

    def shortened(self, part: Selection) -> int:
        """How many rows of a part are longer than what is read of them; none of what is cut into as many rows as it needs."""
        if self.masking is not None or self.stride:
            return 0
        room = self.length - 1 - len(self.columns)
        return int((_together(self._cut(part.examples, part.index)) > room).sum())

    def describe(self) -> list[dict[str, str]]:
        """The columns and what is done with them."""
        why = f"{'uncased' if self.pieces.lower else 'cased'} WordPiece: {len(self.pieces.vocabulary):,} pieces, {self.length} of a row"
        return [{"name": name, "type": "text", "role": "feature", "why": why} for name in self.columns]

    def encoding(self) -> list[Any]:
        """What the tokens depend on."""
        return ["bert", self.to_json()]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        table = {"kind": "bert", "columns": list(self.columns), "tokenizer": self.pieces.to_json(), "length": self.length, "words": self.words}
        table |= {} if self.masking is None else {"masking": self.masking.to_json()}
        return table | ({"stride": self.stride} if self.stride else {})

    @staticmethod
    def from_json(table: dict[str, Any]) -> BertPreparation:
        """The inverse of `to_json`."""
        pieces = from_json(table["tokenizer"])
        assert isinstance(pieces, BertPieces)
        masking = Masking(**table["masking"]) if "masking" in table else None
        return BertPreparation(tuple(table["columns"]), pieces, table["length"], table["words"], masking, table.get("stride", 0))

    def _cut(self, examples: Examples, index: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each column the pieces of all rows, and how many each row has."""
        found = []
        for name in self.columns:
            if name not in examples.frame.columns:
                what = f"there is no column {name!r}, which the model learned from"
                raise DataError(Problem("error", "the data", what, did_you_mean(name, examples.frame.columns)))
            values = examples.frame[name]
            found.append(cut(self.pieces, values if index is None else values.gather(index)))
        return found


def cut(pieces: BertPieces, values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of a column's rows one after the other, int32, and how many each has, int64; of lists of words those of all their words."""
    if values.dtype != pl.List:
        return pieces.encode(values.fill_null("").to_list())
    flat, of_words = pieces.encode(values.explode().to_list())
    ends = np.concatenate([[0], of_words.cumsum()])
    words = np.concatenate([[0], values.list.len().to_numpy().astype(np.int64).cumsum()])
    return flat, np.diff(ends[words])


def first_pieces(pieces: BertPieces, words: pl.Series, *, length: int, most: int) -> np.ndarray:
    """Where the first piece of each word of some rows stands behind [CLS], int32 (row, most); 0 after the last, and past the cut at `length`.

    A word that has no piece (a control character) stands where the next one does.
    """
    _, of_words = pieces.encode(words.explode().fill_null("").to_list())
    counts = words.list.len().to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    before = np.concatenate([[0], of_words.cumsum()])
    place = 1 + before[:-1] - np.repeat(before[np.cumsum(counts) - counts], counts)
    kept = (number < most) & (place < length - 1)
    out = np.zeros((len(counts), most), dtype=np.int32)
    out[row[kept], number[kept]] = place[kept]
    return out


def framed(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray] | None = None, *, pieces: BertPieces, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows with their specials, int32 (row, length), and lengths int32 (row,). Texts are pieces one after the other, and how many each row has."""
    flat, counts = first
    rows = len(counts)
    out = np.zeros((rows, length), dtype=np.int32)  # [PAD] is number 0
    if second is None:
        kept = np.minimum(counts, length - 2)
    else:
        kept, others = longest_first(counts, second[1], length - 3)
    out[:, 0] = pieces.begin
    _put(out, flat, counts, kept, at=np.ones(rows, dtype=np.int64))
    end = kept + 1
    out[np.arange(rows), end] = pieces.separator
    if second is not None:
        _put(out, *second, others, at=end + 1)
        end = end + others + 1
        out[np.arange(rows), end] = pieces.separator
    return out, (end + 1).astype(np.int32)


def longest_first(first: np.ndarray, second: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """How many pieces of each pair's texts are kept in `room`: the last of the longer one is dropped, again and again.

    Where both end at half of an odd room, the one that was longer keeps the odd piece; of equals the second.
    """
    half = np.where(first > second, room - room // 2, room // 2)
    a = np.minimum(first, np.maximum(room - second, half))
    b = np.minimum(second, room - a)
    return a, b


def _put(out: np.ndarray, flat: np.ndarray, counts: np.ndarray, kept: np.ndarray, *, at: np.ndarray) -> None:
    """Write the first `kept` pieces of each row from its column `at` on."""
    starts = np.cumsum(counts) - counts
    row = np.repeat(np.arange(len(kept)), kept)
    place = np.arange(len(row)) - np.repeat(np.cumsum(kept) - kept, kept)
    out[row, at[row] + place] = flat[starts[row] + place]


def _together(texts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """How many pieces the texts of each row have."""
    return np.sum([lengths for _, lengths in texts], axis=0)


def fit_bert(
    train: Selection, data: recipe.Data, *, columns: Sequence[str], pieces: BertPieces | None = None, masking: Masking | None = None
) -> BertPreparation:
    """The vocabulary, the one that is given or one of the training part, and how many tokens of a row are read.

    Raises DataError where there is no text.
    """
    values = [train.examples.frame[name] for name in columns]
    if pieces is None:
        texts = chain.from_iterable(_texts(some, train.index) for some in values)
        most, floor = data.vocabulary or MOST, FLOOR if data.floor is None else data.floor
        pieces = fit(texts, lower=data.text_form != "raw", most=most, floor=floor)
    longest = 0
    for start in range(0, len(train), CHUNK):
        index = train.index[start : start + CHUNK]
        longest = max(longest, int(_together([cut(pieces, some.gather(index)) for some in values]).max(initial=0)))
    if not longest:
        named = " and ".join(repr(name) for name in columns)
        raise DataError(Problem("error", f"column {named}", "the training part has no text", "name another column with --text"))
    length = min(longest + 1 + len(columns), data.length or LENGTH)
    words = int(values[0].gather(train.index).list.len().max() or 0) if values[0].dtype == pl.List else 0  # type: ignore[arg-type]
    return BertPreparation(tuple(columns), pieces, length, min(words, length - 2), masking)


def _texts(values: pl.Series, index: np.ndarray) -> list[str]:
    chosen = values.gather(index)
    return (chosen.explode() if chosen.dtype == pl.List else chosen).fill_null("").to_list()
