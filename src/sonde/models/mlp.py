"""The multilayer perceptron, of any depth and width, with an embedding for each category.

Embeddings of categories: Guo & Berkhahn 2016; their width is min(50, 1.6·n^0.56) for n codes, fastai's rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.activation import Activation, activation
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.dropout import Dropout
from sonde.nn.initialise import Initialisation, initialise


@dataclass(frozen=True)
class Config:
    """`width` of the hidden layers: one number for all `depth` of them, or one for each (`depth` then does not count).

    `dropout` follows each hidden layer, `batch_norm` stands before each activation. `initialisation`: `auto` is He's
    for ReLU and Xavier's for all others. `numbers`, `categories` and `outputs` come from the data.
    """

    numbers: int = 0
    categories: tuple[int, ...] = ()
    outputs: int = 0
    width: int | tuple[int, ...] = 256
    depth: int = 1
    activation: Activation = "relu"
    dropout: float = 0.0
    batch_norm: bool = False
    initialisation: Initialisation | Literal["auto"] = "auto"


VARIANTS: dict[str, Config] = {"mlp": Config()}


class MLP(nn.Module):
    """Embeddings and numbers side by side → hidden layers → outputs."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("embeddings", "hidden"), "head": ("output",)}

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = hidden_widths(config)
        self.embeddings = nn.ModuleList(nn.Embedding(codes, embedding_width(codes)) for codes in config.categories)
        size = config.numbers + sum(embedding_width(codes) for codes in config.categories)
        layers: list[nn.Module] = []
        for width in widths:
            layers.append(nn.Linear(size, width, bias=not config.batch_norm))
            if config.batch_norm:
                layers.append(BatchNorm(width))
            layers.append(activation(config.activation))
            if config.dropout:
                layers.append(Dropout(config.dropout))
            size = width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(size, config.outputs)
        self._initialise(config)

    def _initialise(self, config: Config) -> None:
        how = config.initialisation
        auto: Initialisation = "he-normal" if config.activation == "relu" else "xavier-uniform"
        for module in self.modules():
            if isinstance(module, nn.Linear):
                last = "xavier-uniform" if module is self.output else auto
                initialise(module.weight, last if how == "auto" else how)
                if module is self.output:
                    nn.init.zeros_(module.bias)
                elif module.bias is not None:
                    # Units that all bend at 0 would leave a curve over one number without pieces.
                    nn.init.uniform_(module.bias, -(module.in_features**-0.5), module.in_features**-0.5)
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.1)

    def forward(
        self, numbers: Float[Tensor, batch *number], categories: Int[Tensor, "batch category"] | None = None
    ) -> Float[Tensor, "batch output"]:
        """Map numbers, flattened, and the codes of categories to values."""
        x = numbers.flatten(1)
        if len(self.embeddings):
            if categories is None:
                raise ValueError(f"this model was built for {len(self.embeddings)} categories and got none")
            x = torch.cat([x] + [embed(categories[:, place]) for place, embed in enumerate(self.embeddings)], dim=1)
        y: Tensor = self.output(self.hidden(x))
        return y


def hidden_widths(config: Config) -> tuple[int, ...]:
    """The widths of the hidden layers. Raises RecipeError for one that is not positive."""
    widths = (config.width,) * config.depth if isinstance(config.width, int) else config.width
    if config.depth < 0 or any(width < 1 for width in widths):
        remedy = "give widths of at least 1 and a depth of at least 0"
        raise RecipeError(f"{config.depth} hidden layers of width {config.width}", where="model.width", remedy=remedy)
    return widths


def embedding_width(codes: int) -> int:
    """How many numbers stand for a category of so many codes."""
    return min(50, max(1, int(1.6 * codes**0.56 + 0.5)))


def build(config: Config) -> MLP:
    """The model with fresh weights."""
    return MLP(config)
