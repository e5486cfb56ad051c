"""Attention with weights of its own: several heads side by side, and the additive kind.

What was looked at is kept by nobody, unless asked for:

    with attention_of(network) as seen:
        network(...)
    seen["encoder.0.self_attn"]     # the weights of that layer's last call
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.positions import Turn, turned
from sonde.ops.attention import Mask, additive_weights, dot_product_attention, dot_product_weights
from sonde.ops.growing import Growing

ROWS_FIRST, ROWS_LAST = 0, 4  # the axis of the rows in the two ways in which keys and values are kept
# On a CPU they are kept with the rows along the last axis where heads are at most so wide: see ops.attention.step_attention.
NARROW: Final = 32


class MultiHeadAttention(nn.Module):
    """`heads` scaled dot products side by side, each on its own projection of width/heads columns (Vaswani et al. 2017, section 3.2.2).

    Weights are named as torch.nn.MultiheadAttention's. `drop`: share of the attention weights that drop out in training.
    """

    def __init__(self, width: int, heads: int, *, drop: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            what = f"a width of {width} cannot be cut into {heads} heads"
            raise RecipeError(what, where="model.config", remedy="choose a model.heads that divides model.width")
        self.width, self.heads = width, heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.dropout = Dropout(drop)
        self.seen: list[Tensor] | None = None  # where the weights of each call are put, while somebody looks
        for part in self.in_proj_weight.chunk(3):
            initialise(part, "xavier-uniform")
        initialise(self.out_proj.weight, "xavier-uniform")
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Float[Tensor, "batch query width"],
        *,
        mask: Mask = None,
        causal: bool = False,
        turn: Turn = None,
        past: Growing | None = None,
    ) -> tuple[Float[Tensor, "batch query width"], Growing | None]:
        """Self-attention, and where there is a `past` (`no_past` begins one) all keys and values, those of `past` first.

        `mask`: True where a query may look, broadcast to (batch, head, query, key). `turn`: rotary positions of `x`.
        """
        query, key, value = self._cut(F.linear(x, self.in_proj_weight, self.in_proj_bias), 3).unbind(1)
        query, key = turned(query, turn), turned(key, turn)
        if past is None:
            return self._attend(query, key, value, mask, causal), None
        began = past.length > 0
        past = past.appended(_arranged(torch.stack([key, value], 1), past.rows))
        if began:
            key, value = _as_projected(past).unbind(1)
        return self._attend(query, key, value, mask, causal), past

    def no_past(self, rows: int) -> Growing:
        """Keys and values of no step."""
        return kept(self.in_proj_weight.new_empty(rows, 2, self.heads, 0, self.width // self.heads))

    def remember(self, memory: Float[Tensor, "batch key width"]) -> Float[Tensor, "batch 2 head key column"]:
        """Keys and values of what is to be looked at by `look`: projected once, however many steps look."""
        return self._cut(F.linear(memory, self.in_proj_weight[self.width :], self.in_proj_bias[self.width :]), 2)

    def look(
        self, x: Float[Tensor, "batch query width"], memory: Tensor | Growing, *, mask: Mask = None
    ) -> Float[Tensor, "batch query width"]:
        """Attention of `x` to what `remember` gave, or `kept` of it."""
        query = self._cut(F.linear(x, self.in_proj_weight[: self.width], self.in_proj_bias[: self.width]), 1)[:, 0]
        key, value = (_as_projected(memory) if isinstance(memory, Growing) else memory).unbind(1)
        return self._attend(query, key, value, mask, False)

    def _cut(self, projected: Tensor, parts: int) -> Tensor:
        """(batch, step, parts × width) as (batch, part, head, step, width/heads)."""
        batch, steps, _ = projected.shape
        return projected.view(batch, steps, parts, self.heads, self.width // self.heads).permute(0, 2, 3, 1, 4)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, causal: bool) -> Tensor:
        if self.seen is None and not (self.training and self.dropout.p):
            y = dot_product_attention(query, key, value, mask=mask, causal=causal)
        else:
            weights = dot_product_weights(query, key, mask=mask, causal=causal)
            if self.seen is not None:
                self.seen.append(weights.detach())
            y = self.dropout(weights) @ value
        output: Tensor = self.out_proj(y.transpose(1, 2).flatten(2))
        return output


def kept(memory: Float[Tensor, "batch 2 head step column"], *, shared: bool = False) -> Growing:
    """Keys and values as they were projected, laid out for the steps that will look at them or be appended. `shared` as Growing's."""
    narrow = memory.device.type == "cpu" and memory.dtype in (torch.float32, torch.float64) and memory.shape[-1] <= NARROW
    rows = ROWS_LAST if narrow else ROWS_FIRST
    return Growing(_arranged(memory, rows).contiguous(), steps=1 if narrow else 2, rows=rows, shared=shared)


