"""BLEU against the course's example and, of a corpus, against sacreBLEU itself."""

from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.metrics.bleu import corpus_bleu, ngrams, sentence_bleu, tokens_13a
from sonde.metrics.texts import TextBleu, TextMetric

WORDS = st.sampled_from(["the", "cat", "sat", "on", "a", "mat", ".", ",", "1,000.5", "don't", "U.S.", "x-ray", "3-4", "&quot;", "été", "(so)", "No", "no"])
LINES = st.lists(WORDS, max_size=14).map(" ".join)


def test_the_courses_example() -> None:
    prediction, label = list("ABBCD"), list("ABCDEF")
    shares = [(ngrams(prediction, n) & ngrams(label, n)).total() / ngrams(prediction, n).total() for n in (1, 2, 3, 4)]
    assert shares == pytest.approx([4 / 5, 3 / 4, 1 / 3, 0])
    brevity = 0.8187307530779818
    assert sentence_bleu(prediction, label, order=2) == pytest.approx(brevity * 0.8**0.5 * 0.75**0.25)
    assert sentence_bleu(prediction, label) == 0
    assert sentence_bleu(label, label) == 1
    assert sentence_bleu([], label) == 0


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_corpus_scores_as_sacrebleu_says(lines: list[tuple[str, str]]) -> None:
    predictions, references = [one for one, _ in lines], [other for _, other in lines]
    ours, theirs = corpus_bleu(predictions, references), sacrebleu.corpus_bleu(predictions, [references])
    assert ours.score == pytest.approx(theirs.score, abs=1e-6)
    assert ours.precisions == pytest.approx(tuple(theirs.precisions), abs=1e-6)
    assert (ours.predicted, ours.reference) == (theirs.sys_len, theirs.ref_len)
    lower = sacrebleu.corpus_bleu(predictions, [references], lowercase=True)
    assert corpus_bleu(predictions, references, lowercase=True).score == pytest.approx(lower.score, abs=1e-6)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=40))
@settings(max_examples=150, deadline=None)
def test_words_are_separated_as_mteval_does(line: str) -> None:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert tokens_13a(line) == Tokenizer13a()(line).split()


def test_a_line_too_many() -> None:
    with pytest.raises(ValueError, match="shorter"):
        corpus_bleu(["a", "b"], ["a"])


def test_a_corpus_of_texts_is_a_measure() -> None:
    metric, texts = TextBleu(), ["the cat sat here now", "the cat sat here"]
    assert isinstance(metric, TextMetric)
    assert metric.of_texts(texts, texts) == pytest.approx(100)
    assert metric.of_texts(texts, [texts[0], "the cat sat there"]) < 100
