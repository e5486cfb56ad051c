"""One step of a Transformer's blocks while a text is written: the arithmetic of nn/transformer.py in few and small operations.

A step of a small model spends more time on finding weights by their names and on turning axes about than on its arithmetic. So the
weights are laid out once, when a text begins, and the rows of the batch lie along the last axis wherever keys and values are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.nn.attention import ROWS_LAST, MultiHeadAttention
from sonde.nn.positions import Turn, turned
from sonde.nn.transformer import DecoderBlock, EncoderBlock
from sonde.ops.attention import step_attention
from sonde.ops.growing import Growing

Row = Float[Tensor, "row width"]


class BlockStep:
    """A block whose keys and values are kept with the rows last (nn.attention.kept): one step of it, dropout aside."""

    __slots__ = ("feed", "heads", "look", "norm_first", "norms", "own", "width")

    def __init__(self, block: EncoderBlock | DecoderBlock) -> None:
        self.norm_first, self.heads, self.width = block.norm_first, block.self_attn.heads, block.self_attn.width
        self.own = _projection(block.self_attn, 3)
        self.look = _projection(block.multihead_attn, 1) if isinstance(block, DecoderBlock) else None
        self.norms = [_norm(block.norm1), _norm(block.norm2), *([_norm(block.norm3)] if isinstance(block, DecoderBlock) else [])]
        self.feed = (*_affine(block.linear1), *_affine(block.linear2))

    def __call__(
        self, x: Row, past: Growing | None, turn: Turn, memory: Growing | None = None, missing: Bool[Tensor, "step 1 row"] | None = None
    ) -> tuple[Row, Growing]:
        """The block's output and all its keys and values. `memory`: those of the source, and `missing` which of them stand for nothing."""
        first, norms = self.norm_first, self.norms
        x, past = self._own(x, torch.layer_norm(x, *norms[0]) if first else x, past, turn)
        if not first:
            x = torch.layer_norm(x, *norms[0])
        if memory is not None and self.look is not None:
            weight, bias, out, out_bias = self.look
            query = torch.addmm(bias, weight, (torch.layer_norm(x, *norms[1]) if first else x).t())
            keys, values = memory.tensor.unbind(0)
            y = step_attention(query.view(keys.shape[1:]), keys, values, missing=missing)
            x = _added(x, y.view(self.width, -1).t(), out, out_bias)
            if not first:
                x = torch.layer_norm(x, *norms[1])
        weight, bias, out, out_bias = self.feed
        y = torch.addmm(bias, torch.layer_norm(x, *norms[-1]) if first else x, weight).relu_()
        x = _added(x, y, out, out_bias)
        return x if first else torch.layer_norm(x, *norms[-1]), past

    def _own(self, x: Row, read: Row, past: Growing | None, turn: Turn) -> tuple[Row, Growing]:
        """`x` and the self-attention of `read`."""
        weight, bias, out, out_bias = self.own
        columns = torch.addmm(bias, weight, read.t()).view(3, self.heads, -1, x.shape[0])
        if turn is not None:
            columns = torch.cat([turned(columns[:2].mT, turn).mT, columns[2:]])
        new = columns[1:].unsqueeze(1)
        past = Growing(new, steps=1, rows=ROWS_LAST) if past is None else past.appended(new)
        keys, values = past.tensor.unbind(0)
        y = step_attention(columns[0], keys, values)
        return _added(x, y.view(self.width, -1).t(), out, out_bias), past


class Stepping:
    """What a decoder does after its embedding: blocks, the last normalisation, the output's weights (token, width) and bias.

    `whole`: no key of a source stands for nothing, and none is looked for.
    """

    def __init__(
        self, blocks: Sequence[EncoderBlock | DecoderBlock], norm: nn.Module, weight: Tensor, bias: Tensor, *, whole: bool = False
    ) -> None:
        self.blocks = [BlockStep(block) for block in blocks]
        self.norm = _norm(norm) if isinstance(norm, nn.LayerNorm) else None
        self.weight, self.bias, self.whole = weight.t(), bias, whole

    def __call__(
        self, x: Row, pasts: Sequence[Growing], turn: Turn, memories: Sequence[Growing] = (), real: Bool[Tensor, "row key"] | None = None
    ) -> tuple[Float[Tensor, "row token"], list[Growing]]:
        """Logits after one step, and all keys and values of each block, those of `pasts` first (none where the text begins)."""
        missing = None if real is None or self.whole else ~real.t()[:, None]
        after: list[Growing] = []
        for number, block in enumerate(self.blocks):
            memory = memories[number] if memories else None
            x, past = block(x, pasts[number] if pasts else None, turn, memory, missing)
            after.append(past)
        if self.norm is not None:
            x = torch.layer_norm(x, *self.norm)
        return torch.addmm(self.bias, x, self.weight), after


def stepping(
    blocks: Sequence[EncoderBlock | DecoderBlock], norm: nn.Module, weight: Tensor, bias: Tensor, real: Bool[Tensor, "row key"] | None = None
) -> Stepping | None:
    """A Stepping where keys and values are kept with the rows last; None where the blocks themselves are as fast. `real`: keys of the source."""
    if blocks[0].self_attn.no_past(1).rows != ROWS_LAST or blocks[0].self_attn.seen is not None:
        return None
    return Stepping(blocks, norm, weight, bias, whole=real is not None and bool(real.all()))


def _added(x: Row, y: Float[Tensor, "row inner"], weight: Float[Tensor, "inner width"], bias: Float[Tensor, " width"]) -> Row:
    """A dense layer of y added to x: x + yW + b in two operations, not three."""
    return (x + bias).addmm_(y, weight)


def _affine(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """What addmm needs of a dense layer: weights (input, output), and the bias."""
    return layer.weight.t(), layer.bias


def _projection(attention: MultiHeadAttention, parts: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights and bias of the query, which is divided by √d, or of query, key and value, whose outputs come first, and those of the output."""
    count, width = parts * attention.width, attention.width
    scale = torch.ones(count, 1, dtype=attention.in_proj_weight.dtype, device=attention.in_proj_weight.device)
    scale[:width] = (width // attention.heads) ** -0.5
    weight, bias = attention.in_proj_weight[:count] * scale, attention.in_proj_bias[:count, None] * scale
    return weight, bias, *_affine(attention.out_proj)


def _norm(layer: nn.LayerNorm) -> Any:
    return layer.normalized_shape, layer.weight, layer.bias, layer.eps
