"""Pairs of word vectors: skip-gram and CBOW with negative sampling, and the two distributions that are drawn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.models import cbow as fast_cbow
from sonde.models import skip_gram as fast_skip_gram
from sonde.ops.negative_sampling import NO_WORD, negative_sampling
from sonde.scratch import word_vectors as scratch
from sonde.verify.cases import draws, whole
from sonde.verify.pair import Array, Case, Pair

WORDS = 11


def _cases() -> list[Case]:
    """Vectors, and windows in which words are missing, stand twice, or are among their own noise."""
    found = []
    for name, (windows, near, noise, scale) in {
        "7 windows of 4, 3 drawn": (7, 4, 3, 0.5),
        "one of 2, one drawn": (1, 2, 1, 0.5),
        "far from zero": (5, 6, 5, 4.0),
    }.items():
        contexts = whole("contexts", (windows, near), WORDS)
        contexts[:, 0] = np.maximum(contexts[:, 0], 1)  # a window has at least one word
        candidates = whole("candidates", (windows, 1 + noise), WORDS)
        candidates[:, 0] = np.maximum(candidates[:, 0], 1)
        given = {"contexts": contexts, "candidates": candidates}
        found.append(Case(name, draws(scale, vectors=(WORDS, 6), foretold=(WORDS, 6)) | given))
    return found


def _fast(network: nn.Module) -> Callable[..., Tensor]:
    def loss(vectors: Tensor, foretold: Tensor, contexts: Tensor, candidates: Tensor) -> Tensor:
        weights = {"vectors.weight": vectors, "foretold.weight": foretold}
        scores = functional_call(network, weights, (contexts, candidates))
        real = contexts != NO_WORD
        return negative_sampling(scores, candidates, real if scores.shape[1] > 1 else real.any(1, keepdim=True))[0].sum()

    return loss


def _scratch(function: Callable[..., Any]) -> Callable[..., Any]:
    def loss(vectors: Any, foretold: Any, contexts: Array, candidates: Array) -> Any:
        there = [[[int(word) for word in row if word != NO_WORD] for row in rows] for rows in (contexts, candidates)]
        return function(vectors, foretold, *there)

    return loss


def skip_gram() -> Pair:
    """Each word of a window foretells the word in its middle."""
    network = fast_skip_gram.build(fast_skip_gram.Config(vocabulary=WORDS, outputs=WORDS, width=6))
    return Pair(_scratch(scratch.skip_gram), _fast(network), _cases(), "sonde.models.skip_gram")


def cbow() -> Pair:
    """The words of a window together foretell the word in its middle."""
    network = fast_cbow.build(fast_cbow.Config(vocabulary=WORDS, outputs=WORDS, width=6))
    return Pair(_scratch(scratch.cbow), _fast(network), _cases(), "sonde.models.cbow")


def word_draws() -> Pair:
    """How often each word is read, and how often it is drawn as noise."""

    def fast(counts: Tensor, t: float, power: float) -> tuple[Tensor, ...]:
        around = Neighbourhood(window=5, negatives=5, subsample=t, power=power, counts=tuple(counts.tolist()))
        return torch.from_numpy(around.kept()), torch.from_numpy(np.diff(around.noise(), prepend=0))

    def chances(counts: Array, t: float, power: float) -> tuple[Array, ...]:
        return scratch.kept(counts, t), scratch.noise(counts, power)

    counts = {"counts": np.array([0, 900, 0, 40, 7, 7, 1, 45], dtype=np.int64)}
    cases = [Case("t = 0.01, ¾", counts, {"t": 0.01, "power": 0.75}), Case("t = 0.5, as they occur", counts, {"t": 0.5, "power": 1.0})]
    return Pair(chances, fast, cases, "sonde.data.prepare.neighbourhood", gradients=False, dtypes=("float32",))
