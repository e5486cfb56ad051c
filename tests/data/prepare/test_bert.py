"""Texts as BERT reads them: pieces, specials, what is cut; vocabularies that come with weights."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation, first_pieces, fit_bert, framed, longest_first
from sonde.data.prepare.tokenizers import fit_tokenizer, from_json
from sonde.data.prepare.tokenizers.bert import SPECIALS, BertPieces, of_folder
from sonde.data.split import Selection
from sonde.errors import DataError, RecipeError

WORDS = ("the", "un", "##aff", "##able", "dog", "!", "中", "国", "creme")
PIECES = BertPieces((*SPECIALS, *WORDS))
CASED = BertPieces((*SPECIALS, "The", "Dog"), lower=False)


def numbers(*pieces: str) -> list[int]:
    return [PIECES.numbers[piece] for piece in pieces]


def selection(frame: pl.DataFrame) -> Selection:
    return Selection(Examples(frame), np.arange(frame.height))


def test_longest_pieces_first() -> None:
    """The example of the published code: unaffable → un ##aff ##able."""
    flat, lengths = PIECES.encode(["The unaffable DOG!", "", "zebra"])
    assert flat.tolist() == numbers("the", "un", "##aff", "##able", "dog", "!", "[UNK]")
    assert lengths.tolist() == [6, 0, 1]


def test_accents_chinese_and_control_characters() -> None:
    flat, lengths = PIECES.encode(["CRÈME", "中国dog", "d\u0000og\t!", "\ud800"])
    assert flat.tolist() == numbers("creme", "中", "国", "dog", "dog", "!", "[UNK]")
    assert lengths.tolist() == [1, 3, 2, 1]
    assert PIECES.decode(numbers("[CLS]", "中", "国", "dog", "[SEP]")) == "中国 dog"


def test_cased_vocabularies_keep_letters() -> None:
    assert CASED.encode(["The the"])[0].tolist() == [CASED.numbers["The"], CASED.unknown]


def test_specials_in_a_text_are_letters() -> None:
    flat, _ = PIECES.encode(["[SEP] dog [MASK]"])
    assert PIECES.separator not in flat.tolist()
    assert PIECES.mask not in flat.tolist()


def test_places_of_the_pieces() -> None:
    ((found, places),) = PIECES.located(["The  unaffable"])
    assert found.tolist() == numbers("the", "un", "##aff", "##able")
    assert places.tolist() == [[0, 3], [5, 7], [7, 10], [10, 14]]


def test_decoding_puts_words_together() -> None:
    flat, _ = PIECES.encode(["the unaffable dog!"])
    assert PIECES.decode(flat.tolist()) == "the unaffable dog!"
    assert from_json(PIECES.to_json()) == PIECES
    assert PIECES.characters().tolist() == [0, 1, 0, 0, 0, 3, 2, 3, 4, 3, 1, 1, 1, 5]


def test_a_vocabulary_of_the_training_part() -> None:
    texts = ["low lower lowest"] * 5 + ["newer wider"] * 3
    fitted = fit_tokenizer("bert", texts, {"most": 40, "floor": 2})
    assert fitted.pieces[:5] == SPECIALS
    assert fitted == fit_tokenizer("bert", iter(texts), {"most": 40, "floor": 2})
    assert 1 not in fitted.encode(texts)[0]


def test_one_text_and_two() -> None:
    a, b = PIECES.encode(["the dog", "dog"]), PIECES.encode(["dog!", "the unaffable"])
    tokens, lengths = framed(a, pieces=PIECES, length=5)
    assert tokens.tolist() == [numbers("[CLS]", "the", "dog", "[SEP]", "[PAD]"), numbers("[CLS]", "dog", "[SEP]", "[PAD]", "[PAD]")]
    assert lengths.tolist() == [4, 3]
    tokens, lengths = framed(a, b, pieces=PIECES, length=7)
    assert tokens[0].tolist() == numbers("[CLS]", "the", "dog", "[SEP]", "dog", "!", "[SEP]")
    assert tokens[1].tolist() == numbers("[CLS]", "dog", "[SEP]", "the", "un", "##aff", "[SEP]")
    assert lengths.tolist() == [7, 7]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30))
def test_of_two_texts_the_longer_is_cut(first: int, second: int, room: int) -> None:
    """One token at a time, as long as both do not fit."""
    a, b = first, second
    while a + b > room:
        a, b = (a - 1, b) if a > b or (a == b and second >= first) else (a, b - 1)
    kept = longest_first(np.array([first]), np.array([second]), room)
    assert (int(kept[0][0]), int(kept[1][0])) == (a, b)


def test_lists_of_words_are_one_text() -> None:
    prep = BertPreparation(("tokens",), PIECES, 8)
    tokens, lengths = prep.encode(Examples(pl.DataFrame({"tokens": [["unaffable", "dog"], ["!"]]})))
    assert tokens[0, :6].tolist() == numbers("[CLS]", "un", "##aff", "##able", "dog", "[SEP]")
    assert lengths.tolist() == [6, 3]


