"""Skip-gram word vectors (Mikolov, Chen, Corrado and Dean 2013; Mikolov, Sutskever, Chen, Corrado and Dean 2013).

Each word has two vectors: v where it is read, u where it is foretold. The score of word w beside word j is

    s(w | j) = u_w · v_j

and each word j of a window foretells the word in its middle: a pair of words is the same pair whichever of the two is said
to foretell the other. The words that are drawn against it are those of the middle word, for all words of the window together
(Ji, Satish, Li and Dubey 2016), so that a window is one product of two small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """`width`: numbers in a vector."""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    width: int = 100


VARIANTS: dict[str, Config] = {"skip-gram": Config()}


class SkipGram(nn.Module):
    """`vectors` are v, those that are used afterwards; `foretold` are u, which begin at zero."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("vectors",), "head": ("foretold",)}

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.vectors = nn.Embedding(config.vocabulary, config.width)
        self.foretold = nn.Embedding(config.outputs, config.width)
        nn.init.uniform_(self.vectors.weight, -0.5 / config.width, 0.5 / config.width)
        nn.init.zeros_(self.foretold.weight)

    def forward(
        self, contexts: Int[Tensor, "centre context"], candidates: Int[Tensor, "centre candidate"]
    ) -> Float[Tensor, "centre context candidate"]:
        """Scores of all candidates for the middle word, by each word of the window."""
        # In this order the gradients are products of wide rows, which take a quarter of the time.
        return torch.bmm(self.foretold(candidates), self.vectors(contexts).transpose(1, 2)).transpose(1, 2)


def build(config: Config) -> SkipGram:
    """The model with fresh vectors."""
    return SkipGram(config)
