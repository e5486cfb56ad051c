"""A contest's leaderboard: predictions are scored on a public part that is seen all the time, and on a private one at the end.

Who chooses by the public score fits it (Blum and Hardt 2015, "The Ladder"), so that the two drift apart; the private score is what counts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sonde.errors import DataError, Problem
from sonde.predictions import names
from sonde.run import Run


@dataclass(frozen=True)
class Score:
    """The measures of one part, and of how many examples."""

    examples: int
    metrics: dict[str, float]


def play(run: Run, source: Any, *, public: float) -> tuple[Score, Score]:
    """The scores of a run, of a K-fold those of the mean of its folds, on the public and the private part of data with answers.

    `public`: about which share of the examples is public, over 0 and under 1. Raises DataError where a part would be empty.
    """
    data, _ = run.labelled(source)
    called = names(data.examples.take(data.index), run.recipe.data.id, data.index)
    seen = is_public(called, public)
    if seen.all() or not seen.any():
        part = "private" if seen.all() else "public"
        said = f"of {len(seen)} examples none falls into the {part} part with a public share of {public:g}"
        raise DataError(Problem("error", str(source), said, "give more examples, or another --public"))
    shown, kept = (replace(data, index=data.index[chosen]) for chosen in (seen, ~seen))
    return Score(len(shown.index), run.measured(shown)), Score(len(kept.index), run.measured(kept))


def is_public(called: list[str], share: float) -> np.ndarray:
    """Bool (example,): a hash of each example's name below `share`, so that the same id is public in every file and every order."""
    drawn = [int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") for name in called]
    return np.array(drawn, dtype=np.uint64).astype(np.float64) / 2.0**64 < share
