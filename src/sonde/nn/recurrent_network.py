"""A network of tokens around recurrent layers: embedding, layers, output. What models/rnn.py, gru.py and lstm.py share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.errors import RecipeError, UsageError
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.recurrent import Cell, Recurrent, turned
from sonde.nn.sequence import State, tensors

Per = Literal["token", "sequence"]
ONE_HOT = 256  # up to so many tokens a vector for each is no gain: a one-hot vector gives the cell a column of its own for each


@dataclass(frozen=True)
class Sizes:
    """What the three models have in common; their Configs say what each means."""

    vocabulary: int
    outputs: int
    per: Per
    embedding: int | None
    width: int
    layers: int
    bidirectional: bool
    dropout: float
    tied: bool
    recurrent_dropout: float = 0.0
    reset_after: bool = True

    @property
    def foretells(self) -> bool:
        """Whether it is a language model: an output for each token, and these are the tokens."""
        return self.per == "token" and self.outputs == self.vocabulary

    @property
    def features(self) -> int:
        """The width of what the output is made of."""
        return self.width * (2 if self.bidirectional else 1)

    @property
    def embedded(self) -> int:
        """The embedding's width, 0 for one-hot vectors."""
        if self.embedding is not None:
            return self.embedding
        return self.width if self.tied or self.vocabulary > ONE_HOT else 0


def build_network(cell: Cell, sizes: Sizes) -> RecurrentNetwork:
    """The network. Raises RecipeError for sizes that contradict each other."""
    check_sizes(sizes)
    if sizes.tied:
        _check_tied(sizes)
    return RecurrentNetwork(cell, sizes)


def check_sizes(sizes: Sizes) -> None:
    """RecipeError for numbers that no recurrent network can have."""
    for name, value in (("width", sizes.width), ("layers", sizes.layers)):
        if value < 1:
            raise RecipeError(f"model.{name} = {value}", where="model.config", remedy="give a whole number of at least 1")
    for name, share in (("dropout", sizes.dropout), ("recurrent_dropout", sizes.recurrent_dropout)):
        if not 0 <= share < 1:
            raise RecipeError(f"model.{name} = {share} is no probability", where="model.config", remedy="give a number from 0 to under 1, such as 0.3")


def _check_tied(sizes: Sizes) -> None:
    wide = sizes.features
    if sizes.vocabulary != sizes.outputs:
        what = f"model.tied makes the outputs the tokens, and there are {sizes.outputs:,} and {sizes.vocabulary:,}"
        raise RecipeError(what, where="model.config", remedy="leave out model.tied: it is for language models")
    if sizes.embedded != wide:
        what = f"model.tied makes one matrix of embedding and output, and they are {sizes.embedded} and {wide} wide"
        raise RecipeError(what, where="model.config", remedy=f"set model.embedding={wide}, or leave out model.tied")


