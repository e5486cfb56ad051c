"""Running text as words with the words around them and words drawn from noise, for word vectors.

All is drawn by hashes of (seed, epoch, place in the text): which words are read (frequent ones are left out now and then, and
the window then reaches farther, as in the authors' program), how many words on either side count as near, and the noise. So a
word's example is the same however the text is cut into batches, over processes or by a resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from sonde.data.batch import Batch
from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.data.share import cut, pieces
from sonde.ops.negative_sampling import NO_WORD
from sonde.ops.random import integers, permutation, uniform

BLOCK: Final = 65_536  # tokens whose examples are made together, and shuffled among themselves
REACH: Final = 10  # a near word stands at most so many times the window away, whatever is left out between
READ, WIDTH, NOISE = 0x72656164, 0x77696474, 0x6E6F6973  # the places of the draws; one more for each word drawn


class SkipGrams:
    """Tokens `first` … `last` − 1 of `stream`, for one of `world_size` ranks; a batch is made of `batch_size` tokens.

    Inputs are (contexts int64 (centre, 2 · window), NO_WORD where there is none; candidates int64 (centre, 1 + negatives), the
    centre first, NO_WORD where it was drawn itself), targets the centres. A centre without a word near it is left out. Of the
    counts "examples" is the number of centres, "pairs" that of words near them. When `shuffle` is on, blocks of the text come in
    another order each epoch, and the examples of a block too; the learning text's draws are then other ones each epoch.
    """

    def __init__(
        self,
        stream: Tensor,
        first: int,
        last: int,
        around: Neighbourhood,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        device: torch.device | str,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ) -> None:
        self.stream, self.first, self.last, self.around = stream, first, last, around
        self.batch_size, self.seed, self.shuffle, self.device = batch_size, seed, shuffle, torch.device(device)
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.block = max(BLOCK // batch_size, 1) * batch_size
        self.blocks = max(1, -(-(last - first) // self.block))
        self.steps = sum(self._steps(block) for block in range(self.blocks))
        self.kept, self.noise = (torch.from_numpy(values).to(self.device) for values in (around.kept(), around.noise()))

    def __len__(self) -> int:
        """The number of tokens."""
        return self.last - self.first

    def _steps(self, block: int) -> int:
        begin = self.first + block * self.block
        return max(1, -(-(min(begin + self.block, self.last) - begin) // self.batch_size))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """This rank's pieces of each step from `start` on: some of its centres each; a piece may have none."""
        order = permutation(self.seed, epoch, self.blocks).tolist() if self.shuffle else range(self.blocks)
        before = 0
        for block in order:
            steps = self._steps(block)
            if before + steps > start:
                yield from self._block(block, epoch, max(start - before, 0), steps)
            before += steps

    def _block(self, block: int, epoch: int, start: int, steps: int) -> Iterator[list[Batch]]:
        """The pieces of a block's steps."""
        contexts, candidates, place = self._examples(block, epoch)
        if self.shuffle:
            order = permutation(self.seed + block, epoch, len(place)).to(self.device)
            contexts, candidates, place = contexts[order], candidates[order], place[order]
        # Once for all steps, so that none waits for the device.
        pairs = torch.cat([torch.zeros(1), (contexts != NO_WORD).sum(1).cumsum(0).cpu().double()]).tolist()
        for step in range(start, steps):
            low, high = cut(len(place), steps, step)
            edges = pieces(high - low, world_size=self.world_size, rank=self.rank, accumulate=self.accumulate)
            some = [slice(low + begin, low + end) for begin, end in edges]
            yield [
                Batch(
                    (contexts[rows], candidates[rows]),
                    candidates[rows, 0],
                    place[rows],
                    {"examples": float(rows.stop - rows.start), "pairs": pairs[rows.stop] - pairs[rows.start]},
                )
                for rows in some
            ]

    def _examples(self, block: int, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Contexts, candidates and places of all centres of a block."""
        near, seed = self.around, self.seed
        begin = self.first + block * self.block
        end, reach = min(begin + self.block, self.last), REACH * near.window
        low, high = max(self.first, begin - reach), min(self.last, end + reach)
        tokens = self.stream[low:high].to(self.device).long()
        place = torch.arange(low, high, device=self.device)
        read = uniform(seed, epoch, place, READ) < self.kept[tokens]
        tokens, place = tokens[read], place[read]
        if not len(tokens):
            return tokens.new_zeros(0, 2 * near.window), tokens.new_zeros(0, 1 + near.negatives), place
        centre = torch.nonzero((place >= begin) & (place < end))[:, 0]
        offset = torch.arange(-near.window, near.window + 1, device=self.device)
        offset = offset[offset != 0]
        at = centre[:, None] + offset
        inside = (at >= 0) & (at < len(tokens))
        at = at.clamp(0, len(tokens) - 1)
        here = place[centre]
        width = integers(seed, epoch, here, WIDTH, low=1, high=near.window + 1)
        inside &= (offset.abs() <= width[:, None]) & ((place[at] - here[:, None]).abs() <= reach)
        contexts = tokens[at].masked_fill(~inside, NO_WORD)
        some = inside.any(1)
        contexts, centre, here = contexts[some], tokens[centre[some]], here[some]
        drawn = uniform(seed, epoch, here[:, None], NOISE + torch.arange(near.negatives, device=self.device))
        noise = torch.searchsorted(self.noise, drawn, right=True)
        noise = noise.masked_fill(noise == centre[:, None], NO_WORD)
        return contexts, torch.cat([centre[:, None], noise], 1), here
