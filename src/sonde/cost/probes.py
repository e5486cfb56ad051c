"""Small experiments that show what a machine is good and bad at. Each is written to be read; machine.py runs and keeps them.

Every time is the shortest of several, as whatever else the machine does can only make it longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

MEGA = 2**20


def shortest(run: Callable[[], object], *, wait: Callable[[], object] = lambda: None, turns: int = 5, seconds: float = 0.5) -> float:
    """The shortest time of `turns` calls after one that does not count, in seconds; fewer turns where these take longer than `seconds`.

    `wait` returns when the device has done all that was asked of it.
    """
    run()
    wait()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < turns and (not times or time.perf_counter() - began < seconds):
        started = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - started)
    return min(times)


def waiting(device: torch.device) -> Callable[[], object]:
    """What waits for `device`; a CPU is done when a call returns."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)


def peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Multiply-adds a second of a large matrix product: n³ of them on 3n² numbers, so that arithmetic alone limits it."""
    n = 2048 if device.type == "cpu" else 8192
    a, b = torch.rand(n, n, device=device).to(dtype), torch.rand(n, n, device=device).to(dtype)
    out = torch.empty_like(a)
    return n**3 / shortest(lambda: torch.mm(a, b, out=out), wait=waiting(device), turns=10, seconds=1.0)


def bandwidth(device: torch.device) -> float:
    """Bytes a second of c = a + b on arrays that no cache holds: two numbers read and one written for each addition."""
    n = 32 * MEGA if device.type == "cpu" else 256 * MEGA
    a, b = torch.ones(n, device=device), torch.ones(n, device=device)
    c = torch.empty_like(a)
    return 3 * 4 * n / shortest(lambda: torch.add(a, b, out=c), wait=waiting(device))


def caches() -> list[tuple[int, float]]:
    """(Size in bytes, bytes a second) when the same array is read over and over: each level of cache is a step down.

    The array is repeated by a view of stride 0, so that one call reads it many times.
    """
    found = []
    for power in range(13, 28):
        size = 2**power
        x = torch.ones(size // 4)
        often = max(1, 16 * MEGA // size)
        repeated = x.expand(often, len(x))
        found.append((size, size * often / shortest(lambda repeated=repeated: repeated.sum(), turns=4, seconds=0.1)))  # type: ignore[misc]
    return found


@dataclass(frozen=True)
class Pair:
    """Seconds of two ways to do the same."""

    fast: float
    slow: float

    @property
    def ratio(self) -> float:
        """How many times longer the slow way takes."""
        return self.slow / self.fast


def strides(n: int = 4096) -> Pair:
    """Sums of an n×n matrix row by row, where neighbours in memory are read one after the other, and column by column, n numbers apart."""
    matrix = np.ones((n, n), np.float32)

    def by_rows() -> None:
        for i in range(n):
            matrix[i, :].sum()

    def by_columns() -> None:
        for j in range(n):
            matrix[:, j].sum()

    return Pair(shortest(by_rows, turns=3), shortest(by_columns, turns=3))


def loops(n: int = 100_000) -> Pair:
    """Adds two arrays of n numbers in one call, and in a loop over the numbers in Python."""
    a, b = np.ones(n), np.ones(n)
    c = np.zeros(n)

    def by_vector() -> None:
        np.add(a, b, out=c)

    def by_loop() -> None:
        for i in range(n):
            c[i] = a[i] + b[i]

    return Pair(shortest(by_vector, turns=20), shortest(by_loop, turns=3))


@dataclass(frozen=True)
class Transfers:
    """Host and device: bytes a second there and back, with memory that the device reads itself (pinned) and without; and what waiting costs.

    `asked` are the seconds until a large product has been asked for, `done` until its result can be read: a program that waits for every step pays
    the difference each time.
    """

    to_device: float
    to_device_pinned: float
    to_host: float
    asked: float
    done: float


def transfers(device: torch.device, megabytes: int = 256) -> Transfers:
    """Copies between host and `device`, and an operation with and without waiting for it."""
    wait = waiting(device)
    size = megabytes * MEGA
    plain, there = torch.ones(size // 4), torch.empty(size // 4, device=device)
    pinned = plain.pin_memory()
    a = torch.rand(8192, 8192, device=device)
    done = shortest(lambda: torch.mm(a, a), wait=wait)
    wait()
    started = time.perf_counter()
    torch.mm(a, a)
    asked = time.perf_counter() - started
    wait()
    return Transfers(
        to_device=size / shortest(lambda: there.copy_(plain), wait=wait),
        to_device_pinned=size / shortest(lambda: there.copy_(pinned, non_blocking=True), wait=wait),
        to_host=size / shortest(lambda: plain.copy_(there), wait=wait),
        asked=asked,
        done=done,
    )
