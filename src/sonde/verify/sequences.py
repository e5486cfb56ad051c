"""Pairs of layers on sequences: recurrent ones, attention, the Transformer's blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sonde.nn.attention import AdditiveAttention, MultiHeadAttention, attention_of
from sonde.nn.positions import sinusoids
from sonde.nn.recurrent import Cell, Recurrent
from sonde.nn.transformer import BlockSize, DecoderBlock, EncoderBlock
from sonde.ops import attention as fast_attention
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


def _sonde(cell: Cell, *, reset_after: bool = True) -> Callable[..., tuple[Tensor, ...]]:
    """Sonde's layer called with the weights of a case."""

    def fast(x: Tensor, h: Tensor, c: Tensor | None = None, **weights: Tensor) -> tuple[Tensor, ...]:
        layers = len({name.removesuffix("_reverse") for name in weights if name.startswith("weight_ih")})
        both = any(name.endswith("_reverse") for name in weights)
        layer = Recurrent(cell, x.shape[2], h.shape[2], layers=layers, bidirectional=both, reset_after=reset_after).to(x.dtype)
        state = tuple(part.transpose(0, 1) for part in (h, c) if part is not None)
        y, last = functional_call(layer, weights, (x, state))
        return (y, *(part.transpose(0, 1) for part in last))

    return fast


def rnn() -> Pair:
    """H ← tanh(W x + U h + b)."""
    return Pair(lambda x, h, **weights: scratch_rnn(x, h, weights), _sonde("rnn"), _recurrent_cases(1), "sonde.nn.recurrent")


def gru() -> Pair:
    """The reset gate after the product, as cuDNN has it."""
    return Pair(lambda x, h, **weights: scratch_gru(x, h, weights), _sonde("gru"), _recurrent_cases(3), "sonde.nn.recurrent")


def gru_reset_before() -> Pair:
    """The reset gate before the product, as the paper has it."""

    def scratch(x: Any, h: Any, **weights: Any) -> tuple[Any, Any]:
        return scratch_gru(x, h, weights, reset_after=False)

    return Pair(scratch, _sonde("gru", reset_after=False), _recurrent_cases(3), "sonde.nn.recurrent")


def lstm() -> Pair:
    """Input, forget and output gate."""

    def scratch(x: Any, h: Any, c: Any, **weights: Any) -> tuple[Any, ...]:
        y, state = scratch_lstm(x, (h, c), weights)
        return (y, *state)

    return Pair(scratch, _sonde("lstm"), _recurrent_cases(4, cell=True), "sonde.nn.recurrent")


def _masks() -> dict[str, Array]:
    some = np.random.default_rng(3).random((2, 4, 6)) > 0.4
    some[:, :, 0] = True
    rows = some.copy()
    rows[0, 1] = False
    return {"masked": some, "a row masked wholly": rows}


def kernel_regression() -> Pair:
    """Nadaraya and Watson: an average of values, weighted by the distance of the keys."""
    inputs = draws(queries=(6,), keys=(9,), values=(9,), width=(1,))
    cases = [Case("6 queries, 9 keys", inputs), Case("one key", inputs | draws(keys=(1,), values=(1,)))]
    return Pair(scratch_attention.kernel_regression, fast_attention.kernel_regression, cases, "sonde.ops.attention")


