"""The Transformer's blocks (Vaswani et al. 2017, "Attention is all you need").

    encoder   x ← norm₁(x + self(x));                                x ← norm₂(x + ffn(x))
    decoder   x ← norm₁(x + self(x)); x ← norm₂(x + cross(x, memory)); x ← norm₃(x + ffn(x))
    before    x ← x + f(norm(x)) instead of norm(x + f(x))           Xiong et al. 2020, `norm_first`
    ffn(x) = W₂ φ(W₁x + b₁) + b₂, the same at every position: two convolutions of width 1; φ is relu, of BERT gelu
    gelu(x) = x Φ(x) = x (1 + erf(x/√2))/2                           Hendrycks and Gimpel 2016

`self` of a decoder sees no later position, whatever the mask. Weights are named as in torch.nn.TransformerEncoderLayer
and TransformerDecoderLayer; with `rng` the attention weights, the hidden units of ffn and each f drop out at rate `drop`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

import numpy as np

from sonde.scratch.attention import Array, causal_mask, multi_head_attention
from sonde.scratch.dense import dense
from sonde.scratch.dropout import dropout
from sonde.scratch.layer_norm import layer_norm
from sonde.scratch.tensor import Tensor, as_tensor

Weights = Mapping[str, Array]
Cache = MutableMapping[str, Tensor]


def encoder_block(
    x: Array,
    weights: Weights,
    *,
    heads: int,
    mask: np.ndarray | None = None,
    norm_first: bool = False,
    gelu: bool = False,
    eps: float = 1e-5,
    cache: Cache | None = None,
    drop: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """From x (n, steps, d) → (n, steps, d). BERT's blocks (Devlin et al. 2018) have `gelu`, and an `eps` of 1e-12 in their norms.

    `weights`: self_attn.* as multi_head_attention's, linear1.weight (hidden, d), linear1.bias, linear2.weight (d, hidden),
    linear2.bias, norm1.weight and .bias (d,), norm2.*. `mask` is True where a position may look: (steps, steps) or (n, steps,
    steps); with the causal mask and a `cache` this is the block of a language model.
    """

    def attend(x: Tensor) -> Tensor:
        return multi_head_attention(x, x, x, part(weights, "self_attn"), heads=heads, mask=mask, cache=cache, drop=drop, rng=rng)[0]

    x = _residual(as_tensor(x), attend, part(weights, "norm1"), norm_first, drop, rng, eps)
    return _residual(x, lambda x: feed_forward(x, weights, gelu=gelu, drop=drop, rng=rng), part(weights, "norm2"), norm_first, drop, rng, eps)


def decoder_block(
    x: Array,
    memory: Array,
    weights: Weights,
    *,
    heads: int,
    memory_mask: np.ndarray | None = None,
    norm_first: bool = False,
    cache: Cache | None = None,
    drop: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """From x (n, steps, d) and the encoder's memory (n, k, d) → (n, steps, d).

    `weights`: as encoder_block's, and multihead_attn.*, norm3.*. `memory_mask`: (steps, k), (n, 1, k) or (n, steps, k). With a
    `cache` (an empty dict for the first call, then the same one) x holds new positions only: keys and values of those
    before are kept, so that a token costs one row of attention and not the whole sentence again.
    """
    x = as_tensor(x)
    past = cache["key"].shape[2] if cache else 0
    mask = causal_mask(x.shape[1], past + x.shape[1])

    def attend(x: Tensor) -> Tensor:
        return multi_head_attention(x, x, x, part(weights, "self_attn"), heads=heads, mask=mask, cache=cache, drop=drop, rng=rng)[0]

    def cross(x: Tensor) -> Tensor:
        own = part(weights, "multihead_attn")
        return multi_head_attention(x, memory, memory, own, heads=heads, mask=memory_mask, drop=drop, rng=rng)[0]

    x = _residual(x, attend, part(weights, "norm1"), norm_first, drop, rng)
    x = _residual(x, cross, part(weights, "norm2"), norm_first, drop, rng)
    return _residual(x, lambda x: feed_forward(x, weights, drop=drop, rng=rng), part(weights, "norm3"), norm_first, drop, rng)


def feed_forward(x: Array, weights: Weights, *, gelu: bool = False, drop: float = 0.0, rng: np.random.Generator | None = None) -> Tensor:
    """W₂ φ(W₁x + b₁) + b₂ at each position, φ relu or `gelu`: from x (…, d) → (…, d)."""
    hidden = dense(x, weights["linear1.weight"], weights["linear1.bias"])
    hidden = hidden * ((hidden * 0.5**0.5).erf() + 1.0) * 0.5 if gelu else hidden.relu()
    hidden = hidden if rng is None else dropout(hidden, drop, rng)
    return dense(hidden, weights["linear2.weight"], weights["linear2.bias"])


def part(weights: Weights, name: str) -> dict[str, Array]:
    """The weights under `name.`, without it: part(w, "norm1") holds weight and bias."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def _residual(
    x: Tensor, f: Callable[[Tensor], Tensor], norm: dict[str, Array], norm_first: bool, drop: float, rng: np.random.Generator | None, eps: float = 1e-5
) -> Tensor:
    """norm(x + f(x)), or x + f(norm(x)) with `norm_first`; with `rng` f drops out."""
    y = f(layer_norm(x, norm["weight"], norm["bias"], eps=eps) if norm_first else x)
    y = x + (y if rng is None else dropout(y, drop, rng))
    return y if norm_first else layer_norm(y, norm["weight"], norm["bias"], eps=eps)
