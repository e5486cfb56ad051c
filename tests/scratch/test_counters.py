"""What forward and reverse accumulation cost: time grows with depth for both, memory for reverse alone."""

from __future__ import annotations

import numpy as np

from sonde.scratch.counters import Count, count
from sonde.scratch.derivatives import jvp
from sonde.scratch.tensor import Tensor


def chain(x: Tensor, depth: int) -> Tensor:
    for _ in range(depth):
        x = x.tanh()
    return x


def cost(depth: int, way: str) -> Count:
    with count() as counter:
        if way == "forward":
            jvp(lambda x: chain(x, depth), [np.ones(10)], [np.ones((1, 10))])
        else:
            x = Tensor(np.ones(10), requires_grad=True)
            chain(x, depth).backward(np.ones(10))
    return counter


def test_time_is_linear_for_both() -> None:
    assert [cost(n, "forward").operations for n in (10, 20, 40)] == [10, 20, 40]
    assert [cost(n, "reverse").operations for n in (10, 20, 40)] == [20, 40, 80]


def test_memory_is_linear_for_reverse_and_constant_for_forward() -> None:
    forward, reverse = ([cost(n, way).peak for n in (10, 20, 40)] for way in ("forward", "reverse"))
    assert forward[0] == forward[1] == forward[2] <= 20
    assert reverse[2] - reverse[1] == 2 * (reverse[1] - reverse[0]) == 200


def test_values_are_given_back() -> None:
    with count() as counter:
        y = Tensor(np.ones(3), requires_grad=True) * 2
        z = y[1:]  # a view stores nothing
        assert counter.stored == 3 and counter.values == 3 and counter.by_name == {"multiply": 1, "index": 1}
        del y, z
        assert counter.stored == 0 and counter.peak == 3


def test_nothing_is_counted_outside() -> None:
    with count() as outer:
        with count() as inner:
            Tensor(np.ones(3)) + 1
        Tensor(np.ones(3)) + 1
    Tensor(np.ones(3)) + 1
    assert inner.operations == 1 and outer.operations == 2
