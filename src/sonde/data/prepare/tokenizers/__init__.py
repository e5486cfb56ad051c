"""Text to numbers and back: characters, words, and subwords. A tokeniser is fitted on the training part and kept in the run folder."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from sonde.errors import RecipeError, did_you_mean

# The first pieces of every vocabulary, in this order.
PAD: Final = 0
UNKNOWN: Final = 1
BEGIN: Final = 2
END: Final = 3
SPECIALS: Final = ("<pad>", "<unk>", "<bos>", "<eos>")

# name → the module that holds it and its function `fit(texts, *, floor, most, sentences)`; `from_json(table)` stands beside.
TOKENIZERS: dict[str, str] = {
    "characters": "sonde.data.prepare.tokenizers.characters:fit",
    "words": "sonde.data.prepare.tokenizers.words:fit",
    "bpe": "sonde.data.prepare.tokenizers.subwords:fit_bpe",
    "wordpiece": "sonde.data.prepare.tokenizers.subwords:fit_wordpiece",
    "tokens": "sonde.data.prepare.tokenizers.tokens:fit",
    "bert": "sonde.data.prepare.tokenizers.bert:fit",
}


@runtime_checkable
class Tokenizer(Protocol):
    """Between text and the numbers of its pieces."""

    @property
    def name(self) -> str:
        """The name in TOKENIZERS."""
        ...

    @property
    def pieces(self) -> Sequence[str]:
        """The vocabulary: piece i has number i; SPECIALS first, of BERT its own."""
        ...

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the pieces of all texts one after the other, int32, and how many each text has, int64. No special is added."""
        ...

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of some pieces. Padding, begin and end give nothing; an unknown piece gives `�`."""
        ...

    def characters(self) -> np.ndarray:
        """int64 (piece,): how many characters of text each piece stands for; 0 for padding, begin and end, 1 for an unknown one."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads."""
        ...


def fit_tokenizer(name: str, texts: Iterable[str], options: dict[str, Any]) -> Tokenizer:
    """The tokeniser `name` fitted on `texts`, which are looked at once and may be more than fit in memory.

    `options`: `floor` (rarer pieces are left out), `most` (pieces that are kept) and `sentences` (each text begins a word, so that
    its first word is the same piece as anywhere else). Raises RecipeError for a name that does not exist.
    """
    if name not in TOKENIZERS:
        raise RecipeError(f"there is no tokeniser {name!r}", where="data.tokenizer", remedy=did_you_mean(name, TOKENIZERS))
    module, _, fit = TOKENIZERS[name].partition(":")
    tokenizer: Tokenizer = getattr(importlib.import_module(module), fit)(texts, **options)
    return tokenizer


def from_json(table: dict[str, Any]) -> Tokenizer:
    """The inverse of `to_json`."""
    tokenizer: Tokenizer = importlib.import_module(TOKENIZERS[table["name"]].partition(":")[0]).from_json(table)
    return tokenizer