def test_places_of_the_first_pieces() -> None:
    """One a word, behind [CLS]; nothing for words past the cut; a word without a piece stands where the next one does."""
    words = pl.Series([["unaffable", "dog", "!"], ["dog"], ["\u0000", "dog", "dog", "dog", "dog", "dog", "dog"]])
    assert first_pieces(PIECES, words, length=7, most=4).tolist() == [[1, 4, 5, 0], [1, 0, 0, 0], [1, 1, 2, 3]]
    assert first_pieces(PIECES, words, length=5, most=7)[2].tolist() == [1, 1, 2, 3, 0, 0, 0]
    frame = pl.DataFrame({"tokens": words})
    prep = fit_bert(selection(frame), recipe.Data(), columns=("tokens",), pieces=PIECES)
    assert (prep.length, prep.words) == (8, 6)
    tokens, lengths, places = prep.encode(Examples(frame))
    for row, values in enumerate(words.to_list()):
        for word, place in zip(values, places[row].tolist(), strict=False):
            if word != "\u0000" and place:
                assert place < lengths[row] - 1
                assert tokens[row, place] == PIECES.encode([word])[0][0]


def test_fitting_and_back() -> None:
    frame = pl.DataFrame({"text": ["the dog", "the the dog dog"], "second": ["dog", "!"]})
    prep = fit_bert(selection(frame), recipe.Data(), columns=("text", "second"), pieces=PIECES)
    assert (prep.length, prep.sizes) == (8, {"vocabulary": 14, "length": 8, "separator": 3, "words": 0})
    assert BertPreparation.from_json(json.loads(json.dumps(prep.to_json()))) == prep
    assert prep.shortened(selection(frame)) == 0
    short = fit_bert(selection(frame), recipe.Data(length=6), columns=("text", "second"), pieces=PIECES)
    assert short.shortened(selection(frame)) == 1


def test_rows_without_text_are_problems() -> None:
    prep = BertPreparation(("text",), PIECES, 8)
    _, (problem,) = prep.inspect(Examples(pl.DataFrame({"text": ["dog", " "]})))
    assert str(problem.where) == "line 3"
    assert problem.found == "there is no text"
    with pytest.raises(DataError, match="the training part has no text"):
        fit_bert(selection(pl.DataFrame({"text": [" ", ""]})), recipe.Data(), columns=("text",), pieces=PIECES)
    with pytest.raises(DataError, match="there is no column 'text'"):
        prep.encode(Examples(pl.DataFrame({"txt": ["dog"]})))


def test_the_vocabulary_of_a_folder(tmp_path: Path) -> None:
    assert of_folder(tmp_path) is None
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES.vocabulary) + "\n", encoding="utf-8")
    assert of_folder(tmp_path) == PIECES
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert of_folder(tmp_path) == BertPieces(PIECES.vocabulary, lower=False)
    (tmp_path / "tokenizer.json").write_text(PIECES.library.to_str(), encoding="utf-8")
    assert of_folder(tmp_path) == PIECES


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("vocab.txt", "a\nb\n", r"this vocabulary of 2 pieces has no \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ("vocab.txt", "a\n" + "\n".join(SPECIALS), r"the first piece is 'a' and not \[PAD\]"),
        ("tokenizer.json", "{", "this vocabulary cannot be read"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {}}}', "this tokeniser is a BPE; BERT's is a WordPiece"),
    ],
)
def test_vocabularies_that_are_none(tmp_path: Path, file: str, text: str, found: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=found):
        of_folder(tmp_path)


def test_equal_to_transformers() -> None:
    """Numbers and places, specials and cuts."""
    library = pytest.importorskip("transformers")
    lines = ["The unaffable dog!", "中国 dog", "Ｆｕｌｌ　width", "😀 עברית", " \n ", "", "x" * 101, "a\u200bb\u0000c"]
    theirs = library.BertTokenizerFast(vocab={piece: number for number, piece in enumerate(PIECES.vocabulary)})
    right = theirs(lines, add_special_tokens=False, return_offsets_mapping=True)
    for (found, places), ids, offsets in zip(PIECES.located(lines), right["input_ids"], right["offset_mapping"], strict=True):
        assert found.tolist() == ids
        assert places.tolist() == [list(offset) for offset in offsets]
    for length in (7, 8):
        right = theirs(lines, lines[::-1], max_length=length, truncation=True, padding="max_length")
        tokens, lengths = framed(PIECES.encode(lines), PIECES.encode(lines[::-1]), pieces=PIECES, length=length)
        assert tokens.tolist() == right["input_ids"]
        assert lengths.tolist() == [sum(mask) for mask in right["attention_mask"]]


def test_equal_to_transformers_on_real_lines(sonde_data: Path) -> None:
    """10,000 lines of reviews, tweets, plays and other alphabets, with the published vocabulary."""
    library = pytest.importorskip("transformers")
    folder = sonde_data / "bert_vocab"
    pieces = of_folder(folder)
    assert pieces is not None
    assert len(pieces.vocabulary) == 30_522
    files = [sonde_data / "sst2" / "train.tsv", sonde_data / "sick" / "SICK_train.txt", *sorted((sonde_data / "xquad").glob("*.json"))]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").split("\n")[:7_000]]
    french = gzip.decompress((sonde_data / "multi30k" / "train.fr.gz").read_bytes()).decode()
    lines += french.split("\n")[: max(0, 10_000 - len(lines))]
    assert len(lines) >= 10_000
    right = library.BertTokenizerFast(str(folder / "vocab.txt"))(lines, add_special_tokens=False, return_offsets_mapping=True)
    for (found, places), ids, offsets in zip(pieces.located(lines), right["input_ids"], right["offset_mapping"], strict=True):
        assert found.tolist() == ids
        assert places.tolist() == [list(offset) for offset in offsets]
