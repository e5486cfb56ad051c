"""BERT's pieces (Devlin et al. 2018, section 3): WordPiece over words, marks and Chinese characters, with specials of its own.

A vocabulary comes with published weights (a folder with `tokenizer.json` or `vocab.txt`), or is trained on the training part. The
tokenizers library does the work, with the normaliser and the cuts of the published code: control characters are dropped, white space is
one blank, Chinese characters stand apart, and of uncased vocabularies letters are made small and lose their accents.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from sonde.errors import RecipeError

PADDING, UNKNOWN, BEGIN, SEPARATOR, MASK = SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MOST: Final = 8_000  # pieces that are kept where the recipe does not say
FLOOR: Final = 2
LONGEST: Final = 100  # letters of a word; a longer one is unknown, as in the published code
_CLOSING = re.compile(r" ([.,!?;:%)\]}])")
# A blank with a Chinese character before it, and one or a mark of full width behind; the blocks are those that BERT's normaliser sets apart.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ceaf\U0002f800-\U0002fa1f"
_WIDE = "\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_CHINESE = re.compile(f"(?<=[{_HAN}{_WIDE}]) (?=[{_HAN}{_WIDE}])")
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class BertPieces:
    """`vocabulary`: the pieces, each at its number. `lower`: texts are read in small letters without accents."""

    vocabulary: tuple[str, ...]
    lower: bool = True
    name: ClassVar[str] = "bert"

    @property
    def pieces(self) -> tuple[str, ...]:
        """The vocabulary."""
        return self.vocabulary

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Piece → number."""
        return {piece: number for number, piece in enumerate(self.vocabulary)}

    @property
    def begin(self) -> int:
        """The number of [CLS]."""
        return self.numbers[BEGIN]

    @property
    def separator(self) -> int:
        """The number of [SEP]."""
        return self.numbers[SEPARATOR]

    @property
    def mask(self) -> int:
        """The number of [MASK]."""
        return self.numbers[MASK]

    @property
    def unknown(self) -> int:
        """The number of [UNK]."""
        return self.numbers[UNKNOWN]

    @cached_property
    def library(self) -> tokenizers.Tokenizer:
        """The tokenizers library's form, as BertTokenizerFast has it, specials not added."""
        found = tokenizers.Tokenizer(models.WordPiece(self.numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST))
        found.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=self.lower)
        found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        found.decoder = decoders.WordPiece(prefix="##", cleanup=True)
        found.add_special_tokens([special for special in SPECIALS if special in self.numbers])
        found.encode_special_tokens = True  # "[SEP]" in a text is these letters, and not the end
        return found

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode."""
        found = self.library.encode_batch_fast(_clean(texts), add_special_tokens=False)
        lengths = np.array([len(one) for one in found], dtype=np.int64)
        flat = np.fromiter((number for one in found for number in one.ids), dtype=np.int32, count=int(lengths.sum()))
        return flat, lengths

    def located(self, texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each text the numbers int32 (piece,), and where each piece begins and ends in it, int64 (piece, 2), in characters."""
        found = self.library.encode_batch(_clean(texts), add_special_tokens=False)
        return [(np.array(one.ids, dtype=np.int32), np.array(one.offsets, dtype=np.int64).reshape(-1, 2)) for one in found]

    def decode(self, numbers: Sequence[int]) -> str:
        """Words with single blanks between them, but for Chinese characters; specials give nothing but [UNK], which gives `�`."""
        words = ""
        for number in numbers:
            piece = self.vocabulary[number]
            piece = REPLACEMENT if piece == UNKNOWN else "" if piece in SPECIALS else piece
            words += piece[2:] if piece.startswith("##") else f" {piece}" if piece else ""
        return _CHINESE.sub("", _CLOSING.sub(r"\1", words.lstrip()))

    def characters(self) -> np.ndarray:
        """As Tokenizer.characters; blanks, which are lost, do not count."""
        counts = [0 if piece in SPECIALS else len(piece.removeprefix("##")) for piece in self.vocabulary]
        counts[self.unknown] = 1
        return np.array(counts, dtype=np.int64)

    def published(self) -> str:
        """The library's own JSON, with the specials put round one text and two, as a tokenizer.json of the hub has it."""
        found = tokenizers.Tokenizer.from_str(self.library.to_str())
        found.encode_special_tokens = False
        found.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A {SEPARATOR}",
            pair=f"{BEGIN} $A {SEPARATOR} $B:1 {SEPARATOR}:1",
            special_tokens=[(BEGIN, self.begin), (SEPARATOR, self.separator)],
        )
        return str(found.to_str(pretty=True))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "vocabulary": list(self.vocabulary), "lower": self.lower}


