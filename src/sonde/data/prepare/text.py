"""Text as numbers: one stream of tokens for language models, padded rows for sentences. Fitted on the training part alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.data.prepare.tokenizers import PAD, Tokenizer, fit_tokenizer, from_json
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, RecipeError, did_you_mean

Form = Literal["raw", "lower", "letters"]
WINDOW: Final = 64  # tokens of a stream that a batch row holds, where the task does not say
COUNTED: Final = 1_000  # rows whose tokens are counted to know about how many a text has
LENGTH: Final = 256  # tokens of a sentence that are read at most, where the recipe does not say
CHUNK: Final = 65_536  # texts that are looked at together
_OTHER = re.compile("[^a-z]+")


@dataclass(frozen=True)
class TextPreparation:
    """How the text of `column` becomes tokens.

    `window` is how many tokens of a stream a batch row holds; 0: each row is an example by itself, of at most `length`
    tokens, padded. `form` is what is done to the text first (`formed`). `around`: what a word of running text is learned from, where
    its vector is; else None.
    """

    column: str
    tokenizer: Tokenizer
    form: Form
    window: int
    length: int
    around: Neighbourhood | None = None

    @property
    def sizes(self) -> dict[str, Any]:
        """What the model is built for."""
        return {"vocabulary": len(self.tokenizer.pieces), "length": self.window or self.length}

    @property
    def normalisation(self) -> dict[str, Any]:
        """Tokens go to the model as they are."""
        return {"kind": "tokens"}

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the pieces of all texts, int32, and how many each has, int64."""
        return self.tokenizer.encode(formed(texts, self.form))

    def count(self, part: Selection) -> int:
        """About how many tokens of running text a part has, from its first rows; 0 where each row is an example by itself."""
        if not self.window:
            return 0
        values = part.examples.frame[self.column].gather(part.index).fill_null("")
        first = values.head(COUNTED)
        characters = int(first.str.len_chars().sum()) or 1
        return round(int(self.tokens(first.to_list())[1].sum()) * int(values.str.len_chars().sum()) / characters)

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """(tokens int32 (row, length), PAD after each sentence's end; lengths int32 (row,), at least 1) of the rows `index`."""
        if self.column not in examples.frame.columns:
            found = f"there is no column {self.column!r}, which the model learned from"
            raise DataError(Problem("error", "the data", found, did_you_mean(self.column, examples.frame.columns)))
        values = examples.frame[self.column]
        values = values if index is None else values.gather(index)
        if values.dtype == pl.List:
            return padded(self.tokens(values.explode().to_list())[0], values.list.len().to_numpy().astype(np.int64), length=self.length)
        return padded(*self.tokens(values.fill_null("").to_list()), length=self.length)

    def inspect(self, examples: Examples, index: np.ndarray | None = None) -> tuple[tuple[np.ndarray, ...], list[Problem]]:
        """As `encode`; a sentence without a single token is a problem."""
        inputs = self.encode(examples, index)
        rows = np.flatnonzero((inputs[0] == PAD).all(1))
        return inputs, [_empty(examples, int(row if index is None else index[row])) for row in rows]

    def describe(self) -> list[dict[str, str]]:
        """The column and what is done with it."""
        first = {"raw": "", "lower": "in lower case, ", "letters": "letters a to z alone, "}[self.form]
        why = f"{first}{self.tokenizer.name}: {len(self.tokenizer.pieces):,} pieces"
        return [{"name": self.column, "type": "text", "role": "feature", "why": why}]

    def encoding(self) -> list[Any]:
        """What the tokens depend on."""
        return ["text", self.to_json()]

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        return {
            "kind": "text",
            "column": self.column,
            "tokenizer": self.tokenizer.to_json(),
            "form": self.form,
            "window": self.window,
            "length": self.length,
        } | ({} if self.around is None else {"around": self.around.to_json()})

    @staticmethod
    def from_json(table: dict[str, Any]) -> TextPreparation:
        """The inverse of `to_json`."""
        values = {key: value for key, value in table.items() if key not in ("kind", "tokenizer", "around")}
        around = Neighbourhood.from_json(table["around"]) if "around" in table else None
        return TextPreparation(tokenizer=from_json(table["tokenizer"]), around=around, **values)


