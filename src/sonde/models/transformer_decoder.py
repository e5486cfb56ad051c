"""The Transformer that foretells the next token: blocks in which no position sees a later one (Radford et al. 2018; Liu et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError
from sonde.nn.attention import Cache
from sonde.nn.dropout import Dropout
from sonde.nn.positions import Kind, Positions
from sonde.nn.sequence import State
from sonde.nn.transformer import BlockSize, EncoderBlock, last_norm, output_layer, scaled_embedding


@dataclass(frozen=True)
class Config:
    """`layers` blocks of `heads` heads; `hidden`: width between the two dense layers of a block, 0 for 4 × width.

    `length`: the most tokens that are looked back on. `norm`: before or after each part of a block. `tied`: the output's weights are the
    embedding's. `dropout` is of embeddings and of what the parts of a block give, `attention_dropout` of attention weights.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token", "sequence"] = "token"
    length: int = 64
    width: int = 256
    layers: int = 4
    heads: int = 4
    hidden: int = 0
    positions: Kind = "rotary"
    norm: Literal["pre", "post"] = "pre"
    tied: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.0


VARIANTS: dict[str, Config] = {"transformer-decoder": Config()}


class TransformerDecoder(nn.Module):
    """Embedding, positions, blocks, output.

    As a language model it keeps, in evaluation mode, the keys and values of the tokens that it has read. When these are `length` many, it
    begins anew with the later half of them as its past, so that every token but the first ones of a text is foretold from `length`/2 to
    `length` tokens, at positions that it has been trained at, at twice the cost of never looking back further.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = BlockSize(
            config.width, config.heads, config.hidden or 4 * config.width, config.norm == "pre", config.dropout, config.attention_dropout
        )
        self.per, self.length, self.scale = config.per, config.length, config.width**0.5
        self.embedding = scaled_embedding(config.vocabulary, config.width)
        self.positions = Positions(config.positions, width=config.width, head=config.width // config.heads, length=config.length)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(EncoderBlock(size) for _ in range(config.layers))
        self.norm = last_norm(size)
        self.tied = config.tied
        if config.tied:
            self.bias = nn.Parameter(torch.zeros(config.outputs))
        else:
            self.output = output_layer(config.width, config.outputs)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embedding, blocks one by one, output."""
        blocks = {f"stage{number}": (f"blocks.{number - 1}",) for number in range(1, len(self.blocks) + 1)}
        return {"stem": ("embedding", "positions"), **blocks, "head": ("norm", "bias" if self.tied else "output")}

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sentences (batch, length), of these lengths or whole: logits (batch, output) after each one's last token, or (batch, length, output)."""
        features = self._read(tokens, ())[0]
        if self.per == "token":
            return self._logits(features)
        last = features[:, -1] if lengths is None else features[torch.arange(len(tokens), device=tokens.device), lengths - 1]
        return self._logits(last)

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As nn.sequence.LanguageModel. The state: the tokens that are looked back on, then keys and values of each block."""
        if self.training:
            return self._logits(self._read(tokens, ())[0]), None
        parts: list[Tensor] = []
        place = 0
        while place < tokens.shape[1] or not parts:
            if state is not None and state[0].shape[1] >= self.length:
                past = state[0][:, -(self.length // 2) :] if self.length > 1 else state[0][:, :0]
                state = (past, *self._read(past, ())[1])
            room = self.length - (0 if state is None else state[0].shape[1])
            piece = tokens[:, place : place + room]
            features, caches = self._read(piece, () if state is None else state[1:])
            state = (piece if state is None else torch.cat([state[0], piece], dim=1), *caches)
            parts.append(features)
            place += room
        return self._logits(torch.cat(parts, dim=1)), state

    def _read(self, tokens: Tensor, caches: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Features (batch, step, width) after each token, and the keys and values of all blocks, those of `caches` first."""
        start = caches[0].shape[2] if caches else 0
        x = self.embedding(tokens) * self.scale
        turn = self.positions.turn(x, start)
        x = self.dropout(self.positions(x, start))
        kept: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            past: Cache | None = (caches[2 * number], caches[2 * number + 1]) if caches else None
            x, cache = block(x, causal=True, turn=turn, past=past)
            kept += cache
        return self.norm(x), tuple(kept)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = F.linear(features, self.embedding.weight, self.bias) if self.tied else self.output(features)
        return logits


def build(config: Config) -> TransformerDecoder:
    """The model. Raises RecipeError for tied weights where the outputs are not the tokens."""
    if config.tied and config.vocabulary != config.outputs:
        what = f"model.tied makes the outputs the tokens, and there are {config.outputs:,} and {config.vocabulary:,}"
        raise RecipeError(what, where="model.config", remedy="leave out model.tied: it is for language models")
    return TransformerDecoder(config)
