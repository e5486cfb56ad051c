"""Pairs of layers on sequences: recurrent ones, attention, the Transformer's blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sonde.scratch import attention as scratch_attention
from sonde.scratch.gru import gru as scratch_gru
from sonde.scratch.lstm import lstm as scratch_lstm
from sonde.scratch.positional_encoding import positional_encoding as scratch_positional_encoding
from sonde.scratch.rnn import rnn as scratch_rnn
from sonde.scratch.transformer import decoder_block as scratch_decoder_block
from sonde.scratch.transformer import encoder_block as scratch_encoder_block
from sonde.verify.cases import draws
from sonde.verify.pair import Array, Case, Pair


def _recurrent_case(
    name: str, gates: int, *, steps: int, batch: int, inputs: int, hidden: int, layers: int = 1, both: bool = False, cell: bool = False
) -> Case:
    """Weights as torch.nn names them, x, the first state h, and c where there is a cell."""
    shapes: dict[str, tuple[int, ...]] = {}
    directions = ("", "_reverse") if both else ("",)
    for layer in range(layers):
        width = inputs if layer == 0 else hidden * len(directions)
        for end in (f"_l{layer}{direction}" for direction in directions):
            shapes |= {f"weight_ih{end}": (gates * hidden, width), f"weight_hh{end}": (gates * hidden, hidden)}
            shapes |= {f"bias_ih{end}": (gates * hidden,), f"bias_hh{end}": (gates * hidden,)}
    state = (layers * len(directions), batch, hidden)
    states = draws(0.5, h=state) | (draws(0.5, c=state) if cell else {})
    return Case(name, draws(x=(steps, batch, inputs)) | states | draws(0.4, **shapes))


def _recurrent_cases(gates: int, *, cell: bool = False) -> list[Case]:
    return [
        _recurrent_case("7 steps", gates, steps=7, batch=5, inputs=6, hidden=8, cell=cell),
        _recurrent_case("one step", gates, steps=1, batch=2, inputs=3, hidden=4, cell=cell),
        _recurrent_case("two layers, both directions", gates, steps=4, batch=2, inputs=3, hidden=4, layers=2, both=True, cell=cell),
        _recurrent_case("batch of one", gates, steps=5, batch=1, inputs=1, hidden=1, cell=cell),
    ]


def _with_module(module: type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]) -> Callable[..., tuple[Tensor, ...]]:
    """torch.nn's layer called with the weights of a case."""

    def fast(x: Tensor, h: Tensor, c: Tensor | None = None, **weights: Tensor) -> tuple[Tensor, ...]:
        layers = len({name.removesuffix("_reverse") for name in weights if name.startswith("weight_ih")})
        both = any(name.endswith("_reverse") for name in weights)
        layer = module(x.shape[2], h.shape[2], layers, bidirectional=both).to(x.dtype)
        y, state = functional_call(layer, weights, (x, h if c is None else (h, c)))
        return (y, *state) if isinstance(state, tuple) else (y, state)

    return fast


def rnn() -> Pair:
    """H ← tanh(W x + U h + b)."""
    return Pair(lambda x, h, **weights: scratch_rnn(x, h, weights), _with_module(nn.RNN), _recurrent_cases(1))


def gru() -> Pair:
    """The reset gate after the product, as cuDNN has it."""
    return Pair(lambda x, h, **weights: scratch_gru(x, h, weights), _with_module(nn.GRU), _recurrent_cases(3))


def gru_reset_before() -> Pair:
    """The reset gate before the product, as the paper has it."""

    def fast(x: Tensor, h: Tensor, **w: Tensor) -> tuple[Tensor, Tensor]:
        n, state, outputs = h.shape[2], h[0], []
        for step in x:
            own = F.linear(step, w["weight_ih_l0"], w["bias_ih_l0"])
            r, z = (own[:, : 2 * n] + F.linear(state, w["weight_hh_l0"][: 2 * n], w["bias_hh_l0"][: 2 * n])).sigmoid().chunk(2, 1)
            candidate = (own[:, 2 * n :] + F.linear(r * state, w["weight_hh_l0"][2 * n :], w["bias_hh_l0"][2 * n :])).tanh()
            state = z * state + (1 - z) * candidate
            outputs.append(state)
        return torch.stack(outputs), state[None]

    cases = [case for case in _recurrent_cases(3) if "weight_ih_l1" not in case.inputs]
    return Pair(lambda x, h, **weights: scratch_gru(x, h, weights, reset_after=False), fast, cases, "the formula in PyTorch")


