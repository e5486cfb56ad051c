"""Softmax regression: one linear map and a softmax; with two or more classes, the multi-class logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.nn.one_hot_linear import OneHotLinear


@dataclass(frozen=True)
class Config:
    """Sizes that the data decide: how many numbers, the codes of each category, how many classes."""

    numbers: int = 0
    categories: tuple[int, ...] = ()
    outputs: int = 0


VARIANTS: dict[str, Config] = {"softmax-regression": Config()}


class SoftmaxRegression(nn.Module):
    """logits = xW + b; the softmax is the loss's. Categories enter as one-hot columns. All weights start at 0."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"head": ("output",)}

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output = OneHotLinear(config.numbers, config.categories, config.outputs)

    def forward(
        self, numbers: Float[Tensor, batch *number], categories: Int[Tensor, "batch category"] | None = None
    ) -> Float[Tensor, "batch output"]:
        """Map numbers, flattened, and the codes of categories to logits."""
        logits: Tensor = self.output(numbers, categories)
        return logits


def build(config: Config) -> SoftmaxRegression:
    """The model, at 0."""
    return SoftmaxRegression(config)
