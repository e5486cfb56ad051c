"""Word vectors by negative sampling: skip-gram and CBOW (Mikolov et al. 2013), and what is drawn for them.

A window has a word w in its middle and words j around it; n₁ … n_K are drawn from noise. Each word has a vector v where it is
read and u where it is foretold:

    loss(h, w) = −ln σ(u_w·h) − Σ_k ln σ(−u_{n_k}·h)

    skip-gram   the sum of loss(v_j, w) over the words j of the window
    CBOW        loss(mean of v_j, w)

The softmax over all words, which this replaces, would take u_x·h of every word x.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, take


def skip_gram(vectors: Tensor | np.ndarray, foretold: Tensor | np.ndarray, windows: list[list[int]], candidates: list[list[int]]) -> Tensor:
    """The sum over all windows. `vectors` v and `foretold` u: (V, width); of `candidates` the first is w, the others are noise."""
    v, u = as_tensor(vectors), as_tensor(foretold)
    total = as_tensor(np.zeros((), v.data.dtype))
    for window, words in zip(windows, candidates, strict=True):
        for j in window:
            total = total + _loss(take(v, np.array(j)), u, words)
    return total


def cbow(vectors: Tensor | np.ndarray, foretold: Tensor | np.ndarray, windows: list[list[int]], candidates: list[list[int]]) -> Tensor:
    """As `skip_gram`, for the mean of each window's vectors."""
    v, u = as_tensor(vectors), as_tensor(foretold)
    total = as_tensor(np.zeros((), v.data.dtype))
    for window, words in zip(windows, candidates, strict=True):
        total = total + _loss(take(v, np.array(window)).mean(0), u, words)
    return total


def noise(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    """With which probability each word is drawn: in proportion to its count to the power; words that do not occur never."""
    weights = np.where(counts > 0, counts.astype(float) ** power, 0.0)
    return np.asarray(weights / weights.sum())


def kept(counts: np.ndarray, t: float) -> np.ndarray:
    """With which probability a word of frequency f is read: √(t / f), at most 1."""
    share = counts / counts.sum()
    return np.minimum(1.0, np.sqrt(t / np.maximum(share, 1e-300))) * (counts > 0)


def _loss(h: Tensor, u: Tensor, words: list[int]) -> Tensor:
    """−ln σ(s) for the first of `words`, −ln σ(−s) for the others.

    Computed as −ln σ(−z) = max(z, 0) + ln(1 + exp(−|z|)), in which nothing overflows.
    """
    loss = as_tensor(np.zeros((), h.data.dtype))
    for place, word in enumerate(words):
        score = (take(u, np.array(word)) * h).sum()
        z = -score if place == 0 else score
        loss = loss + (z + z.abs()) * 0.5 + ((-z.abs()).exp() + 1.0).log()
    return loss
