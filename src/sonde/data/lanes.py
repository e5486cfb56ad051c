"""A stream of tokens as lanes that are read side by side, window after window, so that a model may carry its state.

The stream is cut into as many lanes as a batch has rows. Batch t holds tokens t·steps … (t + 1)·steps − 1 of every
lane and as targets the tokens that follow each; lane i of one batch goes on where lane i of the batch before stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.share import pieces
from sonde.ops.random import bits

OFFSET = 0x6C616E65  # the place of this draw


class LaneBatches:
    """Tokens `first` … `last` − 1 of `stream` in batches of (`lanes`, `steps`), for one of `world_size` ranks.

    One example is one token. When `shuffle` is on, each epoch begins at another one of the first `steps` tokens, a
    function of (seed, epoch), so that windows end elsewhere, and what fills no whole batch is left out. When it is off
    every token but the first is predicted exactly once; where lanes are shorter, targets are NO_TARGET.
    """

    carries = True

    def __init__(
        self,
        stream: Tensor,
        first: int,
        last: int,
        *,
        lanes: int,
        steps: int,
        seed: int,
        shuffle: bool,
        device: torch.device | str,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ) -> None:
        self.lanes, self.count = max(1, min(lanes, last - first - 1)), last - first
        self.window, self.seed, self.shuffle, self.device = steps, seed, shuffle, torch.device(device)
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        if shuffle:
            self.window = max(1, min(steps, (self.count - 1) // self.lanes))
            self.steps = max(1, (self.count - self.window) // (self.lanes * self.window))
            self.length = self.steps * self.window
        else:
            self.length = -(-(self.count - 1) // self.lanes)
            self.steps = -(-self.length // self.window)
        self.batch_size = self.lanes * self.window
        self.first, self.stream = first, stream
        lacking = self.lanes * self.length + 1 - self.count
        if lacking > 0:  # so that every lane can be read to its end; nothing is predicted there
            self.first, self.stream = 0, torch.cat([stream[first:last], stream.new_zeros(lacking)])

    def __len__(self) -> int:
        """The number of tokens."""
        return self.count

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """This rank's pieces of each step from `start` on: some of the lanes each; a piece may have none."""
        offset = 0
        if self.shuffle:
            room = min(self.window, self.count - self.lanes * self.length)
            offset = int(bits(self.seed, epoch, torch.zeros(1, dtype=torch.int64), OFFSET)) % room
        cuts = pieces(self.lanes, world_size=self.world_size, rank=self.rank, accumulate=self.accumulate)
        origin, size = self.first + offset, self.lanes * self.length
        tokens = self.stream[origin : origin + size].view(self.lanes, self.length)
        following = self.stream[origin + 1 : origin + size + 1].view(self.lanes, self.length)
        for step in range(start, self.steps):
            window = slice(step * self.window, (step + 1) * self.window)
            yield [self._batch(tokens[low:high, window], following[low:high, window], origin + low * self.length + window.start) for low, high in cuts]

    def _batch(self, tokens: Tensor, following: Tensor, place: int) -> Batch:
        """A piece whose first token stands at `place` of the stream."""
        lanes, width = tokens.shape
        index = place + torch.arange(lanes)[:, None] * self.length + torch.arange(width)
        targets, counted = following.to(self.device).long(), float(lanes * width)
        if not self.shuffle:
            inside = index < self.first + self.count - 1
            targets, counted = targets.masked_fill(~inside.to(self.device), NO_TARGET), float(inside.sum())
        return Batch((tokens.to(self.device).long(),), targets, index.flatten().to(self.device), {"examples": counted})
