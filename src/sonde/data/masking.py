"""Rows for BERT's pre-training (Devlin et al. 2018, sections 3.1 and A.2): two texts, some of whose pieces are masked.

    [CLS] first [SEP] second [SEP]     half of the time the second follows the first

Each example is a stretch of a document's sentences (prepare/passages.py). Every epoch it is cut in two at another sentence; half of the
time the second text is then that of an example of another document, so that second texts are the same whether they follow or not, and
nothing but what both have to do with each other tells. Of all pieces 15 % are to be foretold; of these 80 % are read as [MASK], 10 %
as another piece and 10 % as they stand.

All is drawn by hashes of (seed, epoch, example, place), so a row is the same however the examples are cut into batches, over processes
or by a resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.prepare.bert import longest_first
from sonde.data.prepare.columns import Columns
from sonde.data.share import pieces
from sonde.errors import DataError, Problem
from sonde.ops.random import bits, integers, permutation, uniform

ROWS: Final = 2_048  # rows that are made together
MASKED, RANDOM = 0.8, 0.9  # below the first a piece is masked, below the second it is another one, else it stays
FOLLOWS: Final = 0  # the class of a second text that follows; 1: of another one
# The places of the draws: those of a row's pieces take one more for each place.
CUT, REAL, OTHER, CHOSEN, HOW, WHICH = 0x6375, 0x7265, 0x6F74, 0x63680000, 0x686F0000, 0x77680000


class MaskedBatches:
    """The examples `index` of `columns`, which hold passages, for one of `world_size` ranks.

    Inputs are (tokens int64 (batch, step), [PAD] after each row's end; lengths int64 (batch,)). Targets int64 (batch, step): the pieces
    that are to be foretold, NO_TARGET elsewhere, and in the first column, where [CLS] stands, FOLLOWS or 1 (NO_TARGET without pairs). Of
    the counts "masked" is the number of pieces to foretell, "pairs" that of pairs. A batch is as wide as its longest row.
    """

    def __init__(
        self,
        columns: Columns,
        index: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        device: torch.device | str,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ) -> None:
        assert columns.passages is not None
        self.columns, self.passages, self.stream = columns, columns.passages, columns.inputs[0]
        self.index = torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))
        self.batch_size, self.seed, self.shuffle, self.device = batch_size, seed, shuffle, torch.device(device)
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.steps = -(-len(self.index) // batch_size)
        if self.passages.masking.pairs:
            self._begin, self._end = self._own_documents()

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.index)

    def _own_documents(self) -> tuple[Tensor, Tensor]:
        """For each example of the columns where those of its document begin and end in `index`, which is in their order."""
        documents = self.passages.document[self.index]
        if len(documents) and int(documents[0]) == int(documents[-1]):
            found = "a part of these data is one document, so that no text of another one can stand beside one of it"
            remedy = "give more text, smaller documents (--set task.document=50), or --set task.next_sentence=false"
            raise DataError(Problem("error", "the data", found, remedy))
        return torch.searchsorted(documents, self.passages.document), torch.searchsorted(documents, self.passages.document, right=True)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """This rank's pieces of each step from `start` on. Every rank has as many pieces; one may be of size 0."""
        order = permutation(self.seed, epoch, len(self.index)) if self.shuffle else torch.arange(len(self.index))
        order = self.index[order]
        together = max(1, ROWS // self.batch_size)
        for block in range(start, self.steps, together):
            steps = [self._edges(step) for step in range(block, min(block + together, self.steps))]
            rows = [order[begin:end] for edges in steps for begin, end in edges]
            tokens, lengths, targets = (made.split([len(some) for some in rows]) for made in self._rows(torch.cat(rows), epoch))
            number = 0
            for edges in steps:
                batches = []
                for _ in edges:
                    batches.append(self._batch(tokens[number], lengths[number], targets[number], rows[number]))
                    number += 1
                yield batches

    def _edges(self, step: int) -> list[tuple[int, int]]:
        """Where this rank's pieces of a step begin and end in the order."""
        low = step * self.batch_size
        size = min(self.batch_size, len(self.index) - low)
        edges = pieces(size, world_size=self.world_size, rank=self.rank, accumulate=self.accumulate)
        return [(low + begin, low + end) for begin, end in edges]

    def _batch(self, tokens: Tensor, lengths: Tensor, targets: Tensor, numbers: Tensor) -> Batch:
        width = int(lengths.max()) if len(lengths) else 1
        tokens, targets, count = tokens[:, :width], targets[:, :width], float(len(numbers))
        counts = {"examples": count, "masked": float((targets[:, 1:] != NO_TARGET).sum())}
        counts["pairs"] = count if self.passages.masking.pairs else 0.0
        tokens, lengths, targets, numbers = (tensor.to(self.device, non_blocking=True) for tensor in (tokens, lengths, targets, numbers))
        return Batch((tokens, lengths), targets, numbers, counts)

    def _rows(self, numbers: Tensor, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, lengths and targets of the examples `numbers`, as wide as a row can be."""
        given = self.passages
        begin, end = given.edges[given.first[numbers]], given.edges[given.stop[numbers]]
        follows = torch.full_like(numbers, NO_TARGET)
        second = None
        if given.masking.pairs:
            real = uniform(self.seed, epoch, numbers, REAL) < 0.5
            follows = torch.where(real, FOLLOWS, 1)
            other = torch.where(real, numbers, self._others(numbers, epoch))
            second = given.edges[self._cuts(other, epoch)], given.edges[given.stop[other]]
            end = given.edges[self._cuts(numbers, epoch)]
        tokens, lengths, text = self._framed((begin, end), second)
        targets = tokens.masked_fill(~text, NO_TARGET)
        tokens, chosen = self._masked(tokens, text, numbers, epoch)
        targets = targets.masked_fill(~chosen, NO_TARGET)
        targets[:, 0] = follows
        return tokens, lengths, targets

    def _cuts(self, numbers: Tensor, epoch: int) -> Tensor:
        """The sentence with which the second text of each example begins: any but its first."""
        first, stop = self.passages.first[numbers], self.passages.stop[numbers]
        drawn = bits(self.seed, epoch, numbers, CUT) >> 32 & 0xFFFFFFFF
        return first + 1 + (drawn * (stop - first - 1) >> 32)

    def _others(self, numbers: Tensor, epoch: int) -> Tensor:
        """An example of another document for each: those of its own are passed over."""
        begin, end = self._begin[numbers], self._end[numbers]
        drawn = bits(self.seed, epoch, numbers, OTHER) >> 32 & 0xFFFFFFFF
        place = drawn * (len(self.index) - (end - begin)) >> 32
        return self.index[torch.where(place >= begin, place + end - begin, place)]

    def _framed(self, one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of stretches of the stream with their specials, their lengths, and which places hold text."""
        given, place = self.passages, torch.arange(self.passages.length)
        a, b = (one[1] - one[0])[:, None], None
        if two is None:
            a = a.clamp(max=given.length - 2)
        else:
            kept = longest_first(a[:, 0].numpy(), (two[1] - two[0]).numpy(), given.length - 3)
            a, b = (torch.from_numpy(values)[:, None] for values in kept)
        in_first = (place >= 1) & (place <= a)
        text, source = in_first, torch.where(in_first, one[0][:, None] + place - 1, 0)
        ends, last = place == a + 1, a + 1
        if two is not None and b is not None:
            in_second = (place >= a + 2) & (place < a + 2 + b)
            text = text | in_second
            source = torch.where(in_second, two[0][:, None] + place - a - 2, source)
            last = a + b + 2
            ends = ends | (place == last)
        tokens = torch.where(text, self.stream[source].long(), 0)
        tokens = tokens.masked_fill(ends, given.separator)
        tokens[:, 0] = given.begin
        return tokens, last[:, 0] + 1, text

    def _masked(self, tokens: Tensor, text: Tensor, numbers: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """What is read in place of the tokens, and which of them are to be foretold."""
        given, example, place = self.passages, numbers[:, None], torch.arange(tokens.shape[1])
        word = place.expand_as(tokens)
        if given.masking.whole_words:  # the draw of a word is that of its first piece
            word = torch.where(given.inside[tokens] & text, 0, word).cummax(1).values
        chosen = text & (uniform(self.seed, epoch, example, CHOSEN + word) < given.masking.share)
        how = uniform(self.seed, epoch, example, HOW + place)
        another = given.ordinary[integers(self.seed, epoch, example, WHICH + place, low=0, high=len(given.ordinary))]
        read = torch.where(chosen & (how < MASKED), given.mask, tokens)
        return torch.where(chosen & (how >= MASKED) & (how < RANDOM), another, read), chosen
