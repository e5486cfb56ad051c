"""The nearest of many vectors, exactly, a block of questions at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 2**24  # similarities that are held at a time


def nearest(
    questions: Float[Tensor, "question width"], vectors: Float[Tensor, "vector width"], *, count: int, itself: bool = False
) -> tuple[Float[Tensor, "question count"], Int[Tensor, "question count"]]:
    """The `count` vectors with the largest ⟨q, v⟩ of each question (of vectors of length 1 the cosine), the nearest first, and their numbers.

    There are at most as many as there are vectors. With `itself` questions are the vectors themselves, and none is its own neighbour.
    """
    count = min(count, len(vectors) - itself)
    step = max(1, BLOCK // max(1, len(vectors)))
    found = []
    for start in range(0, len(questions), step):
        products = questions[start : start + step] @ vectors.T
        if itself:
            own = torch.arange(start, start + len(products), device=products.device)
            products[own - start, own] = -torch.inf
        found.append(products.topk(count, dim=1))
    if not found:
        return questions.new_zeros(0, count), torch.zeros(0, count, dtype=torch.long)
    return torch.cat([values for values, _ in found]), torch.cat([numbers for _, numbers in found])
