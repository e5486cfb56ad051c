"""Word vectors of a continuous bag of words, CBOW (Mikolov, Chen, Corrado and Dean 2013, section 3.1).

Each word has two vectors: v where it is read, u where it is foretold. All words j of a window together foretell the word in
its middle: the score of word w there is

    s(w | window) = u_w · mean_j v_j
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.ops.negative_sampling import NO_WORD


@dataclass(frozen=True)
class Config:
    """`width`: numbers in a vector."""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    width: int = 100


VARIANTS: dict[str, Config] = {"cbow": Config()}


class ContinuousBag(nn.Module):
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
    ) -> Float[Tensor, "centre 1 candidate"]:
        """Scores of all candidates for the middle word, by the mean of the window's words that are there."""
        vectors = self.vectors(contexts)
        real = (contexts != NO_WORD).to(vectors.dtype)
        mean = torch.bmm(real[:, None], vectors) / real.sum(1).clamp(min=1)[:, None, None]
        return torch.bmm(mean, self.foretold(candidates).transpose(1, 2))


def build(config: Config) -> ContinuousBag:
    """The model with fresh vectors."""
    return ContinuousBag(config)
