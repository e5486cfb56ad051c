"""Attention: values averaged with weights that say how well each key answers a query.

    f(q) = Σᵢ softmaxᵢ(a(q, kᵢ)) vᵢ

    kernel regression   a = −½ ((q − k) w)²               Nadaraya and Watson 1964, with a Gaussian kernel of width 1/w
    additive            a = w_vᵀ tanh(W_q q + W_k k)      Bahdanau, Cho and Bengio 2015
    scaled dot product  a = qᵀk / √d                      Vaswani et al. 2017

A `mask` is True where a query may look and is broadcast to (…, query, key). Weights elsewhere are exactly 0; a query that
may look nowhere has weights 0 and gets 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

Queries = Float[Tensor, "*batch query width"]
Keys = Float[Tensor, "*batch key width"]
Weights = Float[Tensor, "*batch query key"]
Mask = Bool[Tensor, "..."] | None


def causal_mask(queries: int, keys: int, *, device: torch.device | None = None) -> Bool[Tensor, "query key"]:
    """True where key j ≤ query i; of more keys than queries the first are the past of all queries."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def length_mask(lengths: Int[Tensor, " batch"], keys: int | torch.SymInt) -> Bool[Tensor, "batch key"]:
    """True for the first `lengths[n]` keys of example n: padding is not looked at. While a model is exported `keys` may be left open."""
    return torch.arange(keys, device=lengths.device) < lengths[:, None]  # type: ignore[arg-type]


def masked_softmax(scores: Float[Tensor, "... key"], mask: Mask = None) -> Float[Tensor, "... key"]:
    """exp(sᵢ)/Σⱼ exp(sⱼ) over the last axis and where the mask is True, else 0; all 0 where it is nowhere True."""
    if mask is None:
        return scores.softmax(-1)
    # The lowest number and not −∞: a row without a key would have no maximum, and NaN for a gradient.
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1).masked_fill(~mask, 0.0)


def kernel_regression(
    queries: Float[Tensor, " query"], keys: Float[Tensor, " key"], values: Float[Tensor, " key"], width: Float[Tensor, 1]
) -> tuple[Float[Tensor, " query"], Float[Tensor, "query key"]]:
    """The average of `values` around each query, and the weights; `width` is w, which may be learned."""
    weights = (-((queries[:, None] - keys) * width).square() / 2).softmax(-1)
    return weights @ values, weights


def additive_weights(
    query: Queries, key: Keys, score: Float[Tensor, " width"], *, mask: Mask = None
) -> Weights:
    """Weights of w_vᵀ tanh(q + k) for queries and keys that have been multiplied by W_q and W_k; `score` is w_v."""
    features = (query[..., :, None, :] + key[..., None, :, :]).tanh()  # (…, query, key, width)
    return masked_softmax(features @ score, mask)


def dot_product_weights(query: Queries, key: Keys, *, mask: Mask = None, causal: bool = False) -> Weights:
    """softmax(qkᵀ/√d). With `causal`, query i of the last ones sees no key after its own place."""
    if causal:
        mask = _with_past(query, key, mask)
    return masked_softmax(query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2), mask)


def dot_product_attention(
    query: Queries, key: Keys, value: Float[Tensor, "*batch key values"], *, mask: Mask = None, causal: bool = False
) -> Float[Tensor, "*batch query values"]:
    """softmax(qkᵀ/√d) v through PyTorch's fused kernel, which never holds the weights of all pairs at once.

    Where the weights are wanted, or some of them drop out, `dot_product_weights` gives them.
    """
    if causal and (mask is not None or query.shape[-2] != key.shape[-2]):
        mask, causal = _with_past(query, key, mask), False
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)


def step_attention(
    query: Float[Tensor, "head width row"],
    keys: Float[Tensor, "step head width row"],
    values: Float[Tensor, "step head width row"],
    *,
    missing: Bool[Tensor, "step 1 row"] | None = None,
) -> Float[Tensor, "head width row"]:
    """softmax(qkᵀ) v of one query a row, rows along the last axis; queries have been divided by √d. `missing`: keys that stand for nothing.

    Kernels of matrix products spend more time on entering a head that is a few numbers wide than in it. With rows side by side it is
    plain arithmetic over all rows and heads, some times as fast. Each row needs a key that is not missing.
    """
    scores = (keys * query).sum(2)
    if missing is not None:
        scores.masked_fill_(missing, torch.finfo(scores.dtype).min)
    return (values * scores.softmax(0).unsqueeze(2)).sum(0)


def _with_past(query: Tensor, key: Tensor, mask: Mask) -> Mask:
    """`mask` and no later key; None where a single last query sees all."""
    if query.shape[-2] == 1:
        return mask
    earlier = causal_mask(query.shape[-2], key.shape[-2], device=query.device)
    return earlier if mask is None else earlier & mask
