"""BLEU in the form of one sentence against one truth.

    BLEU = exp(min(0, 1 − len_label/len_pred)) ∏ₙ pₙ^(1/2ⁿ),   n = 1 … k

pₙ is the share of the prediction's n-grams that also stand in the label, each counted at most as often as it stands
there (Papineni et al. 2002, who weigh all n alike; the weights 1/2ⁿ, by which longer matches count for more, as p < 1 is
raised to a smaller power, are the textbook form of "Dive into Deep Learning").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np


def precisions(prediction: Sequence[Hashable], label: Sequence[Hashable], *, order: int = 4) -> list[float]:
    """p₁ … p_order with clipped counts; fewer where the prediction is too short to have n-grams of that length."""
    return [_precision(_grams(prediction, n), _grams(label, n)) for n in range(1, min(order, len(prediction)) + 1)]


def brevity(predicted: int, truth: int) -> float:
    """exp(min(0, 1 − len_label/len_pred)): 1 unless the prediction is shorter than the label; 0 for an empty one."""
    return float(np.exp(min(0.0, 1 - truth / predicted))) if predicted else 0.0


def bleu(prediction: Sequence[Hashable], label: Sequence[Hashable], *, order: int = 4) -> float:
    """BLEU in 0 … 1 of `prediction` against `label`, n-grams up to `order`."""
    if order < 1:
        raise ValueError(f"BLEU needs n-grams of at least order 1, not {order}")
    powers = [p ** (1 / 2**n) for n, p in enumerate(precisions(prediction, label, order=order), start=1)]
    return brevity(len(prediction), len(label)) * float(np.prod(powers))


def _grams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))


def _precision(predicted: Counter[tuple[Hashable, ...]], truth: Counter[tuple[Hashable, ...]]) -> float:
    return (predicted & truth).total() / predicted.total()
