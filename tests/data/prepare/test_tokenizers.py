"""Tokenisers: every text comes back where it can, characters add up, equal texts give equal pieces."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.prepare.tokenizers import BEGIN, END, PAD, SPECIALS, TOKENIZERS, UNKNOWN, Tokenizer, fit_tokenizer, from_json
from sonde.data.prepare.tokenizers.bert import SPECIALS as BERT_SPECIALS
from sonde.data.prepare.tokenizers.tokens import form_of
from sonde.errors import RecipeError

TEXTS = ["The quick brown fox jumps over the lazy dog.\n", "\n", "Zürich ist größer als Oslo, die Füchse sind schnell.\n", "the dog, the fox\n"] * 3
FITTED = {(name, sentences): fit_tokenizer(name, TEXTS, {"sentences": sentences}) for name in TOKENIZERS for sentences in (False, True)}
LOSSLESS = [(name, sentences) for name, sentences in FITTED if name in ("characters", "words", "bpe")]


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.pieces[number] for number in tokenizer.encode([text])[0]]


@pytest.mark.parametrize("key", FITTED)
def test_what_all_have_in_common(key: tuple[str, bool]) -> None:
    tokenizer = FITTED[key]
    assert tokenizer.name == key[0]
    assert tuple(tokenizer.pieces[:4]) == (BERT_SPECIALS[:4] if key[0] == "bert" else SPECIALS)  # by other names, in the same places
    assert len(set(tokenizer.pieces)) == len(tokenizer.pieces) == len(tokenizer.characters())
    flat, lengths = tokenizer.encode(TEXTS)
    assert (flat.dtype, lengths.dtype, lengths.sum()) == (np.int32, np.int64, len(flat))
    apart = [tokenizer.encode([text])[0] for text in TEXTS]
    assert np.array_equal(np.concatenate(apart), flat)
    assert [len(one) for one in apart] == lengths.tolist()
    assert not np.isin(flat, [PAD, BEGIN, END]).any()
    assert tokenizer.decode([PAD, BEGIN, END]) == ""
    assert tokenizer.decode([UNKNOWN]).strip() == "�"
    assert tokenizer.characters()[:4].tolist() == [0, 1, 0, 0]
    again = from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert np.array_equal(again.encode(TEXTS)[0], flat)
    assert list(again.pieces) == list(tokenizer.pieces)
    assert [len(array) for array in tokenizer.encode([])] == [0, 0]


@pytest.mark.parametrize("key", LOSSLESS)
def test_known_texts_come_back_whole(key: tuple[str, bool]) -> None:
    tokenizer = fit_tokenizer(key[0], TEXTS, {"sentences": key[1], "floor": 1})
    for text in [*TEXTS, *([" the  fox\n\n"] if key[0] != "words" else [])]:
        numbers = tokenizer.encode([text])[0]
        assert tokenizer.decode(numbers.tolist()) == text
        first = " " if key[1] and key[0] != "characters" else ""
        assert tokenizer.characters()[numbers].sum() == len(first + text)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_bytes_know_every_text(text: str) -> None:
    for sentences in (False, True):
        tokenizer = FITTED["bpe", sentences]
        numbers = tokenizer.encode([text])[0]
        assert tokenizer.decode(numbers.tolist()) == text
        assert UNKNOWN not in numbers
        assert tokenizer.characters()[numbers].sum() == len(text) + sentences


@given(st.text(alphabet="The quickbrownfxjmpsvlazydg.\nzü\N{WAVY DASH}"))
@settings(max_examples=200, deadline=None)
def test_characters_change_what_they_do_not_know_alone(text: str) -> None:
    tokenizer = FITTED["characters", False]
    expected = text.replace("\N{WAVY DASH}", "�").replace("c", "c")
    assert tokenizer.decode(tokenizer.encode([text])[0].tolist()) == expected


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_words_cut_a_text_without_losing_a_letter(text: str) -> None:
    tokenizer = fit_tokenizer("words", [text], {"floor": 1})
    assert tokenizer.decode(tokenizer.encode([text])[0].tolist()) == text


@given(st.text(alphabet="the foxdg,."))
@settings(max_examples=100, deadline=None)
def test_wordpiece_reads_what_it_wrote(text: str) -> None:
    tokenizer = FITTED["wordpiece", False]
    numbers = tokenizer.encode([text])[0].tolist()
    if UNKNOWN not in numbers:
        assert re.sub(r"\s", "", tokenizer.decode(numbers)) == re.sub(r"\s", "", text)
        assert tokenizer.characters()[numbers].sum() == len(re.sub(r"\s", "", text))


def test_the_first_word_of_a_sentence_is_the_same_piece_as_anywhere() -> None:
    for name in ("words", "bpe"):
        tokenizer = FITTED[name, True]
        first, later = pieces(tokenizer, "the fox"), pieces(tokenizer, "dog the fox")
        assert later[-len(first) :] == first
    assert pieces(FITTED["words", False], "the fox")[0] == "the"


@pytest.mark.parametrize("name", ["characters", "words", "bpe", "wordpiece", "tokens"])
def test_floor_and_most(name: str) -> None:
    texts = ["aa", "aa", "aa", "bb", "bb", "cc"]
    floor = fit_tokenizer(name, texts, {"floor": 3})
    known = "".join(floor.pieces[4:])
    assert "a" in known
    if name in ("characters", "words", "tokens"):
        assert "c" not in floor.pieces
        assert "cc" not in floor.pieces
        most = fit_tokenizer(name, texts, {"floor": 1, "most": 2})
        assert not {"c", "cc"} & set(most.pieces)
        assert {"b", "bb"} & set(most.pieces)
    else:
        room = len(floor.pieces)
        assert len(fit_tokenizer(name, texts, {"most": room - 1}).pieces) < room


def test_names_of_specials_in_a_text_are_letters() -> None:
    for name in ("bpe", "wordpiece", "characters"):
        numbers = fit_tokenizer(name, ["<eos> and <pad>"] * 3, {}).encode(["<eos><pad>"])[0]
        assert not np.isin(numbers, [PAD, UNKNOWN, BEGIN, END]).any()


def test_lone_surrogates_pass() -> None:
    for name in TOKENIZERS:
        fit_tokenizer(name, ["a\ud800b"], {}).encode(["a\ud800b"])


TRAIN = """
import json, sys
from sonde.data.prepare.tokenizers import fit_tokenizer
texts = json.load(sys.stdin)
print(json.dumps([fit_tokenizer(name, texts, {}).to_json() for name in ("bpe", "wordpiece")]))
"""


def test_equal_texts_give_equal_pieces_in_every_process() -> None:
    words = np.random.default_rng(0).choice(list("abcdefgh"), size=(400, 5))
    texts = [" ".join("".join(word) for word in words[start : start + 8]) for start in range(0, 400, 8)]
    found: list[Any] = []
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", TRAIN], input=json.dumps(texts), capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        found.append(json.loads(run.stdout))
    assert found[0] == found[1] == [fit_tokenizer(name, texts, {}).to_json() for name in ("bpe", "wordpiece")]


@pytest.mark.parametrize(
    ("token", "form"),
    [
        ("http://t.co/x", "<address>"), ("a@b.org", "<address>"), ("@paul", "<@name>"), ("#news", "<#topic>"), ("12:30", "<digits>"),
        ("3rd", "<digits and letters>"), ("NASA", "<CAPITALS>"), ("Oslo", "<Capital>"), ("I", "<Capital>"), ("well-known", "<letters-letters>"),
        ("...", "<marks>"), ("running", "<-ing>"), ("word", "<word>"), ("s", "<word>"), ("größer", "<word>"),
    ],
)  # fmt: skip
def test_forms_of_tokens(token: str, form: str) -> None:
    assert form_of(token) == form
    assert pieces(FITTED["tokens", True], token) == [form]


def test_an_unknown_tokeniser() -> None:
    with pytest.raises(RecipeError, match=r"there is no tokeniser 'word'\n  → did you mean 'words'\?"):
        fit_tokenizer("word", TEXTS, {})
