"""What word vectors are learned from: how far words count as near, how often each is read, and how often it is drawn as noise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Neighbourhood:
    """`counts`: how often each piece of the vocabulary stands in the training part; 0 for those that are no words and are left out.

    `window`, `negatives`, `subsample` and `power` are the task's options (tasks/word_vectors.py).
    """

    window: int
    negatives: int
    subsample: float
    power: float
    counts: tuple[int, ...]

    def kept(self) -> np.ndarray:
        """float32 (piece,): with which probability a piece is read: √(t / f), at most 1 (Mikolov et al. 2013, "Distributed
        representations of words and phrases", section 2.3), f its share of all words.
        """
        counts = np.array(self.counts, dtype=np.float64)
        read = np.sqrt(self.subsample * counts.sum() / np.maximum(counts, 1)) if self.subsample else np.ones_like(counts)
        return np.where(counts > 0, np.minimum(read, 1), 0).astype(np.float32)

    def noise(self) -> np.ndarray:
        """float32 (piece,): the distribution function of the noise, whose weights are counts to `power` (there, section 2.2)."""
        counts = np.array(self.counts, dtype=np.float64)
        sums = np.where(counts > 0, counts**self.power, 0).cumsum()
        return (sums / sums[-1]).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"counts": list(self.counts)}

    @staticmethod
    def from_json(table: dict[str, Any]) -> Neighbourhood:
        """The inverse of `to_json`."""
        return Neighbourhood(**(table | {"counts": tuple(table["counts"])}))