def _arranged(memory: Tensor, rows: int) -> Tensor:
    """(row, 2, head, step, column) as (2, step, head, column, row), or with the rows first as (row, 2, step, head, column)."""
    return memory.permute(1, 3, 2, 4, 0) if rows == ROWS_LAST else memory.transpose(2, 3)


def _as_projected(past: Growing) -> Tensor:
    """The opposite of `_arranged`, in a form that the kernels of attention can read."""
    return past.tensor.permute(4, 0, 2, 1, 3).contiguous() if past.rows == ROWS_LAST else past.tensor.transpose(2, 3)


class AdditiveAttention(nn.Module):
    """w_vᵀ tanh(W_q q + W_k k) (Bahdanau, Cho and Bengio 2015, section A.1.2); queries and keys may differ in width."""

    def __init__(self, query: int, key: int, hidden: int) -> None:
        super().__init__()
        self.W_q = nn.Linear(query, hidden, bias=False)
        self.W_k = nn.Linear(key, hidden, bias=False)
        self.w_v = nn.Linear(hidden, 1, bias=False)
        self.seen: list[Tensor] | None = None
        for layer in (self.W_q, self.W_k, self.w_v):
            initialise(layer.weight, "xavier-uniform")

    def remember(self, memory: Float[Tensor, "batch key width"]) -> Tensor:
        """The keys, projected once, however many steps look."""
        projected: Tensor = self.W_k(memory)
        return projected

    def look(
        self,
        x: Float[Tensor, "batch query width"],
        keys: Float[Tensor, "batch key hidden"],
        values: Float[Tensor, "batch key values"],
        *,
        mask: Mask = None,
    ) -> Float[Tensor, "batch query values"]:
        """The average of `values` for each query; `keys` are those that `remember` gave. `mask` is broadcast to (batch, query, key)."""
        weights = additive_weights(self.W_q(x), keys, self.w_v.weight[0], mask=mask)
        if self.seen is not None:
            self.seen.append(weights.detach())
        return weights @ values


class DotProductAttention(nn.Module):
    """qᵀ W k / √d: the product of Luong, Pham and Manning 2015 ("general"), scaled."""

    def __init__(self, query: int, key: int) -> None:
        super().__init__()
        self.W_k = nn.Linear(key, query, bias=False)
        self.seen: list[Tensor] | None = None
        initialise(self.W_k.weight, "xavier-uniform")

    def remember(self, memory: Float[Tensor, "batch key width"]) -> Tensor:
        """The keys, projected once, however many steps look."""
        projected: Tensor = self.W_k(memory)
        return projected

    def look(
        self,
        x: Float[Tensor, "batch query width"],
        keys: Float[Tensor, "batch key width"],
        values: Float[Tensor, "batch key values"],
        *,
        mask: Mask = None,
    ) -> Float[Tensor, "batch query values"]:
        """As AdditiveAttention.look."""
        if self.seen is None:
            return dot_product_attention(x, keys, values, mask=mask)
        weights = dot_product_weights(x, keys, mask=mask)
        self.seen.append(weights.detach())
        return weights @ values


@contextmanager
def attention_of(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """While this is open, the attention weights of each layer's last call, by the layer's name in `network`.

    (batch, head, query, key) of layers with several heads, (batch, query, key) of others. The table is filled when the block ends.
    """
    layers = {
        name: layer for name, layer in network.named_modules() if isinstance(layer, (MultiHeadAttention, AdditiveAttention, DotProductAttention))
    }
    table: dict[str, Tensor] = {}
    for layer in layers.values():
        layer.seen = []
    try:
        yield table
    finally:
        for name, layer in layers.items():
            if layer.seen:
                table[name] = layer.seen[-1]
            layer.seen = None
