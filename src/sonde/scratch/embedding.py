"""Embedding: token i becomes row i of a table that is learned, which is a one-hot row times the table at no cost."""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, take


def embedding(tokens: np.ndarray, weight: Tensor | np.ndarray) -> Tensor:
    """From whole numbers 0…V−1 of any shape (…) and weight (V, width) → (…, width). Rows used twice gather both gradients."""
    tokens, weight = np.asarray(tokens), as_tensor(weight)
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"embedding: tokens are whole numbers, not {tokens.dtype}")
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < weight.shape[0]:
        raise IndexError(
            f"embedding: tokens {tokens.min()} … {tokens.max()} do not all lie in 0 … {weight.shape[0] - 1}, the rows of the table"
        )
    return take(weight, tokens)
