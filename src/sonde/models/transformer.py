"""The Transformer as it was published: an encoder that reads a sentence, a decoder that writes another (Vaswani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError
from sonde.nn.attention import kept
from sonde.nn.dropout import Dropout
from sonde.nn.positions import Kind, Positions
from sonde.nn.sequence import State, grown
from sonde.nn.stepping import Stepping, stepping
from sonde.nn.transformer import BlockSize, DecoderBlock, EncoderBlock, last_norm, output_layer, scaled_embedding
from sonde.ops.attention import length_mask
from sonde.ops.growing import Common


@dataclass(frozen=True)
class Config:
    """`layers` blocks on each side, of `heads` heads; `hidden`: width between the two dense layers of a block, 0 for 4 × width.

    `length`: the longest sentence, which learned positions need to know. `norm`: before or after each part of a block. `tied`: the output's
    weights are the target's embedding ("output"), or source and target share one embedding as well ("all", with `task.shared`; section 3.4
    of the paper). `dropout` is of embeddings and of what the parts of a block give, `attention_dropout` of attention weights.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    length: int = 256
    width: int = 256
    layers: int = 3
    heads: int = 4
    hidden: int = 0
    positions: Kind = "sinusoidal"
    norm: Literal["pre", "post"] = "pre"
    tied: Literal["none", "output", "all"] = "output"
    dropout: float = 0.1
    attention_dropout: float = 0.0


# `transformer-base` has the sizes of the paper's table 3.
VARIANTS: dict[str, Config] = {
    "transformer": Config(),
    "transformer-base": Config(width=512, layers=6, heads=8, hidden=2048, norm="post", tied="all", attention_dropout=0.1),
}


class Transformer(nn.Module):
    """Encoder and decoder.

    The state of decoding: the weights as a step reads them, which source tokens are real (batch, source), then for each decoder block keys and
    values of the source, and, as soon as there is one, those of the target so far (nn.attention.kept says how they lie).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = BlockSize(
            config.width, config.heads, config.hidden or 4 * config.width, config.norm == "pre", config.dropout, config.attention_dropout
        )
        self.scale, self.tied = config.width**0.5, config.tied
        head = config.width // config.heads
        if config.tied != "all":
            self.source_embedding = scaled_embedding(config.vocabulary, config.width)
        self.source_positions = Positions(config.positions, width=config.width, head=head, length=config.length)
        self.target_embedding = scaled_embedding(config.outputs, config.width)
        self.target_positions = Positions(config.positions, width=config.width, head=head, length=config.length)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderBlock(size) for _ in range(config.layers))
        self.encoder_norm = last_norm(size)
        self.decoder = nn.ModuleList(DecoderBlock(size) for _ in range(config.layers))
        self.norm = last_norm(size)
        if config.tied == "none":
            self.output = output_layer(config.width, config.outputs)
        else:
            self.bias = nn.Parameter(torch.zeros(config.outputs))

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embeddings, the encoder's blocks, the decoder's, output."""
        count = len(self.encoder)
        reading: dict[str, tuple[str, ...]] = {f"stage{number}": (f"encoder.{number - 1}",) for number in range(1, count + 1)}
        reading[f"stage{count}"] += ("encoder_norm",)
        writing = {f"stage{count + number}": (f"decoder.{number - 1}",) for number in range(1, count + 1)}
        source = () if self.tied == "all" else ("source_embedding",)
        stem = (*source, "source_positions", "target_embedding", "target_positions")
        return {"stem": stem, **reading, **writing, "head": ("norm", "output" if self.tied == "none" else "bias")}

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """The state that the decoder starts from, for sources (batch, length) and their lengths."""
        real = length_mask(lengths, tokens.shape[1])
        embedding = self.target_embedding if self.tied == "all" else self.source_embedding
        x = embedding(tokens) * self.scale
        turn = self.source_positions.turn(x)
        x = self.dropout(self.source_positions(x))
        for block in self.encoder:
            x, _ = block(x, mask=real[:, None, None], turn=turn)
        x = self.encoder_norm(x)
        blocks = [block for block in self.decoder if isinstance(block, DecoderBlock)]
        memories = [block.multihead_attn.remember(x) for block in blocks]
        if self.training:
            return (Common(None), real, *memories)
        return (Common(stepping(blocks, self.norm, *self._weights(), real)), real, *(kept(memory, shared=True) for memory in memories))

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As nn.sequence.Translator: logits after each of `tokens` (batch, step), which go on where the state's target stops."""
        assert state is not None
        blocks = len(self.decoder)
        (common, real), memories, pasts = state[:2], state[2 : 2 + blocks], grown(state[2 + blocks :])
        assert isinstance(common, Common)
        assert isinstance(real, Tensor)
        start = pasts[0].length if pasts else 0
        x = self.target_embedding(tokens) * self.scale
        turn = self.target_positions.turn(x, start)
        x = self.dropout(self.target_positions(x, start))
        if isinstance(common.value, Stepping) and tokens.shape[1] == 1:
            logits, after = common.value(x[:, 0], pasts, turn, grown(memories), real)
            return logits[:, None], (common, real, *memories, *after)
        after = []
        for number, block in enumerate(self.decoder):
            assert isinstance(block, DecoderBlock)
            past = None if self.training else pasts[number] if pasts else block.self_attn.no_past(len(x))
            x, past = block(x, memories[number], memory_mask=real[:, None, None], turn=turn, past=past)
            if past is not None:
                after.append(past)
        logits = F.linear(self.norm(x), *self._weights())
        return logits, None if self.training else (common, real, *memories, *after)

    def _weights(self) -> tuple[Tensor, Tensor]:
        """The output's weights and bias."""
        return (self.output.weight, self.output.bias) if self.tied == "none" else (self.target_embedding.weight, self.bias)

    def forward(self, tokens: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (batch, step, output) after each token of `target` (batch, step), which begins with the begin token."""
        return self.advance(target, self.encode(tokens, lengths))[0]


def build(config: Config) -> Transformer:
    """The model. Raises RecipeError where source and target are to share their embedding and have different vocabularies."""
    if config.tied == "all" and config.vocabulary != config.outputs:
        raise RecipeError(
            f"model.tied=all shares one embedding, and the source has {config.vocabulary:,} pieces, the target {config.outputs:,}",
            where="model.config",
            remedy="give both one vocabulary with --set task.shared=true, or use --set model.tied=output",
        )
    return Transformer(config)
