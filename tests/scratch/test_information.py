"""Entropy, divergences and the chain rule, from the bottom."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonde.scratch.information import chain_factors, cross_entropy, entropy, kl_divergence, perplexity


def test_entropy_of_known_distributions():
    assert entropy([0.5, 0.5]) == pytest.approx(np.log(2))
    assert entropy([1.0, 0.0]) == 0
    assert perplexity(np.full(8, 1 / 8)) == pytest.approx(8)
    assert entropy([[0.5, 0.5], [1.0, 0.0]]).shape == (2,)


def test_agrees_with_torch():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(5), 7), rng.dirichlet(np.ones(5), 7)
    np.testing.assert_allclose(entropy(p), torch.distributions.Categorical(torch.tensor(p)).entropy(), rtol=1e-12)
    theirs = torch.nn.functional.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction="none").sum(1)
    np.testing.assert_allclose(kl_divergence(p, q), theirs, rtol=1e-10)
    np.testing.assert_allclose(cross_entropy(p, q), entropy(p) + kl_divergence(p, q), rtol=1e-12)
    assert (kl_divergence(p, q) > 0).all() and (kl_divergence(p, p) == 0).all()
    assert not np.allclose(kl_divergence(p, q), kl_divergence(q, p))


def test_what_q_rules_out_costs_infinitely_much():
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))


def test_the_chain_rule_gives_the_same_probability_in_both_directions():
    joint = np.random.default_rng(1).dirichlet(np.ones(24)).reshape(2, 3, 4)
    for sequence in np.ndindex(2, 3, 4):
        forward, backward = chain_factors(joint, sequence), chain_factors(joint, sequence, backward=True)
        assert forward.prod() == pytest.approx(joint[sequence]) and backward.prod() == pytest.approx(joint[sequence])
    assert chain_factors(joint, (1, 2, 3))[0] == pytest.approx(joint[1].sum())  # p(x₁)
    assert chain_factors(joint, (1, 2, 3), backward=True)[0] == pytest.approx(joint[:, :, 3].sum())  # p(x₃)
    assert chain_factors(np.eye(2) / 2, (0, 1)).prod() == 0


@pytest.mark.parametrize("p", [[0.5, 0.6], [-0.5, 1.5], np.float64(1)])
def test_what_is_no_distribution(p):
    with pytest.raises(ValueError, match="is no distribution"):
        entropy(p)


def test_shapes_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"cross_entropy: p \(2,\) and q \(3,\)"):
        cross_entropy([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="a sequence of 3 needs a joint table of 3 axes"):
        chain_factors(np.eye(2) / 2, (0, 1, 1))