def fit(texts: Iterable[str], *, floor: int = FLOOR, most: int = MOST, sentences: bool = False, lower: bool = True) -> BertPieces:
    """A WordPiece vocabulary of at most `most` pieces, the specials first; letters that occur once have a piece too, as far as there is room.

    `sentences` changes nothing: a text always begins a word.
    """
    normaliser = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lower)
    cut, counts = pre_tokenizers.BertPreTokenizer(), Counter[str]()
    for text in texts:
        counts.update([word for word, _ in cut.pre_tokenize_str(normaliser.normalize_str(*_clean([text])))])
    # Numbered here, as the trainer numbers letters inside words in an order of its own in each process (see subwords.py).
    inside = sorted({f"##{letter}" for word in counts for letter in word[1:]})
    first = [*SPECIALS, *inside[: max(0, most - len(SPECIALS))]]
    trainer = trainers.WordPieceTrainer(vocab_size=most, min_frequency=floor, special_tokens=first, show_progress=False)
    learned = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    learned.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learned.train_from_iterator((" ".join([word] * count) for word, count in sorted(counts.items())), trainer)
    numbers = learned.get_vocab()
    return BertPieces(tuple(sorted(numbers, key=numbers.__getitem__)), lower)


def of_folder(folder: Path) -> BertPieces | None:
    """The vocabulary that stands beside published weights: `tokenizer.json`, else `vocab.txt`; None where there is neither.

    Raises RecipeError for a damaged file, another kind of tokeniser, and a vocabulary without BERT's specials.
    """
    whole, plain, told = folder / "tokenizer.json", folder / "vocab.txt", folder / "tokenizer_config.json"
    try:
        if whole.is_file():
            return _checked(*_of_library(json.loads(whole.read_text(encoding="utf-8")), whole), whole)
        if not plain.is_file():
            return None
        pieces = plain.read_text(encoding="utf-8").split("\n")
        lower = json.loads(told.read_text(encoding="utf-8")).get("do_lower_case", True) if told.is_file() else "cased" not in _plain(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "fetch the folder of the weights again"
        raise RecipeError(f"this vocabulary cannot be read ({error})", where=str(whole if whole.is_file() else plain), remedy=remedy) from None
    return _checked(pieces[:-1] if pieces[-1] == "" else pieces, bool(lower), plain)


def _of_library(table: dict[str, Any], path: Path) -> tuple[list[str], bool]:
    """Pieces and whether they are uncased, from the library's own JSON."""
    kind = table["model"].get("type", "WordPiece")
    if kind != "WordPiece":
        what = f"this tokeniser is a {kind}; BERT's is a WordPiece"
        raise RecipeError(what, where=str(path), remedy="use weights of the BERT family")
    vocabulary = table["model"]["vocab"]
    normaliser = table.get("normalizer") or {}
    return sorted(vocabulary, key=vocabulary.__getitem__), bool(normaliser.get("lowercase", False))


def _checked(pieces: Sequence[str], lower: bool, path: Path) -> BertPieces:
    lacking = [special for special in SPECIALS if special not in set(pieces)]
    if lacking:
        what = f"this vocabulary of {len(pieces):,} pieces has no {', '.join(lacking)}"
        raise RecipeError(what, where=str(path), remedy="use a vocabulary of the BERT family, one piece a line")
    if pieces[0] != PADDING:
        raise RecipeError(f"the first piece is {pieces[0]!r} and not {PADDING}", where=str(path), remedy="use a vocabulary of the BERT family")
    return BertPieces(tuple(pieces), lower)


def _plain(folder: Path) -> str:
    """The folder's name where it tells cased from uncased vocabularies (`bert-base-cased`)."""
    return folder.name.lower().replace("uncased", "")


def _clean(texts: Sequence[str]) -> list[str]:
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]  # lone surrogates are no text to the library


def from_json(table: dict[str, Any]) -> BertPieces:
    """The inverse of `to_json`."""
    return BertPieces(tuple(table["vocabulary"]), table["lower"])