def dot_product_attention() -> Pair:
    """softmax(QKᵀ/√d) V, masked weights exactly 0, a fully masked row 0 and not NaN."""

    def fast(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        options: dict[str, Any] = {"mask": mask}
        return fast_attention.dot_product_attention(query, key, value, **options), fast_attention.dot_product_weights(query, key, **options)

    shapes = {"query": (2, 4, 5), "key": (2, 6, 5), "value": (2, 6, 3)}
    cases = [Case("plain", draws(**shapes))]
    cases += [Case(name, draws(**shapes) | {"mask": mask}) for name, mask in _masks().items()]
    cases += [
        Case("one key", draws(query=(1, 3, 2), key=(1, 1, 2), value=(1, 1, 2))),
        Case("empty batch", draws(query=(0, 3, 2), key=(0, 4, 2), value=(0, 4, 2))),
        Case("large magnitudes", draws(30.0, query=(1, 3, 4), key=(1, 5, 4)) | draws(value=(1, 5, 2))),
    ]
    return Pair(scratch_attention.dot_product_attention, fast, cases, "sonde.ops.attention")


def causal_attention() -> Pair:
    """No query sees a later key; of more keys than queries the first are the past."""

    def fast(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        options: dict[str, Any] = {"causal": True}
        return fast_attention.dot_product_attention(query, key, value, **options), fast_attention.dot_product_weights(query, key, **options)

    def scratch(query: Any, key: Any, value: Any) -> tuple[Any, Any]:
        mask = scratch_attention.causal_mask(query.shape[1], key.shape[1])
        return scratch_attention.dot_product_attention(query, key, value, mask=mask)

    shapes = {"query": (2, 4, 5), "key": (2, 4, 5), "value": (2, 4, 3)}
    cases = [Case("from the start", draws(**shapes)), Case("with a past", draws(**shapes) | draws(key=(2, 6, 5), value=(2, 6, 3)))]
    cases.append(Case("one last query", draws(query=(2, 1, 5), key=(2, 6, 5), value=(2, 6, 3))))
    return Pair(scratch, fast, cases, "sonde.ops.attention")


def additive_attention() -> Pair:
    """wᵥ·tanh(W_q q + W_k k)."""

    def fast(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **w: Tensor) -> tuple[Tensor, Tensor]:
        layer = AdditiveAttention(query.shape[2], key.shape[2], len(w["W_q.weight"])).to(query.dtype)
        y = functional_call(_Looking(layer), {f"layer.{name}": weight for name, weight in w.items()}, (query, key, value, mask))
        return y, fast_attention.additive_weights(F.linear(query, w["W_q.weight"]), F.linear(key, w["W_k.weight"]), w["w_v.weight"][0], mask=mask)

    def scratch(query: Any, key: Any, value: Any, mask: Array | None = None, **weights: Any) -> tuple[Any, Any]:
        return scratch_attention.additive_attention(query, key, value, weights, mask=mask)

    inputs = draws(query=(2, 4, 5), key=(2, 6, 3), value=(2, 6, 2)) | draws(
        **{"W_q.weight": (7, 5), "W_k.weight": (7, 3), "w_v.weight": (1, 7)}
    )
    cases = [Case("plain", inputs), *(Case(name, inputs | {"mask": mask}) for name, mask in _masks().items())]
    return Pair(scratch, fast, cases, "sonde.nn.attention")


class _Looking(nn.Module):
    """A layer's memory and look as one call."""

    def __init__(self, layer: AdditiveAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        return self.layer.look(query, self.layer.remember(key), value, mask=mask)


def multi_head_attention() -> Pair:
    """Several heads, side by side, of queries that look at a memory."""

    def fast(
        query: Tensor, key: Tensor, mask: Tensor | None = None, heads: int = 1, **weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        layer = _Heads(MultiHeadAttention(query.shape[2], heads).to(query.dtype))
        with attention_of(layer) as seen:
            y = functional_call(layer, {f"layer.{name}": weight for name, weight in weights.items()}, (query, key, mask))
        return y, seen["layer"]

    def scratch(query: Any, key: Any, mask: Array | None = None, heads: int = 1, **weights: Any) -> tuple[Any, Any]:
        y, p = scratch_attention.multi_head_attention(query, key, key, weights, heads=heads, mask=mask)
        return y, p.data

    weights = draws(0.4, **{"in_proj_weight": (24, 8), "in_proj_bias": (24,), "out_proj.weight": (8, 8), "out_proj.bias": (8,)})
    inputs = draws(query=(2, 4, 8), key=(2, 6, 8)) | weights
    cases = [
        Case("two heads", inputs, {"heads": 2}),
        Case("one head", inputs, {"heads": 1}),
        *(Case(name, inputs | {"mask": mask}, {"heads": 4}) for name, mask in _masks().items()),
    ]
    return Pair(scratch, fast, cases, "sonde.nn.attention")


class _Heads(nn.Module):
    """Attention of several heads to a memory as one call."""

    def __init__(self, layer: MultiHeadAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        return self.layer.look(query, self.layer.remember(key), mask=None if mask is None else mask[:, None])


def positional_encoding() -> Pair:
    """Sines and cosines of i / 10000^(2j/d)."""

    def fast(length: int, width: int, start: int = 0) -> Tensor:
        return sinusoids(start, length, width)

    cases = [
        Case("60 × 32", {}, {"length": 60, "width": 32}),
        Case("one place", {}, {"length": 1, "width": 2}),
        Case("from place 1000, an odd width", {}, {"length": 7, "width": 5, "start": 1000}),
    ]
    return Pair(scratch_positional_encoding, fast, cases, "sonde.nn.positions", gradients=False)


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
        size = BlockSize(x.shape[2], heads, len(weights["linear1.weight"]), norm_first)
        y, _ = functional_call(EncoderBlock(size).to(x.dtype), weights, (x,), {"mask": mask})
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
    return Pair(scratch, fast, cases, "sonde.nn.transformer")


def decoder_block() -> Pair:
    """Causal self-attention, attention to the encoder, feed-forward."""

    def fast(x: Tensor, memory: Tensor, heads: int = 1, norm_first: bool = False, **weights: Tensor) -> Tensor:
        size = BlockSize(x.shape[2], heads, len(weights["linear1.weight"]), norm_first)
        return functional_call(_Decoding(DecoderBlock(size).to(x.dtype)), {f"block.{name}": w for name, w in weights.items()}, (x, memory))

    def scratch(x: Any, memory: Any, heads: int = 1, norm_first: bool = False, **weights: Any) -> Any:
        return scratch_decoder_block(x, memory, weights, heads=heads, norm_first=norm_first)

    weights = _block_weights(("norm1", "norm2", "norm3"), ("self_attn", "multihead_attn"), width=8, hidden=12)
    inputs = draws(x=(2, 5, 8), memory=(2, 3, 8)) | weights
    cases = [Case("plain", inputs, {"heads": 2}), Case("norm first", inputs, {"heads": 4, "norm_first": True})]
    return Pair(scratch, fast, cases, "sonde.nn.transformer")


class _Decoding(nn.Module):
    """A decoder's block as one call; its steps are read two at a time, with the keys and values of those before."""

    def __init__(self, block: DecoderBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        source, past, parts = self.block.multihead_attn.remember(memory), self.block.self_attn.no_past(len(x)), []
        for piece in x.split(2, dim=1):
            y, past = self.block(piece, source, past=past)
            parts.append(y)
        return torch.cat(parts, dim=1)
