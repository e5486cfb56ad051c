"""Text as numbers: one stream of tokens for language models, padded rows for sentences. Fitted on the training part alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

import numpy as np

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.tokenizers import PAD, Tokenizer, fit_tokenizer, from_json
from sonde.data.split import Selection
from sonde.errors import DataError, Problem, did_you_mean

Form = Literal["raw", "lower", "letters"]
WINDOW: Final = 64  # tokens of a stream that a batch row holds, where the task does not say
LENGTH: Final = 256  # tokens of a sentence that are read at most, where the recipe does not say
_OTHER = re.compile("[^a-z]+")


@dataclass(frozen=True)
class TextPreparation:
    """How the text of `column` becomes tokens.

    `window` is how many tokens of a stream a batch row holds; 0: each row is an example by itself, of at most `length`
    tokens, padded. `form` is what is done to the text first (`formed`).
    """

    column: str
    tokenizer: Tokenizer
    form: Form
    window: int
    length: int

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

    def encode(self, examples: Examples, index: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """(tokens int32 (row, length), PAD after each sentence's end; lengths int32 (row,), at least 1) of the rows `index`."""
        if self.column not in examples.frame.columns:
            found = f"there is no column {self.column!r}, which the model learned from"
            raise DataError(Problem("error", "the data", found, did_you_mean(self.column, examples.frame.columns)))
        values = examples.frame[self.column]
        texts = (values if index is None else values.gather(index)).fill_null("").to_list()
        return padded(*self.tokens(texts), length=self.length)

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
        }

    @staticmethod
    def from_json(table: dict[str, Any]) -> TextPreparation:
        """The inverse of `to_json`."""
        values = {key: value for key, value in table.items() if key not in ("kind", "tokenizer")}
        return TextPreparation(tokenizer=from_json(table["tokenizer"]), **values)


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
) -> TextPreparation:
    """The tokeniser and the longest sentence of the training part. `window`: tokens of a batch row of running text, 0 for sentences.

    The tokeniser is fitted on the texts of the columns `also` too, or it is the one that is given.

    Running text is read by characters unless the recipe says otherwise, sentences by words. Raises DataError where there
    is no text.
    """
    form: Form = data.text_form or "raw"
    texts, *others = [formed(train.examples.frame[name].gather(train.index).fill_null("").to_list(), form) for name in (column, *also)]
    if tokenizer is None:
        options = {key: value for key, value in {"most": data.vocabulary, "floor": data.floor}.items() if value is not None}
        tokenizer = fit_tokenizer(data.tokenizer or ("characters" if window else "words"), [*texts, *chain(*others)], options)
    lengths = tokenizer.encode(texts)[1]
    if not lengths.sum():
        raise DataError(Problem("error", f"column {column!r}", "the training part has no text", "name another column with --text"))
    return TextPreparation(column, tokenizer, form, window, min(int(lengths.max()), data.length or LENGTH))


def _empty(examples: Examples, row: int) -> Problem:
    return Problem("error", f"line {examples.line(row)}", "there is no text", "fill it in, or leave such rows out with --on-error skip", row)
