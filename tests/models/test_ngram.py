"""Counting models: probabilities that sum to 1, texts cut anywhere, counts that survive a file, and a real book."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import sonde
from sonde.errors import RecipeError
from sonde.models.ngram import Config, NGram, build

TOKENS = 7
SMOOTHINGS = ("kneser-ney", "mixed", "add-k")


def counted(text: list[int], *, order: int, smoothing: str = "kneser-ney", k: float = 1.0, tokens: int = TOKENS) -> NGram:
    model = build(Config(vocabulary=tokens, outputs=tokens, order=order, smoothing=smoothing, k=k)).double()  # type: ignore[arg-type]
    model.count(torch.tensor(text))
    return model


def p(model: NGram, *said: int) -> Tensor:
    return model.advance(torch.tensor([said]), None)[0][0, -1].exp()


def test_a_bigram_by_hand() -> None:
    # 0 1 0 1 0 2: after 0 came 1 twice and 2 once; after 1 came 0 twice.
    text = [0, 1, 0, 1, 0, 2]
    add_one = counted(text, order=2, smoothing="add-k", tokens=3)
    assert p(add_one, 0).tolist() == pytest.approx([1 / 6, 3 / 6, 2 / 6])
    assert p(add_one, 2).tolist() == pytest.approx([1 / 3] * 3)  # 2 was followed by nothing
    # Continuations: 0 occurs after BEGIN and 1, 1 after 0, 2 after 0: counts 2, 1, 1, so D₁ = 2/(2 + 2·1) = ½.
    # Bigrams: BEGIN 0 once, 0 1 twice, 1 0 twice, 0 2 once: D₂ = 2/(2 + 2·2) = ⅓.
    model = counted(text, order=2, tokens=3)
    assert model.discounts.tolist() == pytest.approx([1 / 2, 1 / 3])
    unigrams = [1.5 / 4 + 0.375 / 3, 0.5 / 4 + 0.375 / 3, 0.5 / 4 + 0.375 / 3]
    assert p(model, 2).tolist() == pytest.approx(unigrams)
    spare = 2 / 3 / 3
    assert p(model, 0).tolist() == pytest.approx([spare * unigrams[0], 5 / 9 + spare * unigrams[1], 2 / 9 + spare * unigrams[2]])


@given(
    st.lists(st.integers(0, TOKENS - 2), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sampled_from(SMOOTHINGS),
    st.lists(st.integers(0, TOKENS - 1), min_size=1, max_size=12),
)
@settings(max_examples=80, deadline=None)
def test_probabilities_sum_to_one_after_anything(text: list[int], order: int, smoothing: str, said: list[int]) -> None:
    model = counted(text, order=order, smoothing=smoothing)
    found = model.advance(torch.tensor([said]), None)[0].exp()
    torch.testing.assert_close(found.sum(-1), torch.ones(1, len(said), dtype=torch.float64))
    assert (found >= 0).all()


@given(st.integers(1, 5), st.integers(0, 12), st.sampled_from(SMOOTHINGS))
@settings(max_examples=40, deadline=None)
def test_a_text_may_be_cut_anywhere(order: int, cut: int, smoothing: str) -> None:
    model = counted([0, 1, 2, 0, 1, 3, 0, 1, 2, 4, 4, 0], order=order, smoothing=smoothing)
    said = torch.tensor([[0, 1, 2, 0, 5, 1, 2, 0, 1, 3, 0, 6]])
    whole, _ = model.advance(said, None)
    first, state = model.advance(said[:, :cut], None)
    second, _ = model.advance(said[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_an_uncounted_model_is_uniform_and_its_perplexity_is_v() -> None:
    model = build(Config(vocabulary=TOKENS, outputs=TOKENS, order=3))
    logits, _ = model.advance(torch.tensor([[1, 2, 3]]), None)
    assert logits.exp().flatten().tolist() == pytest.approx([1 / TOKENS] * 3 * TOKENS)


def test_counts_come_back_from_a_file() -> None:
    model = counted([0, 1, 2, 0, 1, 3, 0, 1, 2], order=3)
    other = build(Config(vocabulary=TOKENS, outputs=TOKENS, order=3)).double()
    other.load_state_dict(model.state_dict())
    said = torch.tensor([[0, 1, 2, 5]])
    assert torch.equal(other.advance(said, None)[0], model.advance(said, None)[0])


def test_values_without_a_model() -> None:
    with pytest.raises(RecipeError, match=r"no n-gram model of order 0.*\n.*model\.order=3"):
        build(Config(vocabulary=3, outputs=3, order=0))


def test_it_is_counted_and_not_trained(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc abd abc\n" * 50)
    run = sonde.train(str(tmp_path / "a.txt"), model="trigram", out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"] == 0
    assert sonde.load(run.path).metrics == run.metrics
    with pytest.raises(RecipeError, match="trigram counts the training part once, so that there are no epochs"):
        sonde.train(str(tmp_path / "a.txt"), model="trigram", epochs=3, out=tmp_path / "other")


def test_kneser_ney_against_add_one_on_a_book(sonde_data: Path, tmp_path: Path) -> None:
    """Trigrams of words, the last tenth of The Time Machine held out: add-one needs several times as many guesses."""
    book = str(sonde_data / "time_machine" / "timemachine.txt")
    given = {"tokenizer": "words", "text_form": "lower", "test": 0.1, "validation": 0.0, "model": "trigram"}
    best = sonde.train(book, **given, out=tmp_path / "kn").metrics["perplexity"]
    plain = sonde.train(book, **given, settings={"model.smoothing": "add-k", "model.k": 1.0}, out=tmp_path / "one").metrics["perplexity"]
    assert best < 75
    assert plain > 8 * best
