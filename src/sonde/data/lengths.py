"""Sentences of about one length beside each other, so that little of a batch is padding.

Of the shuffled order each stretch of POOL batches is sorted by length and cut into batches, and all batches are shuffled
again, so the order stays a function of (seed, epoch). A batch is as wide as its longest sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from sonde.data.batch import NO_TARGET
from sonde.data.prepare.columns import Columns
from sonde.ops.random import permutation

POOL: Final = 50  # batches of sentences that are sorted by length together
BATCHES: Final = 0x62617463  # sets the order of batches apart from that of examples


def by_length(order: Tensor, length: Tensor, batch_size: int, *, seed: int | None, epoch: int) -> Tensor:
    """Rows `order`, int64, with those of about one `length` (of every row) in one batch; what fills no batch stays at the end.

    Without a `seed` all are sorted.
    """
    key = length[order]
    if seed is None:
        return order[key.argsort(stable=True)]
    full = len(order) // batch_size
    if not full:
        return order
    whole = order[: full * batch_size]
    pool = torch.arange(len(whole)) // (POOL * batch_size)
    sort = (pool * (int(key.max()) + 1) + key[: len(whole)]).argsort(stable=True)
    shuffled = whole[sort].view(full, batch_size)[permutation(seed ^ BATCHES, epoch, full)]
    return torch.cat([shuffled.flatten(), order[len(whole) :]])


@dataclass(frozen=True)
class Shape:
    """How wide a piece of sentences is, how wide its targets are, and how many places have a target."""

    width: int
    targets: int
    places: int


@dataclass(frozen=True)
class Sentences:
    """What is known of each row of padded columns, on the CPU: lengths, those of targets, places with a target, and a key to sort by.

    Sentences are sorted by length, pairs by the source's and then the target's.
    """

    lengths: Tensor
    targets: Tensor
    places: Tensor
    key: Tensor

    @staticmethod
    def of(columns: Columns) -> Sentences:
        """From columns of tokens, lengths and targets."""
        lengths = columns.inputs[1].cpu().long()
        ends, places = torch.zeros_like(lengths), torch.ones_like(lengths)
        if columns.targets is not None and columns.targets.ndim == 2 and not columns.targets.is_floating_point():
            real = columns.targets.cpu() != NO_TARGET
            places = real.sum(1)
            ends = (real * torch.arange(1, real.shape[1] + 1)).amax(1)
        for words in columns.inputs[2:]:  # what is told about stands in places of its own (data/prepare/bert.py)
            ends = (words.cpu() > 0).sum(1)
        return Sentences(lengths, ends, places, lengths * (int(ends.max()) + 1 if len(ends) else 1) + ends)

    def shape(self, rows: Tensor) -> Shape:
        """The shape of a batch of these rows; of no rows 1 wide."""
        if not len(rows):
            return Shape(1, 1, 0)
        return Shape(int(self.lengths[rows].max()), max(1, int(self.targets[rows].max())), int(self.places[rows].sum()))


def trimmed(inputs: tuple[Tensor, ...], targets: Tensor | None, shape: Shape) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """Tokens and targets without the padding that all of them have; tags stay as wide as the tokens that they belong to."""
    tokens, lengths, *words = inputs
    width = shape.width
    if words:
        told = max(1, shape.targets)
        return (tokens[:, :width], lengths, words[0][:, :told]), None if targets is None else targets[:, :told]
    if targets is not None and targets.ndim == 2 and not targets.is_floating_point():
        aligned = targets.shape[1] == tokens.shape[1]
        width = max(width, shape.targets) if aligned else width
        targets = targets[:, : width if aligned else shape.targets]
    return (tokens[:, :width], lengths), targets
