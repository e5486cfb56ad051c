"""The next token from the last τ alone (a Markov window): linear, and with hidden layers (Bengio et al. 2003, "A neural probabilistic language model").

    x = (C(w_{t−1}), …, C(w_{t−τ})),    logits = W x + b,   or  W h + b with h = act(H x + d)

C gives each token a vector; before its first token a text has the mark BEGIN, with a vector of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.activation import Activation, activation
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import initialise
from sonde.nn.sequence import State, tensors


@dataclass(frozen=True)
class Config:
    """`window`: τ. `embedding`: numbers a token becomes. `depth` hidden layers of `width` units; 0 is linear."""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    window: int = 8
    embedding: int = 64
    depth: int = 0
    width: int = 256
    activation: Activation = "tanh"
    dropout: float = 0.0


VARIANTS: dict[str, Config] = {"markov-linear": Config(), "markov-mlp": Config(depth=1)}


class Markov(nn.Module):
    """Vectors of the last τ tokens → hidden layers → logits. What it carries is these tokens, so that windows of a batch lose none."""

    carries: ClassVar[bool] = True
    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("embedding", "hidden"), "head": ("output",)}

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.window < 1 or config.depth < 0:
            raise RecipeError(
                f"there is no Markov model of {config.window} tokens with {config.depth} hidden layers",
                where="model.config",
                remedy="give a window of at least 1: --set model.window=8",
            )
        self.window, self.begin = config.window, config.vocabulary
        self.embedding = nn.Embedding(config.vocabulary + 1, config.embedding)
        size = config.window * config.embedding
        layers: list[nn.Module] = []
        for _ in range(config.depth):
            layers += [nn.Linear(size, config.width), activation(config.activation), Dropout(config.dropout)]
            size = config.width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(size, config.outputs)
        nn.init.normal_(self.embedding.weight, std=config.embedding**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                initialise(module.weight, "he-normal" if config.activation == "relu" and module is not self.output else "xavier-uniform")
                nn.init.zeros_(module.bias)

    def advance(self, tokens: Int[Tensor, "batch step"], state: State) -> tuple[Float[Tensor, "batch step token"], State]:
        """As nn.sequence.LanguageModel. The state: the last τ − 1 tokens."""
        before = tokens.new_full((len(tokens), self.window - 1), self.begin) if state is None else tensors(state)[0]
        said = torch.cat([before, tokens], dim=1)
        vectors = self.embedding(said)
        windows = torch.cat([vectors[:, lag : lag + tokens.shape[1]] for lag in range(self.window)], dim=2)
        logits: Tensor = self.output(self.hidden(windows))
        return logits, (said[:, said.shape[1] - self.window + 1 :],)


def build(config: Config) -> Markov:
    """The model with fresh weights."""
    return Markov(config)
