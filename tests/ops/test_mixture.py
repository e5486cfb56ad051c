"""Weights of a mixture: the best there are, from any start, and none for what never helps."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.ops.mixture import mixture_weights


def likelihood(log_p: torch.Tensor, weights: torch.Tensor) -> float:
    return float((log_p + weights.log()[:, None]).logsumexp(0).mean())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 50))
def test_no_other_weights_make_the_examples_likelier(seed: int, models: int, examples: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_p = torch.randn(models, examples, generator=generator, dtype=torch.float64)
    weights = mixture_weights(log_p)
    assert torch.all(weights >= 0)
    assert abs(float(weights.sum()) - 1) < 1e-12
    others = torch.distributions.Dirichlet(torch.ones(models, dtype=torch.float64))
    torch.manual_seed(seed)
    assert all(likelihood(log_p, other) <= likelihood(log_p, weights) + 1e-5 for other in others.sample((20,)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_round_makes_the_examples_less_likely(seed: int) -> None:
    log_p = torch.randn(3, 30, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = [likelihood(log_p, mixture_weights(log_p, rounds=rounds)) for rounds in range(6)]
    assert all(after >= before - 1e-12 for before, after in pairwise(found))


def test_one_that_is_always_likelier_gets_all_the_weight() -> None:
    weights = mixture_weights(torch.tensor([[-1.0, -2.0, -1.5], [-4.0, -5.0, -9.0]], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.0], dtype=torch.float64), rtol=0, atol=1e-5)


def test_two_that_know_half_each_share_alike() -> None:
    log_p = torch.tensor([[-0.1, float("-inf")], [float("-inf"), -0.1]], dtype=torch.float64)
    torch.testing.assert_close(mixture_weights(log_p), torch.tensor([0.5, 0.5], dtype=torch.float64))