def lstm() -> Pair:
    """Input, forget and output gate."""

    def scratch(x: Any, h: Any, c: Any, **weights: Any) -> tuple[Any, ...]:
        y, state = scratch_lstm(x, (h, c), weights)
        return (y, *state)

    return Pair(scratch, _with_module(nn.LSTM), _recurrent_cases(4, cell=True))


def _masks() -> dict[str, Array]:
    some = np.random.default_rng(3).random((2, 4, 6)) > 0.4
    some[:, :, 0] = True
    rows = some.copy()
    rows[0, 1] = False
    return {"masked": some, "a row masked wholly": rows}


def kernel_regression() -> Pair:
    """Nadaraya and Watson: an average of values, weighted by the distance of the keys."""

    def fast(queries: Tensor, keys: Tensor, values: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        weights = (-((queries[:, None] - keys) * width).square() / 2).softmax(-1)
        return weights @ values, weights

    inputs = draws(queries=(6,), keys=(9,), values=(9,), width=(1,))
    return Pair(scratch_attention.kernel_regression, fast, [Case("6 queries, 9 keys", inputs)], "the formula in PyTorch")


def dot_product_attention() -> Pair:
    """softmax(QKᵀ/√d) V, masked weights exactly 0, a fully masked row 0 and not NaN."""

    def fast(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        dead = torch.isneginf(scores).all(-1, keepdim=True)
        p = scores.masked_fill(dead, 0.0).softmax(-1).masked_fill(dead, 0.0)
        return p @ value, p

    shapes = {"query": (2, 4, 5), "key": (2, 6, 5), "value": (2, 6, 3)}
    cases = [Case("plain", draws(**shapes))]
    cases += [Case(name, draws(**shapes) | {"mask": mask}) for name, mask in _masks().items()]
    cases += [
        Case("one key", draws(query=(1, 3, 2), key=(1, 1, 2), value=(1, 1, 2))),
        Case("empty batch", draws(query=(0, 3, 2), key=(0, 4, 2), value=(0, 4, 2))),
        Case("large magnitudes", draws(30.0, query=(1, 3, 4), key=(1, 5, 4)) | draws(value=(1, 5, 2))),
    ]
    return Pair(scratch_attention.dot_product_attention, fast, cases, "the formula in PyTorch")


def additive_attention() -> Pair:
    """wᵥ·tanh(W_q q + W_k k)."""

    def fast(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **w: Tensor) -> tuple[Tensor, Tensor]:
        features = (F.linear(query, w["W_q.weight"])[:, :, None] + F.linear(key, w["W_k.weight"])[:, None]).tanh()
        scores = F.linear(features, w["w_v.weight"])[..., 0]
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        p = scores.softmax(-1)
        return p @ value, p

    def scratch(query: Any, key: Any, value: Any, mask: Array | None = None, **weights: Any) -> tuple[Any, Any]:
        return scratch_attention.additive_attention(query, key, value, weights, mask=mask)

    inputs = draws(query=(2, 4, 5), key=(2, 6, 3), value=(2, 6, 2)) | draws(
        **{"W_q.weight": (7, 5), "W_k.weight": (7, 3), "w_v.weight": (1, 7)}
    )
    return Pair(scratch, fast, [Case("plain", inputs), Case("masked", inputs | {"mask": _masks()["masked"]})], "the formula in PyTorch")


def multi_head_attention() -> Pair:
    """Several heads, side by side."""

    def fast(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, heads: int = 1, **weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        layer = nn.MultiheadAttention(query.shape[2], heads, batch_first=True).to(query.dtype)
        hidden = None if mask is None else ~mask.repeat_interleave(heads, 0)
        options = {"attn_mask": hidden, "average_attn_weights": False}
        y, p = functional_call(layer, weights, (query, key, value), options)
        return y, p

    def scratch(query: Any, key: Any, value: Any, mask: Array | None = None, heads: int = 1, **weights: Any) -> tuple[Any, Any]:
        return scratch_attention.multi_head_attention(query, key, value, weights, heads=heads, mask=mask)

    weights = draws(0.4, **{"in_proj_weight": (24, 8), "in_proj_bias": (24,), "out_proj.weight": (8, 8), "out_proj.bias": (8,)})
    inputs = draws(query=(2, 4, 8), key=(2, 6, 8), value=(2, 6, 8)) | weights
    cases = [
        Case("two heads", inputs, {"heads": 2}),
        Case("one head", inputs, {"heads": 1}),
        Case("masked", inputs | {"mask": _masks()["masked"]}, {"heads": 4}),
    ]
    return Pair(scratch, fast, cases)


def positional_encoding() -> Pair:
    """Sines and cosines of i / 10000^(2j/d)."""

    def fast(length: int, width: int) -> Tensor:
        angle = torch.arange(length, dtype=torch.float64)[:, None] / 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
        found = torch.zeros(length, width, dtype=torch.float64)
        found[:, 0::2], found[:, 1::2] = angle.sin(), angle.cos()[:, : width // 2]
        return found

    cases = [Case("60 × 32", {}, {"length": 60, "width": 32}), Case("one place", {}, {"length": 1, "width": 2})]
    return Pair(scratch_positional_encoding, fast, cases, "the formula in PyTorch", gradients=False)


def _block_weights(names: tuple[str, ...], attentions: tuple[str, ...], *, width: int, hidden: int) -> dict[str, Array]:
    shapes: dict[str, tuple[int, ...]] = {"linear1.weight": (hidden, width), "linear1.bias": (hidden,)}
    shapes |= {"linear2.weight": (width, hidden), "linear2.bias": (width,)}
    for name in attentions:
        shapes |= {f"{name}.in_proj_weight": (3 * width, width), f"{name}.in_proj_bias": (3 * width,)}
        shapes |= {f"{name}.out_proj.weight": (width, width), f"{name}.out_proj.bias": (width,)}
    for name in names:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return draws(0.4, **shapes)


def encoder_block() -> Pair:
    """Self-attention and feed-forward, each with a shortcut and a norm."""

    def fast(x: Tensor, mask: Tensor | None = None, heads: int = 1, norm_first: bool = False, **weights: Tensor) -> Tensor:
        hidden = weights["linear1.weight"].shape[0]
        layer = nn.TransformerEncoderLayer(x.shape[2], heads, hidden, 0.0, batch_first=True, norm_first=norm_first).to(x.dtype)
        y: Tensor = functional_call(layer, weights, (x,), {"src_mask": None if mask is None else ~mask})
        return y

    def scratch(x: Any, mask: Array | None = None, heads: int = 1, norm_first: bool = False, **weights: Any) -> Any:
        return scratch_encoder_block(x, weights, heads=heads, mask=mask, norm_first=norm_first)

    inputs = draws(x=(2, 5, 8)) | _block_weights(("norm1", "norm2"), ("self_attn",), width=8, hidden=12)
    cases = [
        Case("plain", inputs, {"heads": 2}),
        Case("causal", inputs | {"mask": np.tri(5, dtype=bool)}, {"heads": 2}),
        Case("norm first", inputs, {"heads": 4, "norm_first": True}),
        Case("length 1", inputs | draws(x=(3, 1, 8)), {"heads": 1}),
    ]
    return Pair(scratch, fast, cases)


def decoder_block() -> Pair:
    """Causal self-attention, attention to the encoder, feed-forward."""

    def fast(x: Tensor, memory: Tensor, heads: int = 1, norm_first: bool = False, **weights: Tensor) -> Tensor:
        hidden, steps = weights["linear1.weight"].shape[0], x.shape[1]
        layer = nn.TransformerDecoderLayer(x.shape[2], heads, hidden, 0.0, batch_first=True, norm_first=norm_first).to(x.dtype)
        later = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        y: Tensor = functional_call(layer, weights, (x, memory), {"tgt_mask": later})
        return y

    def scratch(x: Any, memory: Any, heads: int = 1, norm_first: bool = False, **weights: Any) -> Any:
        return scratch_decoder_block(x, memory, weights, heads=heads, norm_first=norm_first)

    weights = _block_weights(("norm1", "norm2", "norm3"), ("self_attn", "multihead_attn"), width=8, hidden=12)
    inputs = draws(x=(2, 5, 8), memory=(2, 3, 8)) | weights
    cases = [Case("plain", inputs, {"heads": 2}), Case("norm first", inputs, {"heads": 4, "norm_first": True})]
    return Pair(scratch, fast, cases)
