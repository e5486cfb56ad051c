"""Beam search: the best sequences under a model of the next token, keeping `width` prefixes alive a step.

A sequence w₁ … w_L, the end token counted in L, is ranked by

    log P(w₁, …, w_L) / L^α,   α = 0.75

so that longer ones are not punished for their length alone (Graves 2012; Sutskever, Vinyals & Le 2014). Among prefixes
of one length that is the order of log P. Width 1 is greedy search; a width of V^steps would be exhaustive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

NextToken = Callable[[np.ndarray], np.ndarray]


class Candidate(NamedTuple):
    """One sequence found: its tokens (the end token last where it has `ended`), log P and the score it is ranked by."""

    tokens: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool


def beam_search(log_probabilities: NextToken, *, width: int, steps: int, end: int, alpha: float = 0.75) -> list[Candidate]:
    """Candidates, best first: those that ended, or had `steps` tokens without an end.

    `log_probabilities` maps prefixes, integers (beam, step), to log P(next token | prefix), (beam, vocabulary); it is first
    called with one empty prefix (1, 0). Of all extensions of all beams the best `width` are kept; those that end leave
    the beam and are candidates. Of equals the earlier beam comes first, then the smaller token.
    """
    if width < 1 or steps < 1:
        raise ValueError(f"a beam search needs a width and steps of at least 1, not width {width} and {steps} steps")
    prefixes, scores = np.zeros((1, 0), int), np.zeros(1)
    found: list[Candidate] = []
    for step in range(1, steps + 1):
        total = scores[:, None] + log_probabilities(prefixes)  # (beam, vocabulary)
        best = np.argsort(-total, axis=None, kind="stable")[:width]
        best = best[total.flat[best] > -np.inf]
        beam, token = np.unravel_index(best, total.shape)
        prefixes, scores = np.concatenate([prefixes[beam], token[:, None]], axis=1), total.flat[best]
        done = (token == end) | (step == steps)
        rows = zip(prefixes[done].tolist(), scores[done].tolist(), (token[done] == end).tolist(), strict=True)
        found += [Candidate(tuple(tokens), log_p, log_p / step**alpha, ended) for tokens, log_p, ended in rows]
        prefixes, scores = prefixes[~done], scores[~done]
        if len(scores) == 0:
            break
    return sorted(found, key=lambda candidate: -candidate.score)
