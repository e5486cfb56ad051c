"""The Transformer that foretells the next token: blocks in which no position sees a later one (Radford et al. 2018; Liu et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError
from sonde.nn.dropout import Dropout
from sonde.nn.positions import Kind, Positions
from sonde.nn.sequence import State, grown
from sonde.nn.transformer import BlockSize, EncoderBlock, last_norm, output_layer, scaled_embedding
from sonde.ops.growing import Growing


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
    def looks_back(self) -> tuple[int, int]:
        """How many tokens are looked back on at most, and how many of them are the past where it begins anew."""
        return self.length, self.length // 2

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embedding, blocks one by one, output."""
        blocks = {f"stage{number}": (f"blocks.{number - 1}",) for number in range(1, len(self.blocks) + 1)}
        return {"stem": ("embedding", "positions"), **blocks, "head": ("norm", "bias" if self.tied else "output")}

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sentences (batch, length), of these lengths or whole: logits (batch, output) after each one's last token, or (batch, length, output)."""
        features = self._read(tokens, None)[0]
        if self.per == "token":
            return self._logits(features)
        last = features[:, -1] if lengths is None else features[torch.arange(len(tokens), device=tokens.device), lengths - 1]
        return self._logits(last)

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As nn.sequence.LanguageModel. The state: the tokens that are looked back on, then keys and values of each block."""
        if self.training:
            return self._logits(self._read(tokens, None)[0]), None
        said, pasts = (None, ()) if state is None else (grown(state[:1])[0], grown(state[1:]))
        parts: list[Tensor] = []
        place = 0
        while place < tokens.shape[1] or not parts:
            if said is not None and said.length >= self.length:
                before = said.tensor[:, said.length - self.looks_back[1] :]
                said, pasts = Growing(before, steps=1), self._read(before, ())[1]
            piece = tokens[:, place : place + self.length - (0 if said is None else said.length)]
            features, pasts = self._read(piece, pasts)
            said = Growing(piece, steps=1) if said is None else said.appended(piece)
            parts.append(features)
            place += piece.shape[1]
        assert said is not None
        return self._logits(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]), (said, *pasts)

    def _read(self, tokens: Tensor, pasts: tuple[Growing, ...] | None) -> tuple[Tensor, tuple[Growing, ...]]:
        """Features (batch, step, width) after each token, and all keys and values of each block, those of `pasts` first; None keeps none."""
        start = pasts[0].length if pasts else 0
        x = self.embedding(tokens) * self.scale
        turn = self.positions.turn(x, start)
        x = self.dropout(self.positions(x, start))
        after: list[Growing] = []
        for number, block in enumerate(self.blocks):
            assert isinstance(block, EncoderBlock)
            past = None if pasts is None else pasts[number] if pasts else block.self_attn.no_past(len(x))
            x, past = block(x, causal=True, turn=turn, past=past)
            if past is not None:
                after.append(past)
        return self.norm(x), tuple(after)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = F.linear(features, self.embedding.weight, self.bias) if self.tied else self.output(features)
        return logits


def build(config: Config) -> TransformerDecoder:
    """The model. Raises RecipeError for tied weights where the outputs are not the tokens."""
    if config.tied and config.vocabulary != config.outputs:
        what = f"model.tied makes the outputs the tokens, and there are {config.outputs:,} and {config.vocabulary:,}"
        raise RecipeError(what, where="model.config", remedy="leave out model.tied: it is for language models")
    return TransformerDecoder(config)
