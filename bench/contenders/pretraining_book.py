"""BERT's pre-training as the textbook prints it, or with `--workers 1` Transformers' BertForPreTraining in a plain loop.

Written here from its description: learned positions, blocks that are normalised after each part, scores masked by lengths before the softmax,
dropout on attention weights and on what each part gives; a masked-word head of its own matrix over ten gathered places of each row, whose
losses are averaged, a next-sentence head over the tanh of [CLS]; Adam. Pairs and masks are drawn once, before training, as there. The
library's model computes its words' logits at all places, which is its form.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.contenders.gate import Gate, settings
from bench.contenders.passages import DROPOUT, HEADS, HIDDEN, LAYERS, LENGTH, LR, MASKED, VOCABULARY, WIDTH, numbered

IGNORED = -100
Step = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module):
    """Several heads side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(batch, step, width), each text of its length."""
        q, k, v = (_apart(layer(x)) for layer in (self.q, self.k, self.v))
        scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1])
        shape = scores.shape
        each = lengths.repeat_interleave(HEADS, 0).repeat_interleave(shape[1])
        flat = scores.reshape(-1, shape[-1])
        flat[~(torch.arange(shape[-1])[None] < each[:, None])] = -1e6
        weights = functional.softmax(flat.reshape(shape), dim=-1)
        y = torch.bmm(self.dropout(weights), v)
        output: Tensor = self.o(y.reshape(-1, HEADS, y.shape[1], y.shape[2]).permute(0, 2, 1, 3).reshape(x.shape))
        return output


def _apart(x: Tensor) -> Tensor:
    """(batch, step, width) as (batch · head, step, width/head)."""
    return x.reshape(x.shape[0], x.shape[1], HEADS, -1).permute(0, 2, 1, 3).reshape(-1, x.shape[1], x.shape[2] // HEADS)


class Block(nn.Module):
    """A block of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm1, self.norm2 = Attention(), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH))
        self.dropout1, self.dropout2 = nn.Dropout(DROPOUT), nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(batch, step, width)."""
        y = self.norm1(self.dropout1(self.attention(x, lengths)) + x)
        z: Tensor = self.norm2(self.dropout2(self.feed(y)) + y)
        return z


class Book(nn.Module):
    """The textbook's model."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.segments = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(2, WIDTH)
        self.positions = nn.Parameter(torch.randn(1, 1000, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.hidden = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())
        self.masked = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY))
        self.follows = nn.Linear(WIDTH, 2)

    def forward(self, tokens: Tensor, segments: Tensor, lengths: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of words (batch, masked, word) and of next or not (batch, 2)."""
        x = self.words(tokens) + self.segments(segments) + self.positions[:, : tokens.shape[1]]
        for block in self.blocks:
            x = block(x, lengths)
        rows = torch.arange(len(tokens)).repeat_interleave(places.shape[1])
        chosen = x[rows, places.reshape(-1)].reshape(len(tokens), places.shape[1], -1)
        return self.masked(chosen), self.follows(self.hidden(x[:, 0]))


def book() -> Step:
    """One update as the textbook has it."""
    model, loss = Book(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)

    def step(tokens: Tensor, segments: Tensor, places: Tensor, words: Tensor, follows: Tensor) -> Tensor:
        optimizer.zero_grad()
        lengths, weights = torch.full((len(tokens),), LENGTH), torch.ones(len(tokens), MASKED)
        masked, pair = model(tokens, segments, lengths, places)
        word = loss(masked.reshape(-1, VOCABULARY), words.reshape(-1)) * weights.reshape(-1, 1)
        total: Tensor = word.sum() / (weights.sum() + 1e-8) + loss(pair, follows)
        total.backward()
        optimizer.step()
        return total.detach()

    return step


def library() -> Step:
    """One update of the Transformers library's model."""
    from transformers import BertConfig, BertForPreTraining

    sizes = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": HIDDEN}
    dropped = {"hidden_dropout_prob": DROPOUT, "attention_probs_dropout_prob": DROPOUT}
    model = BertForPreTraining(BertConfig(vocab_size=VOCABULARY, **sizes, **dropped))
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)

    def step(tokens: Tensor, segments: Tensor, places: Tensor, words: Tensor, follows: Tensor) -> Tensor:
        optimizer.zero_grad()
        labels = torch.full_like(tokens, IGNORED).scatter(1, places, words)
        given = {"input_ids": tokens, "token_type_ids": segments, "attention_mask": torch.ones_like(tokens)}
        total: Tensor = model(**given, labels=labels, next_sentence_label=follows).loss
        total.backward()
        optimizer.step()
        return total.detach()

    return step


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    torch.manual_seed(0)
    parts = numbered(given.examples)
    step = library() if given.workers else book()
    while True:
        order = torch.randperm(given.examples)
        gate.begin()
        losses = [step(*(part[rows] for part in parts)) for rows in order.split(given.batch)]
        gate.end(float(torch.stack(losses).mean()))


if __name__ == "__main__":
    main()
