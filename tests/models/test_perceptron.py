"""The perceptron: both rules by hand, the bound, and an honest answer on XOR."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde import models
from sonde.errors import RecipeError
from sonde.models.perceptron import Perceptron
from sonde.optim import optimizers


def _model(weight: list[float], bias: float, labels: str = "0/1") -> Perceptron:
    model = models.build("perceptron", {"numbers": len(weight), "labels": labels})
    assert isinstance(model, Perceptron)
    model.output.set(torch.tensor(weight)[:, None], torch.tensor([bias]))
    return model


def _numbers(model: Perceptron) -> list[float]:
    return [*model.output.linear.weight[0].tolist(), model.output.linear.bias.item()]


def _update(model: Perceptron, x: Tensor, t: Tensor, *, lr: float) -> None:
    """One step of gradient descent on the sum of the rows' criteria."""
    optimizer = optimizers.build("sgd", model, lr=lr)
    optimizer.zero_grad()
    terms, _ = model.losses((x,), t)
    terms["perceptron"][0].backward()
    optimizer.step()


def _train(model: Perceptron, x: Tensor, t: Tensor, *, epochs: int) -> int:
    """Examples one at a time; the epochs until none is wrong, or all of them."""
    for epoch in range(epochs):
        before = int(model.updates)
        for row in range(len(x)):
            _update(model, x[row : row + 1], t[row : row + 1], lr=1.0)
        if int(model.updates) == before:
            return epoch
    return epochs


def _finished(model: Perceptron, x: Tensor, t: Tensor) -> dict[str, Any]:
    events: list[dict[str, Any]] = []
    model.finish([((x[:2],), t[:2]), ((x[2:],), t[2:])], events.append)
    (event,) = events
    return event


def test_two_steps_by_hand() -> None:
    model = _model([1, 1], 0)
    x, t = torch.tensor([[1.5, -3.0]]), torch.tensor([1])
    _update(model, x, t, lr=0.1)
    assert _numbers(model) == pytest.approx([1.15, 0.7, 0.1])
    _update(model, x, t, lr=0.1)
    assert _numbers(model) == pytest.approx([1.3, 0.4, 0.2])
    assert model(x).item() > 0
    _update(model, x, t, lr=0.1)
    assert _numbers(model) == pytest.approx([1.3, 0.4, 0.2])


def test_batch_by_hand_takes_five_updates() -> None:
    model = _model([1, 1], 0)
    x = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -0.5], [-1.0, 1.5]])
    t = torch.tensor([0, 1, 0, 1])
    path = []
    for _ in range(20):
        before = _numbers(model)
        _update(model, x, t, lr=0.25)
        if _numbers(model) == before:
            break
        path.append(_numbers(model))
    assert path[0] == [0.5, 1, 0]
    assert path[1] == [0.25, 0.75, -0.25]
    assert len(path) == 5
    assert ((model(x)[:, 0] > 0).long()).tolist() == t.tolist()


def test_rules_differ_at_zero() -> None:
    x = torch.tensor([[2.0]])
    for labels, t, moved in (("0/1", 0, False), ("±1", 0, True), ("0/1", 1, True), ("±1", 1, True)):
        model = _model([0], 0, labels)
        _update(model, x, torch.tensor([t]), lr=1.0)
        assert _numbers(model) == ([2 * (2 * t - 1), 2 * t - 1] if moved else [0, 0])
        assert int(model.updates) == int(moved)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 500), labels=st.sampled_from(["0/1", "±1"]), columns=st.integers(1, 4))
def test_updates_stay_under_the_bound_on_separable_data(seed: int, labels: str, columns: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(25, columns, generator=generator)
    w, b = torch.randn(columns, generator=generator), torch.randn(1, generator=generator)
    score = x @ w + b
    keep = score.abs() > 0.2 * w.norm()
    x, t = x[keep], (score[keep] > 0).long()
    model = _model([0.0] * columns, 0.0, labels)
    _train(model, x, t, epochs=2000)
    event = _finished(model, x, t)
    assert event["separable"]
    assert event["mistakes"] == 0
    assert event["updates"] <= event["bound"]
    assert event["bound"] == pytest.approx((event["radius"] ** 2 + 1) / event["margin"] ** 2)


def test_what_it_says_of_and() -> None:
    x, t = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 0, 0, 1])
    model = _model([0, 0], 0)
    assert _train(model, x, t, epochs=100) < 100
    event = _finished(model, x, t)
    assert event["radius"] == pytest.approx(2**0.5)
    assert event["margin"] == pytest.approx(1 / 17**0.5)  # (2, 2, −3) is the shortest separator
    assert event["bound"] == pytest.approx(3 * 17, rel=1e-5)
    assert "separable with margin 0.2425, so there are at most (r² + 1)/ρ² = 51 updates" in event["message"]
    assert f"{event['updates']} were made (as it must be); all training examples are right" in event["message"]


def test_xor_is_said_to_be_hopeless() -> None:
    x, t = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 1, 1, 0])
    model = _model([0, 0], 0)
    assert _train(model, x, t, epochs=50) == 50
    event = _finished(model, x, t)
    assert (event["separable"], event["bound"], event["margin"]) == (False, None, 0)
    assert event["mistakes"] > 0
    assert "cannot converge on these data, however long it is trained" in event["message"]
    assert "--model mlp" in event["message"]


def test_larger_batches_are_not_judged_by_the_bound() -> None:
    x, t = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0, 0, 0, 1])
    model = _model([0, 0], 0)
    _update(model, x, t, lr=1.0)
    assert "when examples come one at a time (--batch-size 1); here 1 in larger batches" in _finished(model, x, t)["message"]


def test_looking_without_training_counts_nothing() -> None:
    model = _model([0, 0], 0).eval()
    model.losses((torch.ones(3, 2),), torch.ones(3, dtype=torch.int64))
    assert (int(model.updates), int(model.largest_batch)) == (0, 0)


def test_more_than_two_classes_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"tells two classes apart; these data have 5\n.*use softmax-regression"):
        models.build("perceptron", {"numbers": 2, "outputs": 5})
