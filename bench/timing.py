"""Measuring fairly: contenders take turns in one run, and what is printed is the median and the quartiles of many turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile (a single value stands for both)."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def interleave(contenders: Mapping[str, Callable[[], float]], *, rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """What each contender's turns returned (seconds, say): `rounds` turns each, after `warmup` that are thrown away.

    Every round starts with another contender, so that none always runs on a machine that its neighbour has just heated.
    """
    names = list(contenders)
    results: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warmup + rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            value = contenders[name]()
            if turn >= warmup:
                results[name].append(value)
    return results


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round quotients: a slow moment of the machine hits both sides of one round alike."""
    return [a / b for a, b in zip(above, below, strict=True)]
