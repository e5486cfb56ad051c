"""What a network that predicts numbers works with: z = (g(y) − mean) / std, and the way back.

"none": z = y. "standardise": g is the identity. "log": g(y) = ln(1 + y), for targets above −1 of which relative
errors matter, such as prices; it takes 0. `mean` and `std` are of g(y) on the training part (data/prepare/target.py
fits them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sonde.tasks.constant import constant

TRANSFORMS = ("none", "log", "standardise")


@dataclass(frozen=True)
class Transform:
    """A map of each output (last axis) and its exact inverse. `mean` and `std`: one value an output."""

    kind: str = "none"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def forward(self, values: Tensor) -> Tensor:
        """From units of the data, (batch, output), to what the network predicts."""
        if self.kind == "none":
            return values
        if self.kind == "log":
            values = values.log1p()
        return (values - _each(self.mean, values)) / _each(self.std, values)

    def inverse(self, values: Tensor) -> Tensor:
        """From what the network predicts, (batch, output), to units of the data."""
        if self.kind == "none":
            return values
        values = values * _each(self.std, values) + _each(self.mean, values)
        return values.expm1() if self.kind == "log" else values


def from_target(target: dict[str, Any]) -> Transform:
    """The transform that the fitted target holds."""
    mean, std = (tuple(float(value) for value in target.get(key, ())) for key in ("mean", "std"))
    return Transform(target.get("transform", "none"), mean, std)


def _each(values: tuple[float, ...], like: Tensor) -> Tensor | float:
    """One value as a number, several as a tensor."""
    return values[0] if len(values) == 1 else constant(values, like=like)
