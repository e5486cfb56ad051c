"""Attention: values averaged with weights that say how well each key answers a query.

    f(q) = Σᵢ softmaxᵢ(a(q, kᵢ)) vᵢ

    kernel regression   a = −½ ((q − k) w)²               Nadaraya and Watson 1964, with a Gaussian kernel of width 1/w
    additive            a = w_vᵀ tanh(W_q q + W_k k)      Bahdanau, Cho and Bengio 2015
    scaled dot product  a = qᵀk / √d                      Vaswani et al. 2017
    multi-head          h of these side by side, each on its own projection of width d/h

A `mask` is True where a query may look, and is broadcast to (…, query, key). Weights elsewhere are exactly 0; a query
that may look nowhere has weights 0 and gets 0. All functions return (output, weights), for the weights are worth a look.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

import numpy as np

from sonde.scratch.dense import dense
from sonde.scratch.dropout import dropout
from sonde.scratch.tensor import Tensor, as_tensor, concatenate, where

Array = Tensor | np.ndarray


def causal_mask(queries: int, keys: int | None = None) -> np.ndarray:
    """True where key j ≤ query i, shape (queries, keys); of more keys than queries the first are the past of all queries."""
    keys = queries if keys is None else keys
    return np.tri(queries, keys, keys - queries, dtype=bool)


def length_mask(lengths: np.ndarray, keys: int) -> np.ndarray:
    """True for the first `lengths[n]` keys of example n, shape (n, 1, keys): padding is not looked at."""
    return np.arange(keys) < np.asarray(lengths)[:, None, None]


def masked_softmax(scores: Array, mask: np.ndarray | None = None) -> Tensor:
    """exp(sᵢ)/Σⱼ exp(sⱼ) over the last axis and where the mask is True, else 0; all 0 where it is nowhere True."""
    scores = as_tensor(scores)
    scores = scores if mask is None else where(mask, scores, -np.inf)
    largest = scores.data.max(axis=-1, keepdims=True, initial=-np.inf)  # a constant: softmax does not change with a shift
    e = (scores - np.where(np.isfinite(largest), largest, 0)).exp()
    total = e.sum(axis=-1, keepdims=True)
    return e / (total + (total.data == 0))


def kernel_regression(queries: Array, keys: Array, values: Array, width: Array | float = 1.0) -> tuple[Tensor, Tensor]:
    """From queries (q,), keys (k,), values (k,) and w, one number that may be learned → (q,), weights (q, k)."""
    distance = (as_tensor(queries).reshape(-1, 1) - as_tensor(keys)) * width
    weights = masked_softmax(-0.5 * distance * distance)
    return weights @ as_tensor(values), weights


def additive_attention(
    query: Array, key: Array, value: Array, weights: Mapping[str, Array], *, mask: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """From query (…, q, d_q), key (…, k, d_k), value (…, k, d_v) → (…, q, d_v), weights (…, q, k).

    `weights`: W_q.weight (h, d_q), W_k.weight (h, d_k), w_v.weight (1, h).
    """
    q, k = dense(query, weights["W_q.weight"]), dense(key, weights["W_k.weight"])
    features = (q[..., :, None, :] + k[..., None, :, :]).tanh()  # (…, q, k, h)
    p = masked_softmax(dense(features, weights["w_v.weight"])[..., 0], mask)
    return p @ as_tensor(value), p


def dot_product_attention(
    query: Array, key: Array, value: Array, *, mask: np.ndarray | None = None, drop: float = 0.0, rng: np.random.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """From query (…, q, d), key (…, k, d), value (…, k, d_v) → (…, q, d_v), weights (…, q, k). With `rng` weights drop out."""
    query, key = as_tensor(query), as_tensor(key)
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"dot_product_attention: query {query.shape} and key {key.shape} differ in their last axis, d")
    p = masked_softmax(query @ key.swap(-1, -2) * query.shape[-1] ** -0.5, mask)
    kept = p if rng is None else dropout(p, drop, rng)
    return kept @ as_tensor(value), p


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    weights: Mapping[str, Array],
    *,
    heads: int,
    mask: np.ndarray | None = None,
    cache: MutableMapping[str, Tensor] | None = None,
    drop: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """From query (n, q, d), key and value (n, k, d) → (n, q, d), weights (n, heads, q, k).

    `weights`: in_proj_weight (3d, d) with the rows of W_q, W_k and W_v, in_proj_bias (3d,), out_proj.weight (d, d),
    out_proj.bias (d,); the biases may be left out. `mask`: (q, k), (n, q, k) or (n, heads, q, k). With a `cache` the
    projected keys and values are appended to those of earlier calls, and k counts them all.
    """
    query, bias = as_tensor(query), weights.get("in_proj_bias")
    d = query.shape[-1]
    if d % heads:
        raise ValueError(f"multi_head_attention: width {d} of query {query.shape} cannot be cut into {heads} heads")
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]

    def project(x: Array, part: int) -> Tensor:
        rows = slice(part * d, (part + 1) * d)
        y = dense(x, weights["in_proj_weight"][rows], None if bias is None else bias[rows])
        return y.reshape(*y.shape[:-1], heads, d // heads).swap(1, 2)  # (n, heads, step, d/heads)

    q, k, v = project(query, 0), project(key, 1), project(value, 2)
    if cache is not None:
        k = cache["key"] = concatenate([cache["key"], k], axis=2) if "key" in cache else k
        v = cache["value"] = concatenate([cache["value"], v], axis=2) if "value" in cache else v
    y, p = dot_product_attention(q, k, v, mask=mask, drop=drop, rng=rng)
    return dense(y.swap(1, 2).reshape(*query.shape), weights["out_proj.weight"], weights.get("out_proj.bias")), p
