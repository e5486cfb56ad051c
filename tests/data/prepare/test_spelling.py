"""The text of tokens one by one is the text of all at once, and takes as long as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.data.prepare.tokenizers import TOKENIZERS, UNKNOWN, fit_tokenizer
from sonde.data.prepare.tokenizers.characters import Characters
from sonde.data.prepare.tokenizers.spelling import Spelling

TEXTS = ["The quick brown fox jumps over the lazy dog.\n", "Zürich (groß), 東京!\n", "the dog, the fox\n"] * 3
FITTED = {(name, sentences): fit_tokenizer(name, TEXTS, {"sentences": sentences}) for name in TOKENIZERS for sentences in (False, True)}


@pytest.mark.parametrize("key", FITTED)
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_pieces_add_up_to_the_whole(key: tuple[str, bool], data: Any) -> None:
    tokenizer = FITTED[key]
    tokens = data.draw(st.lists(st.integers(4, len(tokenizer.pieces) - 1) | st.just(UNKNOWN), max_size=12))
    cut = data.draw(st.integers(0, len(tokens)))
    said = tokenizer.encode(["The fox"])[0].tolist() + tokens[:cut]
    while tokenizer.decode(said).endswith("\N{REPLACEMENT CHARACTER}"):  # a prompt is whole characters
        said.pop()
    spelling = Spelling(tokenizer, said)
    text = "".join([spelling.add(token) for token in tokens[cut:]]) + spelling.open
    assert text == tokenizer.decode([*said, *tokens[cut:]])[len(tokenizer.decode(said)) :]


def test_a_character_of_several_tokens_is_open_until_it_is_whole() -> None:
    tokenizer = fit_tokenizer("bpe", ["plain"], {})
    tokens = tokenizer.encode(["a京b"])[0].tolist()
    spelling, opened = Spelling(tokenizer, tokens[:1]), []
    settled = []
    for token in tokens[1:]:
        settled.append(spelling.add(token))
        opened.append(spelling.open)
    assert settled == ["", "", "京", "b"]
    assert [text.strip("\N{REPLACEMENT CHARACTER}") for text in opened] == [""] * 4
    assert opened[0]


def test_a_token_is_read_a_few_times_however_long_the_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, read = FITTED["characters", False], []
    whole = Characters.decode

    def counted(self: Characters, numbers: Sequence[int]) -> str:
        read.append(len(numbers))
        return whole(self, numbers)

    monkeypatch.setattr(Characters, "decode", counted)
    for length in (100, 1_000):
        read.clear()
        spelling = Spelling(tokenizer, [4])
        assert len("".join([spelling.add(5) for _ in range(length)])) == length
        assert sum(read) <= 4 * length
