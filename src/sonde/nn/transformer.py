"""The Transformer's blocks (Vaswani et al. 2017, "Attention is all you need").

    encoder   x ← norm₁(x + self(x));                                x ← norm₂(x + ffn(x))
    decoder   x ← norm₁(x + self(x)); x ← norm₂(x + cross(x, memory)); x ← norm₃(x + ffn(x))
    before    x ← x + f(norm(x)) instead of norm(x + f(x))           Xiong et al. 2020, `norm_first`
    ffn(x) = W₂ relu(W₁x + b₁) + b₂, the same at every position: two convolutions of width 1

Weights are named as in torch.nn.TransformerEncoderLayer and TransformerDecoderLayer. As in the paper (section 5.4) what each
f gives drops out in training; attention weights drop out where `attention_drop` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.attention import MultiHeadAttention
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.positions import Turn
from sonde.ops.attention import Mask
from sonde.ops.growing import Growing

Steps = Float[Tensor, "batch step width"]


@dataclass(frozen=True)
class BlockSize:
    """What all blocks of a Transformer have in common. `drop` and `attention_drop` are shares from 0 to under 1."""

    width: int
    heads: int
    hidden: int
    norm_first: bool = False
    drop: float = 0.0
    attention_drop: float = 0.0


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward. With `causal` it is the block of a language model."""

    def __init__(self, size: BlockSize) -> None:
        super().__init__()
        self.norm_first = size.norm_first
        self.self_attn = MultiHeadAttention(size.width, size.heads, drop=size.attention_drop)
        self.linear1 = nn.Linear(size.width, size.hidden)
        self.linear2 = nn.Linear(size.hidden, size.width)
        self.norm1 = nn.LayerNorm(size.width)
        self.norm2 = nn.LayerNorm(size.width)
        self.dropout = Dropout(size.drop)
        _start(self.linear1, self.linear2)

    def forward(
        self, x: Steps, *, mask: Mask = None, causal: bool = False, turn: Turn = None, past: Growing | None = None
    ) -> tuple[Steps, Growing | None]:
        """The block's output, and where there is a `past` all keys and values. Arguments as MultiHeadAttention's."""
        drop = self.dropout
        y, past = self.self_attn(self.norm1(x) if self.norm_first else x, mask=mask, causal=causal, turn=turn, past=past)
        x = x + drop(y)
        if self.norm_first:
            return x + drop(_feed_forward(self.norm2(x), self.linear1, self.linear2)), past
        x = self.norm1(x)
        return self.norm2(x + drop(_feed_forward(x, self.linear1, self.linear2))), past


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the encoder's memory, feed-forward."""

    def __init__(self, size: BlockSize) -> None:
        super().__init__()
        self.norm_first = size.norm_first
        self.self_attn = MultiHeadAttention(size.width, size.heads, drop=size.attention_drop)
        self.multihead_attn = MultiHeadAttention(size.width, size.heads, drop=size.attention_drop)
        self.linear1 = nn.Linear(size.width, size.hidden)
        self.linear2 = nn.Linear(size.hidden, size.width)
        self.norm1 = nn.LayerNorm(size.width)
        self.norm2 = nn.LayerNorm(size.width)
        self.norm3 = nn.LayerNorm(size.width)
        self.dropout = Dropout(size.drop)
        _start(self.linear1, self.linear2)

    def forward(
        self, x: Steps, memory: Tensor | Growing, *, memory_mask: Mask = None, turn: Turn = None, past: Growing | None = None
    ) -> tuple[Steps, Growing | None]:
        """The block's output, and where there is a `past` all its own keys and values. `memory` and `memory_mask` as MultiHeadAttention.look's."""
        drop = self.dropout
        if self.norm_first:
            y, past = self.self_attn(self.norm1(x), causal=True, turn=turn, past=past)
            x = x + drop(y)
            x = x + drop(self.multihead_attn.look(self.norm2(x), memory, mask=memory_mask))
            return x + drop(_feed_forward(self.norm3(x), self.linear1, self.linear2)), past
        y, past = self.self_attn(x, causal=True, turn=turn, past=past)
        x = self.norm1(x + drop(y))
        x = self.norm2(x + drop(self.multihead_attn.look(x, memory, mask=memory_mask)))
        return self.norm3(x + drop(_feed_forward(x, self.linear1, self.linear2))), past


def scaled_embedding(count: int, width: int) -> nn.Embedding:
    """Vectors of variance 1/width, so that they serve as the output's weights too; models multiply them by √width on the way in."""
    embedding = nn.Embedding(count, width)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    return embedding


def output_layer(width: int, outputs: int) -> nn.Linear:
    """The dense layer from the last block to the logits."""
    layer = nn.Linear(width, outputs)
    _start(layer)
    return layer


def last_norm(size: BlockSize) -> nn.Module:
    """Blocks that normalise first leave a sum that nobody has normalised; the others have done it."""
    return nn.LayerNorm(size.width) if size.norm_first else nn.Identity()


def _feed_forward(x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
    y: Tensor = second(torch.relu(first(x)))
    return y


def _start(*layers: nn.Linear) -> None:
    for layer in layers:
        initialise(layer.weight, "xavier-uniform")
        nn.init.zeros_(layer.bias)
