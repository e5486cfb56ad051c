"""The Transformer that reads whole sentences: blocks in which every position sees all others (Vaswani et al. 2017; Devlin et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sonde.nn.dropout import Dropout
from sonde.nn.positions import Kind, Positions
from sonde.nn.transformer import BlockSize, EncoderBlock, last_norm, output_layer, scaled_embedding
from sonde.ops.attention import length_mask


@dataclass(frozen=True)
class Config:
    """`layers` blocks of `heads` heads; `hidden`: width between the two dense layers of a block, 0 for 4 × width.

    `length`: the longest sentence, which learned positions need to know. `norm`: before or after each part of a block. `dropout` is of
    embeddings and of what the parts of a block give, `attention_dropout` of attention weights.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token", "sequence"] = "sequence"
    length: int = 256
    width: int = 128
    layers: int = 2
    heads: int = 4
    hidden: int = 0
    positions: Kind = "sinusoidal"
    norm: Literal["pre", "post"] = "pre"
    dropout: float = 0.1
    attention_dropout: float = 0.0


VARIANTS: dict[str, Config] = {"transformer-encoder": Config()}


class TransformerEncoder(nn.Module):
    """Embedding, positions, blocks; the output looks at each token's features, or at their mean over the sentence."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = BlockSize(
            config.width, config.heads, config.hidden or 4 * config.width, config.norm == "pre", config.dropout, config.attention_dropout
        )
        self.per, self.scale = config.per, config.width**0.5
        self.embedding = scaled_embedding(config.vocabulary, config.width)
        self.positions = Positions(config.positions, width=config.width, head=config.width // config.heads, length=config.length)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(EncoderBlock(size) for _ in range(config.layers))
        self.norm = last_norm(size)
        self.output = output_layer(config.width, config.outputs)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embedding, blocks one by one, output."""
        blocks = {f"stage{number}": (f"blocks.{number - 1}",) for number in range(1, len(self.blocks) + 1)}
        return {"stem": ("embedding", "positions"), **blocks, "head": ("norm", "output")}

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sentences (batch, length), of these lengths or whole: logits (batch, output), or (batch, length, output). Padding changes nothing."""
        real = None if lengths is None else length_mask(lengths, tokens.shape[1])
        mask = None if real is None else real[:, None, None]
        x = self.embedding(tokens) * self.scale
        turn = self.positions.turn(x)
        x = self.dropout(self.positions(x))
        for block in self.blocks:
            x, _ = block(x, mask=mask, turn=turn)
        x = self.norm(x)
        if self.per == "sequence":
            x = x.mean(1) if real is None else (x * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        logits: Tensor = self.output(x)
        return logits


def build(config: Config) -> TransformerEncoder:
    """The model."""
    return TransformerEncoder(config)
