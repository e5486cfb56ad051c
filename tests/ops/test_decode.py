"""Sequences from a table of probabilities: greedy, sampled, by beams; the same alone and in a batch."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops.beam_search import beam_search
from sonde.ops.decode import Sampling, State, generate, likeliest, steps

A, B, C, END = range(4)
STEPS = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.4, 0.3, 0.2], [0.2, 0.2, 0.4, 0.2], [0, 0.2, 0.2, 0.6]], dtype=torch.float64)
AFTER_A_C = torch.tensor([[0.1, 0.6, 0.2, 0.1], [0.1, 0.2, 0.1, 0.6]], dtype=torch.float64)


def table(tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """The course's table: each row depends on the step, and on whether A C came first. The state is what was said so far."""
    said = tokens[:, 1:] if state is None else torch.cat([state[0], tokens], 1)
    step = said.shape[1]
    p = STEPS[min(step, 3)].repeat(len(said), 1)
    if step >= 2:
        p[(said[:, 0] == A) & (said[:, 1] == C)] = AFTER_A_C[min(step, 3) - 2]
    return p.log()[:, None], (said,)


class Bigrams:
    """A model whose next token depends on the last one alone; it counts the tokens that it reads."""

    def __init__(self, tokens: int = 9, seed: int = 0) -> None:
        self.logits = torch.randn(tokens, tokens, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
        self.read = 0

    def __call__(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        self.read += tokens.numel()
        return self.logits[tokens], None


PROMPT = torch.zeros((1, 1), dtype=torch.int64)


def test_greedy_search_ends_at_0_048() -> None:
    assert generate(table, PROMPT, None, length=6, end=END, pad=-1).tolist() == [[A, B, C, END, -1, -1]]
    assert math.prod([0.5, 0.4, 0.4, 0.6]) == pytest.approx(0.048)


def test_a_beam_of_two_finds_a_c_b_end_at_0_054() -> None:
    found = beam_search(table, PROMPT, None, width=2, length=4, end=END, pad=-1)
    assert found.tokens[0].tolist() == [[A, C, B, END], [A, B, C, END]]
    assert found.scores[0, 0].exp().item() ** (4**0.75) == pytest.approx(0.054)
    assert found.ended.all()


def test_the_search_can_be_followed() -> None:
    found = beam_search(table, PROMPT, None, width=2, length=4, end=END)
    assert found.parents.shape == found.chosen.shape == (4, 1, 2)
    assert found.chosen[0, 0].tolist() in ([A, B], [A, C])  # B and C are equally likely


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_rows_do_not_touch_each_other(rows: int, length: int, width: int) -> None:
    model = Bigrams()
    prompts = torch.arange(rows)[:, None] + 1
    together = beam_search(model, prompts, None, width=width, length=length, end=0)
    for row in range(rows):
        alone = beam_search(model, prompts[row : row + 1], None, width=width, length=length, end=0)
        torch.testing.assert_close(together.scores[row], alone.scores[0])
        assert torch.equal(together.tokens[row], alone.tokens[0])
    assert torch.equal(
        generate(model, prompts, None, length=length, end=0), torch.cat([generate(model, prompts[r : r + 1], None, length=length, end=0) for r in range(rows)])
    )


@given(st.integers(1, 8))
@settings(max_examples=10, deadline=None)
def test_a_beam_of_one_is_greedy(length: int) -> None:
    prompts = torch.arange(1, 9)[:, None]
    beam = beam_search(Bigrams(), prompts, None, width=1, length=length, end=0)
    assert torch.equal(beam.tokens[:, 0], generate(Bigrams(), prompts, None, length=length, end=0))


def test_scores_are_those_of_the_tokens() -> None:
    model, found = Bigrams(), beam_search(Bigrams(), torch.tensor([[3]]), None, width=4, length=6, end=0, pad=0)
    log_p = model.logits.log_softmax(-1)
    for tokens, score in zip(found.tokens[0].tolist(), found.scores[0].tolist(), strict=True):
        length = tokens.index(0) + 1 if 0 in tokens else 6
        path = [3, *tokens[:length]]
        expected = sum(float(log_p[one, other]) for one, other in pairwise(path)) / length**0.75
        assert score == pytest.approx(expected)
    assert found.scores[0].tolist() == sorted(found.scores[0].tolist(), reverse=True)


def test_each_token_is_read_once_and_decoding_stops_when_all_have_ended() -> None:
    class Ends(Bigrams):
        def __call__(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
            logits, state = super().__call__(tokens, state)
            return logits - 100 * (torch.arange(9) != 0), state

    model = Ends()
    found = generate(model, torch.tensor([[1, 2, 3], [4, 5, 6]]), None, length=50, end=0, pad=7)
    assert found[:, 0].tolist() == [0, 0]
    assert (found[:, 1:] == 7).all()
    assert model.read == 6


def test_prompts_of_different_lengths_are_continued_as_if_alone() -> None:
    prompts, lengths = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]), torch.tensor([4, 2])
    said = torch.stack(list(steps(Bigrams(), prompts, None, length=3, lengths=lengths)), 1)
    alone = torch.stack(list(steps(Bigrams(), prompts[1:, :2], None, length=5)), 1)
    assert torch.equal(said[1:], alone)
    assert said[0, :2].tolist() == [3, 4]
    assert torch.equal(said[:1, 2:], torch.stack(list(steps(Bigrams(), prompts[:1], None, length=3)), 1))


def test_what_is_never_to_be_said_is_not_said() -> None:
    banned = torch.tensor([2, 5])
    said = generate(Bigrams(), torch.arange(9)[:, None], None, length=30, end=-1, never=banned, choose=Sampling(temperature=3.0))
    assert not torch.isin(said, banned).any()
    beams = beam_search(Bigrams(), torch.arange(9)[:, None], None, width=3, length=5, end=0, never=banned)
    assert not torch.isin(beams.tokens, banned).any()


P = torch.tensor([0.5, 0.25, 0.15, 0.1])


def shares(sampling: Sampling, rows: int = 20_000) -> list[float]:
    drawn = sampling(P.log().expand(rows, -1), 0)
    return (torch.bincount(drawn, minlength=4) / rows).tolist()


def test_draws_have_the_models_probabilities() -> None:
    assert shares(Sampling()) == pytest.approx(P.tolist(), abs=0.012)
    hot = (P.log() / 2).softmax(0).tolist()
    assert shares(Sampling(temperature=2.0)) == pytest.approx(hot, abs=0.012)
    assert shares(Sampling(temperature=0.0)) == [1.0, 0.0, 0.0, 0.0]


def test_top_k_and_top_p_keep_the_likeliest_alone() -> None:
    assert shares(Sampling(top_k=2)) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.012)
    assert shares(Sampling(top_p=0.75)) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.012)
    assert shares(Sampling(top_p=0.76)) == pytest.approx([0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0], abs=0.012)
    assert shares(Sampling(top_p=0.01)) == [1.0, 0.0, 0.0, 0.0]


def test_draws_repeat_with_the_seed_whatever_the_batch() -> None:
    logits = torch.randn(8, 50, generator=torch.Generator().manual_seed(1))
    drawn = Sampling(seed=3)(logits, 4)
    assert torch.equal(drawn, Sampling(seed=3)(logits, 4))
    assert torch.equal(drawn[:3], Sampling(seed=3)(logits[:3], 4))
    assert not torch.equal(drawn, Sampling(seed=4)(logits, 4))
    assert not torch.equal(drawn, Sampling(seed=3)(logits, 5))
    assert torch.equal(likeliest(logits, 0), logits.argmax(1))


def test_a_beam_needs_a_width_and_a_length() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        beam_search(Bigrams(), PROMPT, None, width=0, length=3, end=0)