class RecurrentNetwork(nn.Module):
    """Tokens → embedding, or one-hot vectors → recurrent layers → output. Batches come first outside, steps within.

    In both directions a language model is another network: what foretells a token must not have read it, so that each
    direction has layers of its own from bottom to top (Peters et al. 2018), and the token at t is foretold from the forward
    state before it and the backward state after it. Such a model fills blanks and cannot write on.
    """

    def __init__(self, cell: Cell, sizes: Sizes) -> None:
        super().__init__()
        self.per: Per = sizes.per
        self.bidirectional, self.tied = sizes.bidirectional, sizes.tied
        self.carries = not sizes.bidirectional
        self.fills = sizes.bidirectional and sizes.foretells
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.embedded) if sizes.embedded else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=sizes.embedded**-0.5)
        both = sizes.bidirectional and not self.fills
        self.recurrent = _layers(cell, sizes, both=both)
        self.backward_recurrent = _layers(cell, sizes, both=False) if self.fills else None
        self.dropout = Dropout(sizes.dropout)
        if sizes.tied:
            self.bias = nn.Parameter(torch.zeros(sizes.outputs))
        else:
            self.output = nn.Linear(sizes.features, sizes.outputs)
            initialise(self.output.weight, "xavier-uniform")
            nn.init.zeros_(self.output.bias)

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Embedding where there is one, layers from the lowest up, output."""
        found: dict[str, tuple[str, ...]] = {} if self.embedding is None else {"stem": ("embedding",)}
        named = [name for name, _ in self.named_parameters() if "recurrent" in name]
        for layer in range(self.recurrent.layers):
            own = tuple(name for name in named if name.removesuffix("_reverse").endswith(f"_l{layer}"))
            found[f"stage{layer + 1}"] = own
        return {**found, "head": ("bias",) if self.tied else ("output",)}

    def forward(self, tokens: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"] | None = None) -> Float[Tensor, batch *outputs]:
        """Logits of sentences: (batch, output) from the state after each one's end, of both directions, or (batch, length, output).

        What stands behind a sentence's end changes nothing.
        """
        x = self.enter(tokens)
        y, state = self.recurrent(x, None, lengths)
        directions = len(self.recurrent.directions)
        last = state[0][:, -directions:].flatten(1)
        if self.backward_recurrent is not None:
            back, behind = self.backward_recurrent(turned(x, lengths), None, lengths)
            y, last = torch.cat([y, turned(back, lengths)], -1), torch.cat([last, behind[0][:, -1]], -1)
        return self.leave(last) if self.per == "sequence" else self.leave(y).transpose(0, 1)

    def advance(self, tokens: Int[Tensor, "batch step"], state: State) -> tuple[Float[Tensor, "batch step token"], State]:
        """As nn.sequence.LanguageModel; the state is H, and of an LSTM C, (batch, layer, width).

        Raises UsageError where it reads in both directions.
        """
        if self.bidirectional:
            what = "this model reads in both directions: what follows a token is needed to foretell it, so that it cannot write on"
            raise UsageError(what, where="model.bidirectional", remedy="let it fill blanks, or train a model without model.bidirectional")
        y, after = self.recurrent(self.enter(tokens), tensors(state) or None)
        return self.leave(y).transpose(0, 1), after

    def between(self, tokens: Int[Tensor, "batch step"]) -> Float[Tensor, "batch step token"]:
        """Logits of the token at each place, from all before it and all after it. Raises UsageError for a model of one direction."""
        if self.backward_recurrent is None:
            what = "this model reads forwards alone, so that it foretells what comes next and nothing from what follows"
            raise UsageError(what, where="model.bidirectional", remedy="train a language model with --set model.bidirectional=true")
        x = self.enter(tokens)
        before, after = self.recurrent(x)[0], turned(self.backward_recurrent(turned(x))[0])
        nothing = torch.zeros_like(before[:1])
        sides = torch.cat([torch.cat([nothing, before[:-1]]), torch.cat([after[1:], nothing])], -1)
        return self.leave(sides).transpose(0, 1)

    def enter(self, tokens: Int[Tensor, "batch step"]) -> Tensor:
        """What the layers read, steps first: tokens, or their embeddings."""
        return tokens.t() if self.embedding is None else self.dropout(self.embedding(tokens.t()))

    def leave(self, features: Float[Tensor, "*places feature"]) -> Float[Tensor, "*places output"]:
        """Logits of what the layers gave, both directions side by side where there are two."""
        features = self.dropout(features)
        if self.tied:
            assert self.embedding is not None
            return F.linear(features, self.embedding.weight, self.bias)
        logits: Tensor = self.output(features)
        return logits


def _layers(cell: Cell, sizes: Sizes, *, both: bool) -> Recurrent:
    return Recurrent(
        cell,
        sizes.embedded or sizes.vocabulary,
        sizes.width,
        layers=sizes.layers,
        bidirectional=both,
        dropout=sizes.dropout,
        recurrent_dropout=sizes.recurrent_dropout,
        reset_after=sizes.reset_after,
    )
