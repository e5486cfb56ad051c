"""Losses: values and gradients by hand, scalings, and that any cut of a batch gives the same sums."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops import losses

Y = torch.tensor([[1.0, 2.0], [0.0, -3.0]])
P = torch.tensor([[1.5, 0.0], [0.0, 1.0]])


def _gradient(loss: Callable[[Tensor], tuple[Tensor, float]], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at)[0], at)[0]


def test_scalings_of_the_regression_losses() -> None:
    assert losses.squared(P, Y) == (pytest.approx((0.25 + 4 + 16) / 2), 2)
    assert losses.mse(P, Y) == (pytest.approx((0.25 + 4 + 16) / 2), 2)  # the mean of two outputs, not a half
    assert losses.mae(P, Y) == (pytest.approx((0.5 + 2 + 4) / 2), 2)
    assert losses.huber(P, Y) == (pytest.approx((0.125 + 1.5 + 3.5) / 2), 2)
    assert losses.huber(P, Y, delta=3.0)[0] == pytest.approx((0.125 + 2 + 3 * 2.5) / 2)
    assert losses.squared(P[:, 0], Y[:, 0])[0] == pytest.approx(0.125)
    assert losses.mse(P[:, 0], Y[:, 0])[0] == pytest.approx(0.25)


def test_gradients_of_the_regression_losses() -> None:
    torch.testing.assert_close(_gradient(lambda p: losses.squared(p, Y), P), P - Y)
    torch.testing.assert_close(_gradient(lambda p: losses.mse(p, Y), P), P - Y)  # 2(ŷ − y) over 2 outputs
    torch.testing.assert_close(_gradient(lambda p: losses.mae(p, Y), P), (P - Y).sign() / 2)


def test_cross_entropy_gradient_is_softmax_minus_one_hot() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0]])
    target = torch.tensor([2, 0])
    expected = logits.softmax(1) - F.one_hot(target, 3)
    torch.testing.assert_close(_gradient(lambda o: losses.cross_entropy(o, target), logits), expected)
    assert losses.cross_entropy(torch.zeros(1, 8), torch.tensor([3]))[0].item() == pytest.approx(math.log(8))


def test_cross_entropy_smoothing_and_class_weights() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 2, 1, 0])
    soft = 0.9 * F.one_hot(target, 3) + 0.1 / 3
    total, count = losses.cross_entropy(logits, target, smoothing=0.1)
    torch.testing.assert_close(total, -(soft * logits.log_softmax(1)).sum())
    weights = torch.tensor([1.0, 2.0, 0.5])
    total, count = losses.cross_entropy(logits, target, class_weights=weights)
    assert count == 7
    torch.testing.assert_close(total / count, F.cross_entropy(logits, target, weight=weights))


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]])
    assert losses.cross_entropy(logits, torch.tensor([1]))[0].item() == pytest.approx(2e4)
    assert losses.binary_cross_entropy(logits, torch.tensor([[0.0, 1.0]]))[0].item() == pytest.approx(1e4)


def test_one_hot_squared() -> None:
    output = torch.tensor([[0.2, 0.5, 0.1]])
    assert losses.one_hot_squared(output, torch.tensor([1]))[0].item() == pytest.approx((0.04 + 0.25 + 0.01) / 2)
    expected = torch.tensor([[0.2, -0.5, 0.1]])
    torch.testing.assert_close(_gradient(lambda o: losses.one_hot_squared(o, torch.tensor([1])), output), expected)


def test_binary_cross_entropy_gradient() -> None:
    z, t = torch.tensor([[0.3, -2.0]]), torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(_gradient(lambda x: losses.binary_cross_entropy(x, t), z), (z.sigmoid() - t) / 2)


def test_perceptron_criteria_differ_at_zero() -> None:
    z, t = torch.tensor([0.0, 0.0, 2.0, -2.0, 2.0, -2.0]), torch.tensor([0, 1, 0, 1, 1, 0])
    step = _gradient(lambda x: losses.perceptron_step(x, t), z)
    sign = _gradient(lambda x: losses.perceptron_sign(x, 2 * t - 1), z)
    assert step.tolist() == [0, -1, 1, -1, 0, 0]
    assert sign.tolist() == [1, -1, 1, -1, 0, 0]
    assert losses.perceptron_sign(z, 2 * t - 1)[0].item() == 4
    assert losses.perceptron_step(z, t)[0].item() == 4


def test_margin_needs_the_distance_from_every_other_class() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.5]])
    target = torch.tensor([0])
    assert losses.margin(logits, target)[0].item() == pytest.approx(0.5)
    assert losses.margin(logits, target, distance=0.5)[0].item() == 0
    far = torch.tensor([[0.0, 4.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert losses.margin(logits, target, distance=far)[0].item() == pytest.approx(2)
    torch.testing.assert_close(_gradient(lambda o: losses.margin(o, target), logits), torch.tensor([[-1.0, 0.0, 1.0]]))


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, float]]] = {
    "squared": lambda o, y, w: losses.squared(o, F.one_hot(y, 4).double(), weights=w),
    "mse": lambda o, y, w: losses.mse(o, F.one_hot(y, 4).double(), weights=w),
    "mae": lambda o, y, w: losses.mae(o, F.one_hot(y, 4).double(), weights=w),
    "huber": lambda o, y, w: losses.huber(o, F.one_hot(y, 4).double(), weights=w),
    "cross-entropy": lambda o, y, w: losses.cross_entropy(o, y, weights=w),
    "one-hot-squared": lambda o, y, w: losses.one_hot_squared(o, y, weights=w),
    "binary": lambda o, y, w: losses.binary_cross_entropy(o, F.one_hot(y, 4).double(), weights=w),
    "margin": lambda o, y, w: losses.margin(o, y, weights=w),
}


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(0, 9), cut=st.integers(0, 9), seed=st.integers(0, 99), weighted=st.booleans())
def test_pieces_add_up(name: str, rows: int, cut: int, seed: int, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 4, (rows,), generator=generator)
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) if weighted else None
    loss, cut = LOSSES[name], min(cut, rows)
    whole, count = loss(outputs, target, weights)
    first, first_count = loss(outputs[:cut], target[:cut], None if weights is None else weights[:cut])
    second, second_count = loss(outputs[cut:], target[cut:], None if weights is None else weights[cut:])
    torch.testing.assert_close(first + second, whole)
    assert first_count + second_count == pytest.approx(count)
    assert count == pytest.approx(rows if weights is None else float(weights.sum()))


@pytest.mark.parametrize("name", LOSSES)
def test_weight_two_is_the_example_twice(name: str) -> None:
    outputs, target = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 1])
    twice = LOSSES[name](outputs[[0, 1, 1, 2]], target[[0, 1, 1, 2]], None)
    weighted = LOSSES[name](outputs, target, torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(twice[0], weighted[0])
    assert twice[1] == weighted[1]
