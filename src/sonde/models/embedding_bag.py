"""A bag of embeddings (Joulin, Grave, Bojanowski and Mikolov 2016, "fastText"): the mean over words and pairs of neighbours, then a linear layer.

Pairs have no vocabulary of their own: a hash of both words chooses one of `buckets` vectors, which pairs share by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.nn.dropout import Dropout

# Odd multipliers of the hash, large enough that the products of small numbers spread over all buckets.
_FIRST, _SECOND = 0x9E3779B1, 0x85EBCA77


@dataclass(frozen=True)
class Config:
    """`width`: of the vectors. `buckets`: vectors for pairs of neighbours; 0: words alone. `dropout`: share of the mean's numbers that are left out."""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["sequence"] = "sequence"
    width: int = 16
    buckets: int = 262_144
    dropout: float = 0.5


VARIANTS: dict[str, Config] = {"embedding-bag": Config()}


class EmbeddingBag(nn.Module):
    """W · mean of the vectors of all words and of all pairs of neighbours + b."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.pairs = nn.Embedding(config.buckets, config.width) if config.buckets else None
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.width, config.outputs)
        for table in (self.words, self.pairs):
            if table is not None:
                # As fastText begins: uniform and small, so that the mean of many rare pairs does not drown the words.
                nn.init.uniform_(table.weight, -1 / config.width, 1 / config.width)

    def forward(self, tokens: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch output"]:
        """Logits from tokens and how many of each row are real."""
        place = torch.arange(tokens.shape[1], device=tokens.device)
        total = self._sum(self.words, tokens, place < lengths[:, None])
        count = lengths[:, None].to(total)
        if self.pairs is not None and tokens.shape[1] > 1:
            bucket = (tokens[:, :-1] * _FIRST + tokens[:, 1:] * _SECOND) % self.pairs.num_embeddings
            total = total + self._sum(self.pairs, bucket, place[1:] < lengths[:, None])
            count = 2 * count - 1
        logits: Tensor = self.output(self.dropout(total / count))
        return logits

    @staticmethod
    def _sum(table: nn.Embedding, rows: Tensor, real: Tensor) -> Tensor:
        """The sum of the vectors of `rows` (batch, length) that are `real`."""
        vectors: Tensor = table(rows)
        return torch.einsum("blw,bl->bw", vectors, real.to(vectors.dtype))


def build(config: Config) -> EmbeddingBag:
    """The model with fresh weights."""
    return EmbeddingBag(config)
