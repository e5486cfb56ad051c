"""Entropy, cross-entropy, Kullback–Leibler divergence (Shannon 1948; Kullback & Leibler 1951) and the chain rule of probability.

Distributions lie along the last axis; all logarithms are natural, so that the unit is the nat (ln 2 nat = 1 bit).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def entropy(p: npt.ArrayLike) -> Array:
    """H(p) = −Σ pᵢ ln pᵢ of p (…, outcome), with 0 ln 0 = 0."""
    return cross_entropy(p, p)


def cross_entropy(p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """H(p, q) = −Σ pᵢ ln qᵢ ≥ H(p) of p and q (…, outcome): infinite where q rules out what p allows."""
    p, q = distribution(p, "p"), distribution(q, "q")
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(f"cross_entropy: p {p.shape} and q {q.shape} are over different numbers of outcomes")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(p == 0, 0.0, p * np.log(q)).sum(-1))


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """D(p‖q) = H(p, q) − H(p) = Σ pᵢ ln(pᵢ/qᵢ) ≥ 0 of p and q (…, outcome), 0 only where they are equal; not symmetric."""
    return np.asarray(np.maximum(cross_entropy(p, q) - entropy(p), 0))  # rounding could leave −1e−17


def perplexity(p: npt.ArrayLike) -> Array:
    """The exponential of H(p): how many equally likely outcomes would be as uncertain as p."""
    return np.asarray(np.exp(entropy(p)))


def chain_factors(joint: npt.ArrayLike, sequence: Sequence[int], *, backward: bool = False) -> Array:
    """The factors of p(x₁ … x_T), one each step, whose product is joint[sequence]; `joint` has one axis for each step.

    Forward: p(x₁), p(x₂|x₁), …, p(x_T|x₁ … x_T₋₁). Backward: p(x_T), p(x_T₋₁|x_T), …, p(x₁|x₂ … x_T). Both have the same
    product. What follows on something impossible is given the factor 0.
    """
    joint = np.asarray(joint, dtype=np.float64)
    if len(sequence) != joint.ndim:
        raise ValueError(f"chain_factors: a sequence of {len(sequence)} needs a joint table of {len(sequence)} axes, not of shape {joint.shape}")
    given, order = (joint.T, sequence[::-1]) if backward else (joint, sequence)
    factors = []
    for x in order:
        rest = given[x]  # what is left of the table once x is known
        factors.append(rest.sum() / given.sum() if given.sum() > 0 else 0.0)
        given = rest
    return np.array(factors)


def distribution(p: npt.ArrayLike, name: str) -> Array:
    """The array p, after a check that it is one: no negative number, and a sum of 1 along the last axis."""
    array = np.asarray(p, dtype=np.result_type(np.asarray(p).dtype, np.float32))
    if array.ndim == 0 or (array < 0).any() or not np.allclose(array.sum(-1), 1, atol=1e-5):
        raise ValueError(f"{name} of shape {array.shape} is no distribution: along the last axis numbers must be at least 0 and add up to 1")
    return array
