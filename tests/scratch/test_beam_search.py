"""Beam search against the course's table, greedy search and exhaustive search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sonde.scratch.beam_search import beam_search

A, B, C, END = range(4)
STEPS = np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.4, 0.3, 0.2], [0.2, 0.2, 0.4, 0.2], [0, 0.2, 0.2, 0.6]])
AFTER_A_C = np.array([[0.1, 0.6, 0.2, 0.1], [0.1, 0.2, 0.1, 0.6]])


def table(prefixes: np.ndarray) -> np.ndarray:
    """The course's table: each row depends on the step, and on whether the second token was C."""
    step = prefixes.shape[1]
    rows = np.tile(STEPS[step], (len(prefixes), 1))
    if step >= 2:
        rows[(prefixes[:, 0] == A) & (prefixes[:, 1] == C)] = AFTER_A_C[step - 2]
    with np.errstate(divide="ignore"):
        return np.log(rows)


def test_greedy_search_ends_at_0_048() -> None:
    (greedy,) = beam_search(table, width=1, steps=4, end=END)
    assert greedy.tokens == (A, B, C, END) and greedy.ended
    assert np.exp(greedy.log_probability) == pytest.approx(0.048)


def test_a_beam_of_two_finds_a_c_b_end_at_0_054() -> None:
    best, second, *_ = beam_search(table, width=2, steps=4, end=END)
    assert best.tokens == (A, C, B, END)
    assert np.exp(best.log_probability) == pytest.approx(0.054)
    assert best.score == pytest.approx(np.log(0.054) / 4**0.75)
    assert second.tokens == (A, B, C, END)


def test_a_beam_wide_enough_is_exhaustive() -> None:
    rng = np.random.default_rng(0)
    log_p = np.log(rng.dirichlet(np.ones(3), size=(4, 4, 4, 4)))  # by step and the last two tokens, 3 where there is none

    def model(prefixes: np.ndarray) -> np.ndarray:
        padded = np.concatenate([np.full((len(prefixes), 2), 3), prefixes], axis=1)
        return log_p[prefixes.shape[1], padded[:, -1], padded[:, -2], 0]

    def score(tokens: tuple[int, ...]) -> float:
        return sum(model(np.array([tokens[:i]], int).reshape(1, i))[0, w] for i, w in enumerate(tokens)) / len(tokens) ** 0.75

    steps, end = 4, 2
    sequences = [
        s for n in range(1, steps + 1) for s in itertools.product(range(3), repeat=n) if end not in s[:-1] and (s[-1] == end or n == steps)
    ]
    expected = sorted(sequences, key=score, reverse=True)
    found = beam_search(model, width=3**steps, steps=steps, end=end)
    assert [candidate.tokens for candidate in found] == expected
    assert [candidate.score for candidate in found] == pytest.approx([score(s) for s in expected])


def test_alpha_zero_ranks_by_probability_and_one_by_the_mean() -> None:
    def model(prefixes: np.ndarray) -> np.ndarray:
        return np.log(np.tile([0.6, 0.4], (len(prefixes), 1)))

    assert beam_search(model, width=9, steps=3, end=1, alpha=0.0)[0].tokens == (1,)
    best = beam_search(model, width=9, steps=3, end=1, alpha=1.0)[0]
    assert best.tokens == (0, 0, 0) and not best.ended


def test_ties_take_the_smaller_token_and_impossible_ones_are_left_out() -> None:
    def model(prefixes: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.tile([0.0, 0.5, 0.5], (len(prefixes), 1)))

    assert [c.tokens for c in beam_search(model, width=9, steps=1, end=0)] == [(1,), (2,)]
    assert [c.tokens for c in beam_search(model, width=1, steps=2, end=0)] == [(1, 1)]


def test_a_beam_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="width and steps of at least 1, not width 0 and 4 steps"):
        beam_search(table, width=0, steps=4, end=END)
