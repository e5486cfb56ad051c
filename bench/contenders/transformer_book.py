"""A small encoder–decoder Transformer, trained as the textbook prints it, or with `--workers 1` by torch.nn.Transformer.

Written here from its description: four projections without bias a head group, heads as further rows of the batch, scores masked by lengths
before the softmax, attention weights kept for a picture, dropout on the weights, on sums of embeddings and positions and on what each part
of a block gives. Both are trained with Adam and clipped gradients on the sentences of bench/contenders/sentences.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.contenders.gate import Gate, settings
from bench.contenders.sentences import DROPOUT, HEADS, HIDDEN, LAYERS, LR, STEPS, WIDTH, numbered


class Positions(nn.Module):
    """Sines and cosines added from a table, then dropout."""

    def __init__(self) -> None:
        super().__init__()
        angle = torch.arange(1000.0)[:, None] / 10_000 ** (torch.arange(0, WIDTH, 2) / WIDTH)
        self.table = torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[None]
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (batch, step, width) with positions."""
        y: Tensor = self.dropout(x + self.table[:, : x.shape[1]])
        return y


class Attention(nn.Module):
    """Several heads side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, query: Tensor, memory: Tensor, lengths: Tensor | None) -> Tensor:
        """`lengths`: of the keys, (batch,), or for each query (batch, query)."""
        q, k, v = (_apart(layer(x)) for layer, x in ((self.q, query), (self.k, memory), (self.v, memory)))
        scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1])
        if lengths is not None:
            shape = scores.shape
            each = lengths.repeat_interleave(HEADS, 0)
            each = each.repeat_interleave(shape[1]) if each.dim() == 1 else each.reshape(-1)
            flat = scores.reshape(-1, shape[-1])
            flat[~(torch.arange(shape[-1])[None] < each[:, None])] = -1e6
            scores = flat.reshape(shape)
        self.weights = functional.softmax(scores, dim=-1)
        y = torch.bmm(self.dropout(self.weights), v)
        output: Tensor = self.o(y.reshape(-1, HEADS, y.shape[1], y.shape[2]).permute(0, 2, 1, 3).reshape(len(query), y.shape[1], -1))
        return output


def _apart(x: Tensor) -> Tensor:
    """(batch, step, width) as (batch · head, step, width/head)."""
    return x.reshape(x.shape[0], x.shape[1], HEADS, -1).permute(0, 2, 1, 3).reshape(-1, x.shape[1], x.shape[2] // HEADS)


class AddNorm(nn.Module):
    """norm(x + dropout(y))."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.norm = nn.Dropout(DROPOUT), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """A residual and its normalisation."""
        z: Tensor = self.norm(self.dropout(y) + x)
        return z


def _feed_forward() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH))


class Encoder(nn.Module):
    """A block of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm1, self.feed, self.norm2 = Attention(), AddNorm(), _feed_forward(), AddNorm()

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(batch, step, width) of these lengths."""
        y = self.norm1(x, self.attention(x, x, lengths))
        z: Tensor = self.norm2(y, self.feed(y))
        return z


class Decoder(nn.Module):
    """A block of the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.norm1, self.cross, self.norm2 = Attention(), AddNorm(), Attention(), AddNorm()
        self.feed, self.norm3 = _feed_forward(), AddNorm()

    def forward(self, x: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        """Each step sees those up to itself, and the encoder's memory."""
        seen = torch.arange(1, x.shape[1] + 1).repeat(len(x), 1)
        y = self.norm1(x, self.own(x, x, seen))
        y = self.norm2(y, self.cross(y, memory, lengths))
        z: Tensor = self.norm3(y, self.feed(y))
        return z


class Book(nn.Module):
    """The textbook's model."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source, WIDTH), nn.Embedding(target, WIDTH)
        self.positions = nn.ModuleList(Positions() for _ in range(2))
        self.encoder = nn.ModuleList(Encoder() for _ in range(LAYERS))
        self.decoder = nn.ModuleList(Decoder() for _ in range(LAYERS))
        self.output = nn.Linear(WIDTH, target)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (batch, step, token)."""
        x = self.positions[0](self.source(source) * math.sqrt(WIDTH))
        for block in self.encoder:
            x = block(x, lengths)
        y = self.positions[1](self.target(target) * math.sqrt(WIDTH))
        for block in self.decoder:
            y = block(y, x, lengths)
        logits: Tensor = self.output(y)
        return logits


class Library(nn.Module):
    """torch.nn.Transformer between the same embeddings and output."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source, WIDTH), nn.Embedding(target, WIDTH)
        self.positions = nn.ModuleList(Positions() for _ in range(2))
        self.blocks = nn.Transformer(WIDTH, HEADS, LAYERS, LAYERS, HIDDEN, DROPOUT, batch_first=True)
        self.output = nn.Linear(WIDTH, target)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (batch, step, token)."""
        padding = ~(torch.arange(source.shape[1]) < lengths[:, None])
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        x = self.positions[0](self.source(source) * math.sqrt(WIDTH))
        y = self.positions[1](self.target(target) * math.sqrt(WIDTH))
        logits: Tensor = self.output(
            self.blocks(x, y, tgt_mask=later, src_key_padding_mask=padding, memory_key_padding_mask=padding, tgt_is_causal=True)
        )
        return logits


def trained(model: nn.Module) -> Callable[..., Tensor]:
    """One update with Adam and clipped gradients."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)

    def step(source: Tensor, lengths: Tensor, given: Tensor, target: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(source, lengths, given).flatten(0, 1), target.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    torch.manual_seed(0)
    source, target, pieces = numbered(given.examples)
    lengths = torch.full((given.examples,), STEPS)
    begin = torch.cat([torch.full((given.examples, 1), 2), target[:, :-1]], dim=1)
    model = (Library if given.workers else Book)(pieces, pieces)
    step = trained(model)
    if given.compile:
        step = torch.compile(step)
    model.train()
    while True:
        order = torch.randperm(given.examples)
        gate.begin()
        losses = [step(source[rows], lengths[rows], begin[rows], target[rows]) for rows in order.split(given.batch)]
        gate.end(float(torch.stack(losses).mean()))


if __name__ == "__main__":
    main()
