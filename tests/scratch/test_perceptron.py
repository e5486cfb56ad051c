"""The perceptron from the bottom: the rules' own numbers, the bound, and the fast separation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonde.ops.margin import separate as fast_separate
from sonde.scratch.perceptron import mistakes, separate, step, train

X = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -0.5], [-1.0, 1.5]])
T = np.array([0, 1, 0, 1])


def test_two_steps_on_one_example():
    x, t = np.array([[1.5, -3.0]]), np.array([1])
    first = step(x, t, np.array([1.0, 1.0]), 0.0, lr=0.1)
    np.testing.assert_allclose(first.weight, [1.15, 0.7])
    assert first.bias == pytest.approx(0.1) and first.output == 0
    second = step(x, t, first.weight, first.bias, lr=0.1)
    np.testing.assert_allclose(second.weight, [1.3, 0.4])
    assert second.bias == pytest.approx(0.2)
    assert step(x, t, second.weight, second.bias, lr=0.1).output == 1


def test_steps_of_a_whole_batch():
    steps = train(X, T, weight=[1.0, 1.0], lr=0.25, batch_size=4)
    updates = [taken for taken in steps if taken.updated]
    np.testing.assert_allclose(updates[0].weight, [0.5, 1.0])
    assert updates[0].bias == 0
    np.testing.assert_allclose(updates[1].weight, [0.25, 0.75])
    assert updates[1].bias == -0.25
    assert len(updates) == 5 and not steps[-1].updated
    assert (steps[-1].output == T).all()


def test_the_rules_differ_at_zero():
    z, t = np.zeros(2), np.array([0, 1])
    assert mistakes(z, t, "0/1").tolist() == [False, True]
    assert mistakes(z, t, "±1").tolist() == [True, True]


def test_opposite_mistakes_that_cancel_do_not_end_the_training():
    x = np.array([[1.0], [1.0]])
    assert len(train(x, [0, 1], batch_size=2, rule="±1", epochs=7)) == 7


@pytest.mark.parametrize("rule", ["0/1", "±1"])
def test_no_more_updates_than_the_bound(rule):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(40, 2))
        z = x @ rng.normal(size=2) + 0.3
        x, t = x[np.abs(z) > 0.2], (z > 0).astype(int)[np.abs(z) > 0.2]
        found = separate(x, t)
        steps = train(x, t, rule=rule, epochs=2000)
        assert found.separable and sum(taken.updated for taken in steps) <= found.bound
        assert not mistakes(x @ steps[-1].weight + steps[-1].bias, t, rule).any()


def test_the_learning_rate_changes_no_decision_from_zero():
    one, other = train(X, T, lr=1.0), train(X, T, lr=0.01)
    assert [taken.updated for taken in one] == [taken.updated for taken in other]


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_is_that_of_the_fast_form(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3))
    z = x @ rng.normal(size=3)
    x, t = x[np.abs(z) > 0.1], (z > 0).astype(int)[np.abs(z) > 0.1]
    ours, theirs = separate(x, t), fast_separate([(torch.tensor(x), torch.tensor(2 * t - 1))])
    assert ours.separable and theirs.separable
    assert ours.margin == pytest.approx(theirs.margin, rel=2e-6) and ours.radius == pytest.approx(theirs.radius)
    assert ((2 * t - 1) * (x @ ours.weight + ours.bias)).min() == pytest.approx(ours.margin)
    assert np.hypot(np.linalg.norm(ours.weight), ours.bias) == pytest.approx(1)


def test_exclusive_or_is_not_separable():
    x, t = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    found = separate(x, t)
    assert not found.separable and found.bound == np.inf and "cannot converge" in found.message
    assert len(train(x, t, epochs=50)) == 200
    assert "at most" in separate(x, [0, 1, 1, 1]).message


def test_bad_input():
    with pytest.raises(ValueError, match=r"targets of 0 and 1, not shapes \(4, 2\) and \(3,\)"):
        train(X, [0, 1, 0])
    with pytest.raises(ValueError, match="targets of 0 and 1"):
        train(X, [-1, 1, -1, 1])
