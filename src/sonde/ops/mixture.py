"""Weights of a mixture: models' probabilities averaged so that held-out data are as likely as can be (Jelinek and Mercer 1980).

    P(x) = Σ_m λ_m P_m(x)

found by expectation and maximisation (Dempster, Laird and Rubin 1977), whose two halves are here

    r_m(x) = λ_m P_m(x) / P(x)        how far model m answers for x
    λ_m ← mean over x of r_m(x)

No round makes the data less likely, and as ln P is concave in λ the rounds end at the best weights, wherever they begin.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDS = 1000
STILL = 1e-7  # no weight moves by more: it has ended


def mixture_weights(log_p: Float[Tensor, "model example"], *, rounds: int = ROUNDS) -> Float[Tensor, " model"]:
    """λ of models that find example x likely by `log_p`; each example must be possible for one of them at least."""
    weights = torch.full_like(log_p[:, 0], 1 / len(log_p))
    for _ in range(rounds):
        moved = (log_p + weights.log()[:, None]).softmax(0).mean(1)
        still = bool((moved - weights).abs().max() <= STILL)
        weights = moved
        if still:
            break
    return weights
