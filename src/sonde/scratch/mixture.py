"""Weights of a mixture of models by expectation and maximisation (Jelinek and Mercer 1980; Dempster, Laird and Rubin 1977)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def mixture_weights(p: npt.ArrayLike, *, rounds: int) -> npt.NDArray[Any]:
    """λ (model,) after `rounds` rounds from equal ones, for p (model, example): how likely each model finds each example.

    A round asks of each example how far each model answers for it, and gives a model its mean share as its weight.
    """
    p = np.asarray(p, dtype=np.float64)
    models, examples = p.shape
    weights = np.full(models, 1 / models)
    for _ in range(rounds):
        share = np.zeros(models)
        for x in range(examples):
            share += weights * p[:, x] / (weights @ p[:, x])
        weights = share / examples
    return weights
