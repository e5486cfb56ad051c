"""Losses from the bottom against the fast ones: value, count and gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonde.ops import losses as fast
from sonde.scratch import losses as scratch
from sonde.scratch.tensor import Tensor

RNG = np.random.default_rng(0)


def compare(name, prediction, target, dtype=np.float64, tolerance=1e-12, **options):
    prediction = prediction.astype(dtype)
    ours = Tensor(prediction, requires_grad=True)
    value, count = getattr(scratch, name)(ours, target, **options)
    value.backward()
    theirs = torch.tensor(prediction, requires_grad=True)
    tensors = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    expected, expected_count = getattr(fast, name)(theirs, torch.tensor(target), **tensors)
    expected.backward()
    assert value.shape == () and value.dtype == dtype and ours.grad.dtype == dtype
    assert count == pytest.approx(expected_count)
    np.testing.assert_allclose(value.data, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("name", ["squared", "mse", "mae", "huber"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (1, 1), (0, 3)])
def test_losses_of_numbers(name, shape, dtype, tolerance):
    target = RNG.normal(size=shape).astype(dtype)
    for weights in (None, RNG.random(shape[0]).astype(dtype)):
        compare(name, RNG.normal(size=shape) * 3, target, dtype, tolerance, weights=weights)


def test_exact_hits_and_the_corners_of_huber():
    target = np.zeros((5, 1))
    prediction = np.array([[0.0], [1.0], [-1.0], [2.5], [1e8]])
    for name in ("mae", "huber", "mse"):
        compare(name, prediction, target)
    compare("huber", prediction, target, delta=2.5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_cross_entropy(dtype, tolerance):
    logits, target = RNG.normal(size=(9, 4)), RNG.integers(0, 4, 9)
    weights, of_class = RNG.random(9).astype(dtype), np.array([1.0, 0.5, 2.0, 0.0], dtype)
    compare("cross_entropy", logits, target, dtype, tolerance)
    compare("cross_entropy", logits, target, dtype, tolerance, smoothing=0.1)
    compare("cross_entropy", logits, target, dtype, tolerance, class_weights=of_class)
    compare("cross_entropy", logits, target, dtype, tolerance, weights=weights, class_weights=of_class, smoothing=0.2)
    compare("cross_entropy", np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]), np.array([1, 2]), dtype, tolerance)
    compare("cross_entropy", np.array([[0.5, -np.inf, 0.0]]), np.array([0]), dtype, tolerance)
    compare("cross_entropy", np.zeros((0, 3)), np.zeros(0, dtype=np.int64), dtype, tolerance)


def test_the_gradient_of_cross_entropy_is_softmax_less_one_hot():
    logits, target = RNG.normal(size=(5, 3)), RNG.integers(0, 3, 5)
    ours = Tensor(logits, requires_grad=True)
    scratch.cross_entropy(ours, target)[0].backward()
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(ours.grad, softmax - np.eye(3)[target], atol=1e-14)


def test_tokens_of_a_sequence_are_examples():
    logits, target = RNG.normal(size=(2, 5, 4)), RNG.integers(0, 4, (2, 5))
    value, count = scratch.cross_entropy(Tensor(logits), target)
    flat, _ = scratch.cross_entropy(Tensor(logits.reshape(10, 4)), target.reshape(10))
    assert count == 10 and value.item() == pytest.approx(flat.item())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_binary_cross_entropy(dtype, tolerance):
    target = RNG.integers(0, 2, (6, 3)).astype(dtype)
    compare("binary_cross_entropy", RNG.normal(size=(6, 3)) * 5, target, dtype, tolerance)
    compare("binary_cross_entropy", np.array([[0.0, 1e4, -1e4]]), np.ones((1, 3), dtype), dtype, tolerance)
    compare("binary_cross_entropy", np.zeros((2, 1)), np.array([[0.0], [1.0]], dtype), dtype, tolerance)


def test_the_perceptrons_two_losses():
    z = np.array([0.0, 0.0, 2.0, -2.0, 3.0])
    compare("perceptron_step", z, np.array([0, 1, 0, 1, 1]))
    compare("perceptron_sign", z, np.array([-1, 1, -1, 1, 1]))
    ours = Tensor(z, requires_grad=True)
    scratch.perceptron_sign(ours, np.array([-1, 1, -1, 1, 1]))[0].backward()
    np.testing.assert_array_equal(ours.grad, [1, -1, 1, -1, 0])


def test_one_hot_and_margin():
    output, target = RNG.normal(size=(6, 4)), RNG.integers(0, 4, 6)
    distance = RNG.random((4, 4))
    compare("one_hot_squared", output, target)
    compare("one_hot_squared", output, target, weights=RNG.random(6))
    compare("margin", output, target)
    compare("margin", output, target, distance=distance)
    compare("margin", np.zeros((2, 3)), np.array([0, 2]), distance=2.0, weights=RNG.random(2))
    assert scratch.margin(Tensor(np.array([[3.0, 1.0, 2.0]])), np.array([0]))[0].item() == 0  # o_y − oᵢ ≥ 1 for both others


def test_cutting_a_batch_changes_nothing():
    logits, target = RNG.normal(size=(10, 3)), RNG.integers(0, 3, 10)
    whole, count = scratch.cross_entropy(Tensor(logits), target)
    parts = [scratch.cross_entropy(Tensor(logits[rows]), target[rows]) for rows in (slice(0, 7), slice(7, 10))]
    assert sum(part.item() for part, _ in parts) == pytest.approx(whole.item()) and sum(n for _, n in parts) == count


def test_bad_input_names_operation_and_shapes():
    with pytest.raises(ValueError, match=r"mse: predictions \(3,\) and targets \(3, 1\) must have one shape"):
        scratch.mse(Tensor(np.zeros(3)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"cross_entropy: logits \(3, 2\) need whole numbers of shape \(3,\), not int64 \(2,\)"):
        scratch.cross_entropy(Tensor(np.zeros((3, 2))), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"margin: logits \(1, 2\) need whole numbers of shape \(1,\), not float64 \(1,\)"):
        scratch.margin(Tensor(np.zeros((1, 2))), np.array([0.0]))
    with pytest.raises(ValueError, match=r"targets 0 … 2 do not all lie in 0 … 1, the classes of \(2, 2\)"):
        scratch.cross_entropy(Tensor(np.zeros((2, 2))), np.array([0, 2]))
