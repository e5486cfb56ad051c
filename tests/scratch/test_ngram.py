"""Counts, smoothed probabilities, perplexity, sampling and ranking of n-gram models."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch import ngram

# "the cat sat." "the dog sat." "the cat ran." with 0 the, 1 cat, 2 dog, 3 sat, 4 ran, 5 end
SENTENCES = [[0, 1, 3, 5], [0, 2, 3, 5], [0, 1, 4, 5]]
V = 6


def test_unigrams_bigrams_and_trigrams_are_counted() -> None:
    unigrams, bigrams, trigrams = ngram.count(SENTENCES, 3)
    assert unigrams == {(): {0: 3, 1: 2, 2: 1, 3: 2, 4: 1, 5: 3}}
    assert bigrams[(0,)] == {1: 2, 2: 1}
    assert bigrams[(ngram.BEGIN,)] == {0: 3}
    assert trigrams[(0, 1)] == {3: 1, 4: 1}
    assert trigrams[(ngram.BEGIN, ngram.BEGIN)] == {0: 3}


def test_without_smoothing_the_probability_is_the_share() -> None:
    counts = ngram.count(SENTENCES, 2)
    p = ngram.probabilities(counts, [0], vocabulary=V, smoothing=0.0)
    np.testing.assert_allclose(p, [0, 2 / 3, 1 / 3, 0, 0, 0])
    assert ngram.log_probability(counts, [0, 1, 3, 5], vocabulary=V, smoothing=0.0) == pytest.approx(np.log(2 / 3 * 1 / 2))
    assert ngram.log_probability(counts, [0, 3], vocabulary=V, smoothing=0.0) == -np.inf


def test_smoothing_mixes_in_the_shorter_context() -> None:
    counts = ngram.count(SENTENCES, 2)
    unigram = (np.array([3, 2, 1, 2, 1, 3]) + 2 / V) / (12 + 2)
    np.testing.assert_allclose(
        ngram.probabilities(counts, [0], vocabulary=V, smoothing=2.0), (np.array([0, 2, 1, 0, 0, 0]) + 2 * unigram) / (3 + 2)
    )


@pytest.mark.parametrize("context", [[], [0], [0, 1], [4, 4, 4], [5, 0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.5, 10.0])
def test_probabilities_sum_to_one_for_seen_and_unseen_contexts(context: list[int], smoothing: float) -> None:
    p = ngram.probabilities(ngram.count(SENTENCES, 3), context, vocabulary=V, smoothing=smoothing)
    assert p.min() >= 0 and p.sum() == pytest.approx(1)


def test_an_unseen_context_falls_back_to_the_shorter_one() -> None:
    counts = ngram.count(SENTENCES, 3)
    np.testing.assert_array_equal(
        ngram.probabilities(counts, [4, 0], vocabulary=V, smoothing=0.0), ngram.probabilities(counts[:2], [0], vocabulary=V, smoothing=0.0)
    )


def test_perplexity_of_a_uniform_model_is_the_size_of_the_vocabulary() -> None:
    assert ngram.perplexity(ngram.count([], 2), SENTENCES, vocabulary=V) == pytest.approx(V)


def test_perplexity_is_the_exponential_of_the_mean_over_tokens() -> None:
    counts, held_out = ngram.count(SENTENCES, 3), [[0, 2, 4, 5], [0, 1], []]
    total = sum(ngram.log_probability(counts, sentence, vocabulary=V) for sentence in held_out)
    steps = sum(np.log(ngram.probabilities(counts, s[:t], vocabulary=V)[w]) for s in held_out for t, w in enumerate(s))
    assert total == pytest.approx(steps)
    assert ngram.perplexity(counts, held_out, vocabulary=V) == pytest.approx(np.exp(-total / 6))


def test_longer_contexts_fit_the_training_text_better() -> None:
    text = [np.random.default_rng(0).integers(0, 4, 50).tolist() * 4]
    fits = [ngram.perplexity(ngram.count(text, order), text, vocabulary=4, smoothing=0.01) for order in (1, 2, 3, 4)]
    assert fits == sorted(fits, reverse=True)


def test_generation_follows_the_counts_and_stops_at_the_end() -> None:
    counts, rng = ngram.count(SENTENCES, 3), np.random.default_rng(0)
    drawn = {tuple(ngram.generate(counts, 10, rng, vocabulary=V, end=5)) for _ in range(200)}
    assert drawn == {tuple(sentence) for sentence in SENTENCES}
    assert ngram.generate(counts, 2, rng, vocabulary=V, begin=[0, 2]) == [0, 2, 3, 5]


def test_ranking_prefers_the_sentence_that_was_seen() -> None:
    ranked = ngram.rank(ngram.count(SENTENCES, 2), [[3, 1, 0, 5], [0, 1, 3, 5], [0, 3, 1, 5]], vocabulary=V)
    assert [position for position, _ in ranked] == [1, 2, 0]
    assert ranked[0][1] > ranked[1][1] > ranked[2][1]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="order of an n-gram model is at least 1, not 0"):
        ngram.count(SENTENCES, 0)
    with pytest.raises(ValueError, match="perplexity of no tokens"):
        ngram.perplexity(ngram.count(SENTENCES, 2), [[]], vocabulary=V)
