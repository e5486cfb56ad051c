"""Showing rare classes more often: repeat factor sampling (Gupta, Dollár, Girshick 2019, LVIS, section on long tails).

A class that stands in the share f of the training examples is worth r = √(f_max / f), and an example the largest r of its classes, so
that an example of the commonest class alone counts once. An epoch has as many examples as before, each about as often as its r says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sonde.data.augment.draws import BALANCE
from sonde.data.prepare.columns import Columns
from sonde.errors import RecipeError
from sonde.ops.boxes import CLASS
from sonde.ops.random import uniform

PIECE = 256  # masks that are looked through at a time


def repeat_factors(columns: Columns, index: Tensor) -> Tensor:
    """R of the examples `index`, float64 (example,), from their classes. Raises RecipeError where the targets are no classes."""
    has = presence(columns, index)
    share = has.double().mean(0)
    worth = torch.where(share > 0, (share.max() / share.clamp(min=1e-300)).sqrt(), 0.0)
    return (has * worth).amax(1).clamp(min=1.0)


def presence(columns: Columns, index: Tensor) -> Tensor:
    """Which classes stand in which of the examples `index`: bool (example, class)."""
    targets = columns.targets
    if targets is None or (columns.scene is None and (targets.ndim != 1 or targets.is_floating_point())):
        remedy = "leave out data.balance"
        raise RecipeError("there are no classes that could be balanced", where="data.balance", remedy=remedy)
    if columns.scene == "masks":
        planes = []
        for some in index.split(PIECE):
            labels = targets[some].flatten(1).long()
            planes.append(torch.zeros(len(labels), 256, dtype=torch.bool).scatter_(1, labels, True)[:, :255])
        return torch.cat(planes)
    numbers = targets[index][..., CLASS].long() if columns.scene == "boxes" else targets[index][:, None]
    has = torch.zeros(len(numbers), int(numbers.max()) + 2, dtype=torch.bool)
    return has.scatter_(1, numbers + 1, True)[:, 1:]  # place 0 is for what has no class


def draw(factors: Tensor, *, seed: int, epoch: int) -> Tensor:
    """As many places as there are factors, int64 ascending: each comes floor or ceil of its share of them times, from one draw an epoch."""
    count = len(factors)
    start = uniform(seed, epoch, torch.zeros(1, dtype=torch.int64), BALANCE).double()
    ends = factors.double().cumsum(0)
    return torch.searchsorted(ends, (torch.arange(count) + start) * (ends[-1] / count), right=True).clamp(max=count - 1)
