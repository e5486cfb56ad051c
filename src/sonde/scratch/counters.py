"""What a computation costs: operations done and values stored, counted while it runs.

    with count() as counter:
        loss = f(x)
        loss.backward()
    counter.operations, counter.stored, counter.peak

Reverse accumulation has to keep what its backward pass reads: memory O(n) in the depth n. Forward accumulation drops each
value once it is used: O(1). Both take O(n) operations a pass.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(eq=False)
class Count:
    """What was counted: `by_name` operation → times done; `values`, numbers computed; `stored`, numbers held now; `peak`, at most."""

    by_name: Counter[str] = field(default_factory=Counter)
    values: int = 0
    stored: int = 0
    peak: int = 0

    @property
    def operations(self) -> int:
        """Operations of the table that were done."""
        return sum(self.by_name.values())

    def add(self, name: str, result: Array) -> None:
        """Count one operation and its result, which is stored until nobody refers to it; views store nothing."""
        self.by_name[name] += 1
        if result.base is None:
            self.values += result.size
            self.stored += result.size
            self.peak = max(self.peak, self.stored)
            weakref.finalize(result, self._drop, result.size)

    def _drop(self, size: int) -> None:
        self.stored -= size


ACTIVE: list[Count] = []


@contextmanager
def count() -> Iterator[Count]:
    """Count every operation inside the block, forward and backward."""
    counter = Count()
    ACTIVE.append(counter)
    try:
        yield counter
    finally:
        ACTIVE.remove(counter)


def note(name: str, result: Array) -> None:
    """Tell all open counters of one operation."""
    for counter in ACTIVE:
        counter.add(name, result)
