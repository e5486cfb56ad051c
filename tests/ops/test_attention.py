"""Attention: what is masked weighs nothing, all three kinds, and the fused kernel against the weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sonde.ops.attention import (
    additive_weights,
    causal_mask,
    dot_product_attention,
    dot_product_weights,
    kernel_regression,
    length_mask,
    masked_softmax,
)


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_masked_weights_are_exactly_0_and_a_row_without_keys_gives_0() -> None:
    mask = torch.tensor([[True, False, True], [False, False, False]])
    query, key, value = draws(2, 4), draws(3, 4, seed=1), draws(3, 5, seed=2)
    weights = dot_product_weights(query, key, mask=mask)
    assert weights[0, 1] == 0
    assert not weights[1].any()
    assert weights[0].sum() == pytest.approx(1)
    output = dot_product_attention(query, key, value, mask=mask)
    assert not output[1].any()
    torch.testing.assert_close(output, weights @ value)
    extreme = dot_product_weights(query * 1e6, key, mask=mask)
    assert not extreme[~mask].any()


def test_a_row_without_keys_has_a_gradient_of_0_and_not_nan() -> None:
    mask = torch.tensor([[True, False], [False, False]])
    for attend in (dot_product_attention, lambda q, k, v, mask: dot_product_weights(q, k, mask=mask) @ v):
        query, key, value = (draws(2, 3, seed=seed).requires_grad_() for seed in range(3))
        attend(query, key, value, mask=mask).sum().backward()
        for tensor in (query, key, value):
            assert tensor.grad is not None
            assert tensor.grad.isfinite().all()
        assert not query.grad[1].any()
    scores = draws(2, 2).requires_grad_()
    masked_softmax(scores, mask).square().sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_later_keys_are_not_seen_and_the_past_is() -> None:
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True, True, True, True]]
    query, key, value = draws(3, 4), draws(5, 4, seed=1), draws(5, 2, seed=2)
    output = dot_product_attention(query, key, value, causal=True)
    changed = key.clone()
    changed[4] += 1
    torch.testing.assert_close(dot_product_attention(query, changed, value, causal=True)[:2], output[:2], rtol=0, atol=0)
    torch.testing.assert_close(dot_product_weights(query, key, causal=True) @ value, output)
    both = length_mask(torch.tensor([4]), 5)
    torch.testing.assert_close(
        dot_product_attention(query, key, value, mask=both, causal=True), dot_product_weights(query, key, mask=both & causal_mask(3, 5)) @ value
    )


def test_additive_weights_are_the_formula() -> None:
    query, key, score = draws(2, 3), draws(4, 3, seed=1), draws(3, seed=2)
    scores = torch.stack([torch.stack([(q + k).tanh() @ score for k in key]) for q in query])
    torch.testing.assert_close(additive_weights(query, key, score), scores.softmax(1))
    mask = torch.tensor([[True, True, False, False], [False, False, False, False]])
    weights = additive_weights(query, key, score, mask=mask)
    assert not weights[~mask].any()
    torch.testing.assert_close(weights[0, :2], scores[0, :2].softmax(0))


def test_kernel_regression_averages_what_is_near() -> None:
    keys, values = torch.arange(5.0), torch.arange(5.0).square()
    far, weights = kernel_regression(torch.tensor([2.0]), keys, values, torch.tensor([0.0]))
    assert far.item() == values.mean()
    assert weights.tolist() == [[pytest.approx(0.2)] * 5]
    near, weights = kernel_regression(torch.tensor([2.0]), keys, values, torch.tensor([10.0]))
    assert near.item() == pytest.approx(4.0)
    assert weights.sum() == pytest.approx(1)
