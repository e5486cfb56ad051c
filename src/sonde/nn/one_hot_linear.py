"""A linear map of numbers and of one-hot categories."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class OneHotLinear(nn.Module):
    """y = xW + b, where x is the row of numbers followed by each category as 0s and a 1.

    `numbers`: how many; `categories`: the number of codes of each category. The categories' rows of W are an embedding
    table, so that no row of zeros is ever multiplied. All weights start at 0: the problem is convex, or a perceptron's.
    """

    offsets: Tensor

    def __init__(self, numbers: int, categories: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.sizes = tuple(categories)
        self.linear = nn.Linear(numbers, outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        if self.sizes:
            self.embedding = nn.Embedding(sum(self.sizes), outputs)
            nn.init.zeros_(self.embedding.weight)
            starts = [sum(self.sizes[:place]) for place in range(len(self.sizes))]
            self.register_buffer("offsets", torch.tensor(starts), persistent=False)

    def forward(
        self, numbers: Float[Tensor, batch *number], categories: Int[Tensor, "batch category"] | None = None
    ) -> Float[Tensor, "batch output"]:
        """Map numbers, flattened, and the codes of categories to values."""
        y: Tensor = self.linear(numbers.flatten(1))
        if self.sizes:
            if categories is None:
                raise ValueError(f"this model was built for {len(self.sizes)} categories and got none")
            y = y + self.embedding(categories + self.offsets).sum(1)
        return y

    def design(self, numbers: Tensor, categories: Tensor | None = None) -> Tensor:
        """The rows x themselves, (batch, number + all codes): forward is design(…) @ weight() + bias."""
        columns = [numbers.flatten(1)]
        if self.sizes and categories is not None:
            columns += [F.one_hot(categories[:, place], size).to(numbers.dtype) for place, size in enumerate(self.sizes)]
        return torch.cat(columns, dim=1)

    def weight(self) -> Tensor:
        """W (number + all codes, output)."""
        return torch.cat([self.linear.weight.T, self.embedding.weight]) if self.sizes else self.linear.weight.T

    @torch.no_grad()
    def set(self, weight: Tensor, bias: Tensor) -> None:
        """Put in a solution W (number + all codes, output) and b (output,)."""
        numbers = self.linear.weight.shape[1]
        self.linear.weight.copy_(weight[:numbers].T)
        self.linear.bias.copy_(bias)
        if self.sizes:
            self.embedding.weight.copy_(weight[numbers:])
