"""Subwords as pieces, trained on the training part: byte-pair encoding, and WordPiece.

`bpe` (Sennrich, Haddow and Birch 2016) on bytes (Radford et al. 2019): every text has pieces, and decoding gives it back.
`wordpiece` (Schuster and Nakajima 2012; Devlin et al. 2019): words are cut into pieces that go on with `##`; blanks are
not kept, so decoding gives words with single blanks between them.

Both are trained and run by the tokenizers library, which is as fast as its Rust; equal texts give equal pieces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from sonde.data.prepare.tokenizers import SPECIALS, UNKNOWN

MOST: Final = 8_000  # pieces that are kept where the recipe does not say
FLOOR: Final = 2  # a pair of pieces that is rarer is not joined
_CLOSING = re.compile(r" ([.,!?;:%)\]}])")
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a piece of bytes: itself where it is printed, else one from 256 on (Radford et al. 2019)."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + place): byte for place, byte in enumerate(others)}


@dataclass(frozen=True)
class Subwords:
    """`table`: the trained tokeniser in the library's own JSON. `sentences`: each text begins a word, as if a blank stood before it."""

    name: Literal["bpe", "wordpiece"]
    table: str
    sentences: bool = False

    @cached_property
    def _trained(self) -> tokenizers.Tokenizer:
        trained = tokenizers.Tokenizer.from_str(self.table)
        trained.encode_special_tokens = True  # "<eos>" in a text is these letters, and not the end
        return trained

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Specials, then the pieces as the library writes them."""
        numbers = self._trained.get_vocab(with_added_tokens=True)
        return tuple(sorted(numbers, key=numbers.__getitem__))

    @cached_property
    def _bytes(self) -> list[bytes]:
        """The bytes of each piece."""
        letters = _byte_letters()
        specials = [b"", REPLACEMENT.encode(), b"", b""]
        return specials + [bytes(letters[letter] for letter in piece) for piece in self.pieces[len(SPECIALS) :]]

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode."""
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]  # lone surrogates are no text to the library
        given = [f" {text}" for text in texts] if self.sentences and self.name == "bpe" else texts
        found = self._trained.encode_batch_fast(given, add_special_tokens=False)
        lengths = np.array([len(one) for one in found], dtype=np.int64)
        flat = np.fromiter((number for one in found for number in one.ids), dtype=np.int32, count=int(lengths.sum()))
        return flat, lengths

    def decode(self, numbers: Sequence[int]) -> str:
        """As Tokenizer.decode. Bytes that are no UTF-8 give `�`, as a text that was cut inside a letter does."""
        if self.name == "bpe":
            text = b"".join([self._bytes[number] for number in numbers]).decode("utf-8", "replace")
            return text.removeprefix(" ") if self.sentences else text
        words = ""
        for number in numbers:
            piece = REPLACEMENT if number == UNKNOWN else "" if number < len(SPECIALS) else self.pieces[number]
            words += piece[2:] if piece.startswith("##") else f" {piece}" if piece else ""
        return _CLOSING.sub(r"\1", words.lstrip())

    def characters(self) -> np.ndarray:
        """As Tokenizer.characters. A piece of bytes counts the letters that begin in it; WordPiece's blanks, which it loses, do not count."""
        if self.name == "bpe":
            counts = [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self._bytes]
        else:
            counts = [len(piece.removeprefix("##")) for piece in self.pieces]
        return np.array([0, 1, 0, 0, *counts[len(SPECIALS) :]], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "table": self.table, "sentences": self.sentences}


def fit_bpe(texts: Iterable[str], *, floor: int = FLOOR, most: int = MOST, sentences: bool = False) -> Subwords:
    """Joins the commonest pair of pieces again and again, from the 256 bytes on, until there are `most` pieces."""
    trained = tokenizers.Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=most,
        min_frequency=floor,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(_byte_letters()),
        show_progress=False,
    )
    given = (f" {text}" for text in texts) if sentences else texts
    trained.train_from_iterator(_clean(given), trainer)
    return Subwords("bpe", trained.to_str(), sentences)


def fit_wordpiece(texts: Iterable[str], *, floor: int = FLOOR, most: int = MOST, sentences: bool = False) -> Subwords:
    """Words and marks as BERT cuts them, then pieces of words; a word with a letter that is not in the training part is unknown."""
    cut, counts = pre_tokenizers.BertPreTokenizer(), Counter[str]()
    for text in _clean(texts):
        counts.update([word for word, _ in cut.pre_tokenize_str(text)])
    # The trainer numbers letters inside words as it meets the words, in an order of its own in each process, and ties go by
    # these numbers. So the letters are numbered here, as if they were special.
    inside = sorted({f"##{letter}" for word in counts for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=most, min_frequency=floor, special_tokens=[*SPECIALS, *inside[: max(0, most - len(SPECIALS))]], show_progress=False
    )
    learned = tokenizers.Tokenizer(models.WordPiece(unk_token=SPECIALS[UNKNOWN]))
    learned.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learned.train_from_iterator((" ".join([word] * count) for word, count in sorted(counts.items())), trainer)
    trained = tokenizers.Tokenizer(models.WordPiece(learned.get_vocab(), unk_token=SPECIALS[UNKNOWN]))
    trained.pre_tokenizer = cut
    trained.add_special_tokens(list(SPECIALS))
    return Subwords("wordpiece", trained.to_str(), sentences)


def _clean(texts: Iterable[str]) -> Iterable[str]:
    return (text.encode("utf-8", "replace").decode("utf-8") for text in texts)


def from_json(table: dict[str, Any]) -> Subwords:
    """The inverse of `to_json`."""
    return Subwords(table["name"], table["table"], table["sentences"])
