"""The learning-rate range test (Smith 2017, section 3.3), without the training: which rates to try, which to choose."""

from __future__ import annotations

import math
from collections.abc import Sequence

LOWEST = 1e-6
HIGHEST = 10.0


def rates(steps: int = 100, *, low: float = LOWEST, high: float = HIGHEST) -> list[float]:
    """`steps` learning rates from `low` to `high`, each the same multiple of the one before."""
    if steps == 1:
        return [low]
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


def smoothed(losses: Sequence[float], *, beta: float = 0.9) -> list[float]:
    """Exponential moving averages of the losses, corrected for their start at 0."""
    average, result = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        result.append(average / (1 - beta**step))
    return result


def diverged(losses: Sequence[float]) -> bool:
    """Whether there is no use in trying larger rates: the loss is no number or four times the best."""
    if not losses:
        return False
    if not math.isfinite(losses[-1]):
        return True
    smooth = smoothed(losses)
    return len(smooth) > 5 and smooth[-1] > 4 * min(smooth) + 1e-12


def choose(tried: Sequence[float], losses: Sequence[float]) -> float:
    """The rate to train with: a third of the one at which the smoothed loss is smallest.

    `losses` may be shorter than `tried`. Where the loss never fell the smallest rate is given; where it never turned
    up again, a third of the largest one tried.
    """
    finite = []
    for rate, loss in zip(tried, losses, strict=False):
        if not math.isfinite(loss):
            break
        finite.append((rate, loss))
    if not finite:
        return tried[0]
    smooth = _centred([loss for _, loss in finite])
    best = min(range(len(smooth)), key=smooth.__getitem__)
    return finite[0][0] if best == 0 else finite[best][0] / 3


def _centred(losses: Sequence[float], *, reach: int = 4) -> list[float]:
    """Means over `reach` losses on either side, which do not lag behind as `smoothed` does."""
    windows = [losses[max(0, place - reach) : place + reach + 1] for place in range(len(losses))]
    return [sum(window) / len(window) for window in windows]