def formed(texts: Sequence[str], form: Form) -> Sequence[str]:
    """Texts in the form that is tokenised.

    `raw`: as they stand. `lower`: in lower case. `letters`: a to z and single spaces, the 27 characters of Shannon (1951).
    """
    if form == "raw":
        return texts
    lower = [text.lower() for text in texts]
    return lower if form == "lower" else [_OTHER.sub(" ", text).lstrip(" ") for text in lower]


def padded(flat: np.ndarray, lengths: np.ndarray, *, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `length` tokens, int32 (row, length), the rest of each PAD, and lengths int32 (row,) of at least 1; longer rows are cut."""
    starts = np.cumsum(lengths) - lengths
    kept = np.minimum(lengths, length)
    place = np.arange(length)
    inside = place < kept[:, None]
    out = np.full((len(lengths), length), PAD, dtype=np.int32)
    out[inside] = flat[(starts[:, None] + place)[inside]]
    return out, np.maximum(kept, 1).astype(np.int32)


def fit_text(
    train: Selection,
    data: recipe.Data,
    *,
    column: str,
    window: int,
    also: tuple[str, ...] = (),
    tokenizer: Tokenizer | None = None,
    sentences: bool | None = None,
) -> TextPreparation:
    """The tokeniser and the longest sentence of the training part. `window`: tokens of a batch row of running text, 0 for sentences.

    The tokeniser is fitted on the texts of the columns `also` too, or it is the one that is given. `sentences`: whether each row
    begins a word (None: where rows are sentences).

    Running text is read by characters unless the recipe says otherwise, sentences by words, lists of tokens as they stand. Raises
    DataError where there is no text.
    """
    form: Form = data.text_form or "raw"
    given = train.examples.frame[column].dtype == pl.List
    if tokenizer is None:
        name = data.tokenizer or ("tokens" if given else "characters" if window else "words")
        if given != (name == "tokens"):
            what = "tokens with tags are read as they stand" if given else "only tokens that are given are read as they stand"
            raise RecipeError(f"{what}, and not by the tokeniser {name!r}", where="data.tokenizer", remedy="leave out --tokenizer")
        options = {"most": data.vocabulary, "floor": data.floor, "sentences": not window if sentences is None else sentences}
        texts = chain(*(_texts(train, name, form) for name in (column, *also)))
        tokenizer = fit_tokenizer(name, texts, {key: value for key, value in options.items() if value is not None})
    longest = 0
    for some in _chunks(train, column):
        lengths = some.list.len().to_numpy() if given else tokenizer.encode(formed(some.to_list(), form))[1]
        longest = max(longest, int(lengths.max(initial=0)))
        if window:  # of running text it is enough to know that there is some
            longest = int(lengths.sum())
            if longest:
                break
    if not longest:
        raise DataError(Problem("error", f"column {column!r}", "the training part has no text", "name another column with --text"))
    return TextPreparation(column, tokenizer, form, window, window or min(longest, data.length or LENGTH))


def token_counts(prep: TextPreparation, train: Selection) -> np.ndarray:
    """int64 (piece,): how often each piece of the vocabulary stands in the training part."""
    counts = np.zeros(len(prep.tokenizer.pieces), dtype=np.int64)
    for some in _chunks(train, prep.column):
        counts += np.bincount(prep.tokens(some.to_list())[0], minlength=len(counts))
    return counts


def _chunks(train: Selection, column: str) -> Iterator[pl.Series]:
    """The training part's values, some at a time, as all of them may be more than fit in memory."""
    values = train.examples.frame[column]
    for start in range(0, len(train), CHUNK):
        some = values.gather(train.index[start : start + CHUNK])
        yield some if some.dtype == pl.List else some.fill_null("")


def _texts(train: Selection, column: str, form: Form) -> Iterator[str]:
    for some in _chunks(train, column):
        yield from formed((some.explode() if some.dtype == pl.List else some).to_list(), form)


def _empty(examples: Examples, row: int) -> Problem:
    return Problem("error", f"line {examples.line(row)}", "there is no text", "fill it in, or leave such rows out with --on-error skip", row)
