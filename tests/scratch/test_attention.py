"""Attention against PyTorch's, and what masks promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from scratch.layer_parity import compare
from sonde.scratch import attention
from sonde.scratch.tensor import Tensor

NAMES = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")


def masked(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A random mask in which every row has at least one True."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.6
    mask[..., 0] |= ~mask.any(axis=-1)
    return mask


@given(
    batch=st.integers(0, 3),
    q=st.integers(1, 4),
    k=st.integers(1, 5),
    mask=st.booleans(),
    scale=st.sampled_from([1.0, 30.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_dot_product_agrees_with_pytorch(batch: int, q: int, k: int, mask: bool, scale: float, seed: int) -> None:
    rng, allowed = np.random.default_rng(seed), masked((batch, q, k), seed) if mask else None
    fast = None if allowed is None else torch.tensor(allowed)
    compare(
        lambda *x: attention.dot_product_attention(*x, mask=allowed)[0],
        lambda *x: F.scaled_dot_product_attention(*x, attn_mask=fast),
        scale * rng.standard_normal((batch, q, 4)),
        rng.standard_normal((batch, k, 4)),
        rng.standard_normal((batch, k, 3)),
    )


@given(
    batch=st.integers(0, 3),
    q=st.integers(1, 4),
    k=st.integers(1, 5),
    heads=st.sampled_from([1, 2, 4]),
    mask=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_multi_head_agrees_with_pytorch(batch: int, q: int, k: int, heads: int, mask: bool, seed: int) -> None:
    rng, d, allowed = np.random.default_rng(seed), 8, masked((q, k), seed) if mask else None
    module = torch.nn.MultiheadAttention(d, heads, batch_first=True)

    def fast(*tensors: torch.Tensor) -> torch.Tensor:
        forbidden = None if allowed is None else torch.tensor(~allowed)
        options = {"attn_mask": forbidden, "need_weights": True, "average_attn_weights": False}
        y, p = torch.func.functional_call(module, dict(zip(NAMES, tensors[3:], strict=True)), tensors[:3], options)
        return y + p.sum(dim=(1, 3))[..., None] + p[..., :1].sum(dim=1)

    def mine(*tensors: Tensor) -> Tensor:
        y, p = attention.multi_head_attention(*tensors[:3], dict(zip(NAMES, tensors[3:], strict=True)), heads=heads, mask=allowed)
        return y + p.sum(axis=(1, 3))[..., None] + p[..., :1].sum(axis=1)

    shapes = [(batch, q, d), (batch, k, d), (batch, k, d), (3 * d, d), (3 * d,), (d, d), (d,)]
    compare(mine, fast, *[rng.standard_normal(shape) / 2 for shape in shapes])  # steeper softmaxes make float32 differ from itself


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_additive_agrees_with_the_formula(batch: int) -> None:
    rng, allowed = np.random.default_rng(0), masked((batch, 2, 4), 0)

    def mine(q: Tensor, k: Tensor, v: Tensor, *w: Tensor) -> Tensor:
        return attention.additive_attention(q, k, v, dict(zip(("W_q.weight", "W_k.weight", "w_v.weight"), w, strict=True)), mask=allowed)[0]

    def fast(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, w_q: torch.Tensor, w_k: torch.Tensor, w_v: torch.Tensor) -> torch.Tensor:
        scores = torch.tanh(F.linear(q, w_q).unsqueeze(2) + F.linear(k, w_k).unsqueeze(1)) @ w_v[0]
        return scores.masked_fill(torch.tensor(~allowed), -torch.inf).softmax(-1) @ v

    shapes = [(batch, 2, 3), (batch, 4, 5), (batch, 4, 2), (6, 3), (6, 5), (1, 6)]
    compare(mine, fast, *[rng.standard_normal(shape) for shape in shapes])


def test_kernel_regression_agrees_with_the_formula_and_smooths_with_its_width() -> None:
    rng = np.random.default_rng(0)

    def fast(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.softmax(-(((q[:, None] - k) * w) ** 2) / 2, dim=-1) @ v

    compare(lambda *x: attention.kernel_regression(*x)[0], fast, rng.random(4), rng.random(6), rng.random(6), np.array(3.0))
    x, y = rng.random(6), rng.random(6)
    np.testing.assert_allclose(attention.kernel_regression(x, x, y, 0.0)[0].data, np.full(6, y.mean()))  # w = 0 looks everywhere
    np.testing.assert_allclose(attention.kernel_regression(x, x, y, 1e6)[0].data, y)  # and a narrow kernel at the point itself


def test_masked_weights_are_exactly_zero_and_a_row_without_any_gives_zero() -> None:
    rng = np.random.default_rng(0)
    tensors = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 3))]
    mask = masked((2, 3, 5), 1)
    mask[1, 2] = False
    y, p = attention.dot_product_attention(*tensors, mask=mask)
    assert (p.data[~mask] == 0).all()
    np.testing.assert_allclose(p.data.sum(axis=-1), mask.any(axis=-1))
    assert (y.data[1, 2] == 0).all()
    y.sum().backward()
    query, key, value = (tensor.grad for tensor in tensors)
    assert query is not None and key is not None and value is not None
    assert (query[1, 2] == 0).all()
    assert all(np.isfinite(gradient).all() for gradient in (query, key, value))


def test_what_is_masked_has_no_influence_however_large() -> None:
    rng = np.random.default_rng(0)
    query, key, value = rng.standard_normal((1, 2, 4)), rng.standard_normal((1, 5, 4)), rng.standard_normal((1, 5, 3))
    mask = attention.length_mask(np.array([3]), 5)
    before = attention.dot_product_attention(query, key, value, mask=mask)[0].data
    key[:, 3:], value[:, 3:] = 1e300, 1e300
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(attention.dot_product_attention(query, key, value, mask=mask)[0].data, before)


def test_masks() -> None:
    np.testing.assert_array_equal(attention.causal_mask(2, 4), [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(attention.causal_mask(3), np.tri(3, dtype=bool))
    np.testing.assert_array_equal(attention.length_mask(np.array([0, 2]), 3)[:, 0], [[0, 0, 0], [1, 1, 0]])


def test_softmax_of_large_scores_and_of_no_keys() -> None:
    np.testing.assert_array_equal(attention.masked_softmax(np.array([1e4, 0, -1e4])).data, [1, 0, 0])
    assert attention.masked_softmax(np.zeros((2, 0))).shape == (2, 0)


def test_dropping_out_leaves_the_shown_weights_whole() -> None:
    rng = np.random.default_rng(0)
    query, value = np.zeros((1, 1, 4)), np.ones((1, 1000, 1))
    y, p = attention.dot_product_attention(query, np.zeros((1, 1000, 4)), value, drop=0.5, rng=rng)
    np.testing.assert_allclose(p.data, 1e-3)
    assert y.item() == pytest.approx(1, abs=0.15) and y.item() != 1


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"query \(1, 2, 4\) and key \(1, 3, 5\) differ"):
        attention.dot_product_attention(np.zeros((1, 2, 4)), np.zeros((1, 3, 5)), np.zeros((1, 3, 5)))
    x = np.zeros((1, 2, 6))
    with pytest.raises(ValueError, match=r"width 6 of query \(1, 2, 6\) cannot be cut into 4 heads"):
        attention.multi_head_attention(x, x, x, {"in_proj_weight": np.zeros((18, 6))}, heads=4)
