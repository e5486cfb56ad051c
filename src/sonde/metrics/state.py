"""What all measures share: where their sums are kept, and what they may see of a batch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Measured(Protocol):
    """The part of a batch that a measure looks at."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Raw model inputs, the batch axis first."""
        ...

    @property
    def targets(self) -> Tensor | None:
        """True values, in their own units."""
        ...


def zeros(size: int, *, like: Tensor) -> Tensor:
    """`size` float64 counters on `like`'s device, or on the CPU where the device has no float64 (Apple's)."""
    return torch.zeros(size, dtype=torch.float64, device="cpu" if like.device.type == "mps" else like.device)


def exact(values: Tensor) -> Tensor:
    """`values` as float64, where sums over millions of examples keep their digits."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


def known(batch: Measured) -> Tensor:
    """The batch's targets. Raises ValueError where there are none: unlabelled examples cannot be measured."""
    if batch.targets is None:
        raise ValueError("these examples have no targets, so there is nothing to measure predictions against")
    return batch.targets
