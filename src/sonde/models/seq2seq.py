"""Encoder–decoder of recurrent layers, without and with attention.

One network reads the source, and its last state is where another begins, which writes the target (Sutskever, Vinyals and Le 2014).
Without attention every step of the decoder also sees the encoder's last output (Cho et al. 2014). With it, what the decoder gives at a
step looks at all outputs of the encoder, and both make the step's features (Luong, Pham and Manning 2015, section 3.1): tanh(W[c; h]),
whose weights are additive (Bahdanau, Cho and Bengio 2015) or dot products. No step waits for the attention of the one before, so that
all steps of a known target are one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sonde.nn.attention import AdditiveAttention, DotProductAttention
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.recurrent import PARTS, Cell, Recurrent
from sonde.nn.sequence import State, tensors
from sonde.ops.attention import length_mask


@dataclass(frozen=True)
class Config:
    """`cell`: the recurrent layer, `layers` of them on each side, `hidden` wide; `width`: of the embeddings.

    `dropout` is of embeddings, between layers, and of what the output looks at. `reset_after`: the GRU's form, see ops/gru.py.
    """

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    cell: Cell = "gru"
    attention: Literal["none", "additive", "dot"] = "none"
    width: int = 256
    hidden: int = 256
    layers: int = 2
    dropout: float = 0.2
    reset_after: bool = True


VARIANTS: dict[str, Config] = {
    "seq2seq-rnn": Config(cell="rnn"),
    "seq2seq-gru": Config(cell="gru"),
    "seq2seq-lstm": Config(cell="lstm"),
    "seq2seq-rnn-attention": Config(cell="rnn", attention="additive"),
    "seq2seq-gru-attention": Config(cell="gru", attention="additive"),
    "seq2seq-lstm-attention": Config(cell="lstm", attention="additive"),
}


class Seq2Seq(nn.Module):
    """Encoder and decoder.

    The state of decoding: the decoder's hidden state (batch, layer, hidden), of an LSTM its cells too, and of the source its last output
    (batch, hidden), or with attention all outputs (batch, source, hidden), the keys to them, and which are real (batch, source).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.kept = PARTS[config.cell]  # tensors of the state that the decoder changes
        self.source_embedding = nn.Embedding(config.vocabulary, config.width)
        self.encoder = _recurrent(config, config.width)
        self.target_embedding = nn.Embedding(config.outputs, config.width)
        self.attention: AdditiveAttention | DotProductAttention | None = None
        if config.attention == "additive":
            self.attention = AdditiveAttention(config.hidden, config.hidden, config.hidden)
        elif config.attention == "dot":
            self.attention = DotProductAttention(config.hidden, config.hidden)
        self.decoder = _recurrent(config, config.width + (0 if self.attention is not None else config.hidden))
        if self.attention is not None:
            self.combine = nn.Linear(2 * config.hidden, config.hidden)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.outputs)
        initialise(self.output.weight, "xavier-uniform")
        nn.init.zeros_(self.output.bias)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embeddings, encoder, decoder with its attention, output."""
        looking = () if self.attention is None else ("attention", "combine")
        return {
            "stem": ("source_embedding", "target_embedding"),
            "stage1": ("encoder",),
            "stage2": ("decoder", *looking),
            "head": ("output",),
        }

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        """The state that the decoder starts from, for sources (batch, length) and their lengths: padding is not read."""
        x = self.dropout(self.source_embedding(tokens))
        outputs, last = self.encoder(x.transpose(0, 1), None, lengths)  # recurrent layers have time first
        if self.attention is None:
            return (*last, last[0][:, -1])
        outputs = outputs.transpose(0, 1)
        return (*last, outputs, self.attention.remember(outputs), length_mask(lengths, tokens.shape[1]))

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As nn.sequence.Translator: logits after each of `tokens` (batch, step)."""
        hidden, source = tensors(state)[: self.kept], tensors(state)[self.kept :]
        x = self.dropout(self.target_embedding(tokens))
        if self.attention is None:
            x = torch.cat([x, source[0][:, None].expand(-1, x.shape[1], -1)], dim=2)
        y, hidden = self.decoder(x.transpose(0, 1), hidden)
        y = y.transpose(0, 1)
        if self.attention is not None:
            outputs, keys, real = source
            context = self.attention.look(y, keys, outputs, mask=real[:, None])
            y = torch.tanh(self.combine(torch.cat([context, y], dim=2)))
        logits: Tensor = self.output(self.dropout(y))
        return logits, None if self.training else (*hidden, *source)

    def forward(self, tokens: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (batch, step, output) after each token of `target` (batch, step), which begins with the begin token."""
        return self.advance(target, self.encode(tokens, lengths))[0]


def _recurrent(config: Config, width: int) -> Recurrent:
    return Recurrent(config.cell, width, config.hidden, layers=config.layers, dropout=config.dropout, reset_after=config.reset_after)


def build(config: Config) -> Seq2Seq:
    """The model."""
    return Seq2Seq(config)
