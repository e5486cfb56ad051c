"""Batches on the device, in an order that is a function of (seed, epoch) alone.

Nothing is loaded example by example: a block of many steps is gathered with one `index_select` and cut into views, so a
step costs next to nothing. Columns that stand in files are gathered in file order on a thread that stays one block ahead.

Sentences come in batches of about one length, so that little is padding (lengths.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sonde.data.balance import draw
from sonde.data.batch import Batch
from sonde.data.lengths import Sentences, Shape, by_length, trimmed
from sonde.data.prepare.columns import Columns
from sonde.data.scene_batches import SceneAugment, Taken, amounts, seen
from sonde.data.share import pieces
from sonde.ops.random import permutation

BLOCK = {"cpu": 4 * 2**20}  # bytes gathered at a time: large enough to spread the cost, small enough for the cache
BLOCK_ELSEWHERE = 64 * 2**20
BLOCK_MAPPED = 32 * 2**20
RESIDENT = 0.6  # of a device's free memory that the columns may take

Augment = Callable[[Tensor, Tensor, int], Tensor]


@runtime_checkable
class Mix(Protocol):
    """Mixes another example into each: Mixup and its kin (data/augment/mix.py)."""

    def partners(self, index: Tensor, epoch: int, count: int) -> Tensor:
        """Which of `count` examples is mixed into each of the examples `index`."""
        ...

    def __call__(self, pictures: Tensor, others: Tensor, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """The mixed pictures, and the share of each that is its own."""
        ...


@dataclass(frozen=True)
class _Block:
    """The examples of some steps: what `Batch` has of each."""

    inputs: tuple[Tensor, ...]
    targets: Tensor | None
    numbers: Tensor
    partners: Tensor | None = None
    shares: Tensor | None = None
    masks: Tensor | None = None
    amounts: dict[str, list[float]] = field(default_factory=dict)


class Batches:
    """The examples `index` of `columns`, once an epoch, in batches of `batch_size` over all ranks.

    Each global batch is cut contiguously over `world_size` ranks and then into at most `accumulate` pieces, so that the
    pieces of all ranks in order are the same examples however it is cut. The last batch holds what is left. `augment`
    takes (pictures, example numbers, epoch) and is applied to the first input; `mix` then mixes other examples of `index`,
    augmented in the same way, into it. `steps` is the number of batches an epoch. Of `factors` (balance.py), float64 (example,), an epoch
    shows each example about so often, and so many in all as there are; each time it is augmented anew.

    Sentences (`columns.padded`) stand in batches of about one length, also where nothing is shuffled, and `examples` among the
    counts are the places with a target where each token has one.
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
        augment: Augment | None = None,
        mix: Mix | None = None,
        factors: Tensor | None = None,
    ) -> None:
        if batch_size < 1 or accumulate < 1 or not 0 <= rank < world_size:
            raise ValueError(f"batch_size {batch_size} and accumulate {accumulate} are at least 1, rank {rank} is below world_size {world_size}")
        self.device = torch.device(device)
        self.index = torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.augment, self.mix, self.factors = augment, mix, factors
        self.steps = -(-len(self.index) // batch_size)
        self.examples = len(columns)
        tensors = [tensor for tensor in (*columns.inputs, columns.targets, columns.masks) if tensor is not None]
        self.row_bytes = sum(tensor.element_size() * tensor[:1].numel() for tensor in tensors) or 1
        self.mapped = columns.mapped or not self._fits(self.row_bytes * len(self.index))
        # Elsewhere than on the CPU a part keeps its own rows alone: several parts may share one set of columns.
        self.own_rows = not self.mapped and self.device.type != "cpu" and len(self.index) < len(columns)
        kept = columns.take(self.index) if self.own_rows else columns
        self.columns = kept if self.mapped else kept.to(self.device)
        self.sentences = Sentences.of(kept) if columns.padded else None
        self.numbers = self.index.to(self.device)

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.index)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """This rank's pieces of each step from `start` on. Every rank has as many pieces; one may be of size 0."""
        count = len(self.index)
        order = permutation(self.seed, epoch, count) if self.shuffle else torch.arange(count)
        again = None
        if self.factors is not None and self.shuffle:
            drawn = draw(self.factors, seed=self.seed, epoch=epoch)
            again = (torch.arange(count) - torch.searchsorted(drawn, drawn))[order]
            order = drawn[order]
        if not self.own_rows:
            order = self.index[order]
        if self.sentences is not None:
            seed = self.seed if self.shuffle else None
            order = by_length(order, self.sentences.key, self.batch_size, seed=seed, epoch=epoch)
            again = None  # sentences are not augmented
        if self.mapped:
            yield from self._ahead(order, again, epoch, start)
            return
        here = order.to(self.device)
        for first, last in self._blocks(start):
            rows, sizes = self._rows(here, first, last)
            times = None if again is None else self._rows(again, first, last)[0].to(self.device)
            yield from _steps(self._gather(rows, times, epoch), sizes, self._shapes(self._rows(order, first, last)[0], sizes))

    def _shapes(self, rows: Tensor, sizes: list[list[int]]) -> list[Shape] | None:
        """The shape of each piece of the examples `rows`, which are on the CPU, so that nothing waits for the device."""
        return None if self.sentences is None else [self.sentences.shape(piece) for piece in rows.split([size for step in sizes for size in step])]

    def _blocks(self, start: int) -> Iterator[tuple[int, int]]:
        """Steps `first` … `last` − 1 that are gathered together; the last batch, when it is smaller, by itself."""
        room = BLOCK_MAPPED if self.mapped else BLOCK.get(self.device.type, BLOCK_ELSEWHERE)
        many = max(1, room * self.world_size // (self.row_bytes * self.batch_size))
        full = len(self.index) // self.batch_size
        for first in range(start, full, many):
            yield first, min(first + many, full)
        if start < self.steps != full:
            yield max(start, full), self.steps

    def _rows(self, order: Tensor, first: int, last: int) -> tuple[Tensor, list[list[int]]]:
        """This rank's examples of some steps, and the sizes of each step's pieces."""
        batch = order[first * self.batch_size : last * self.batch_size]
        size = min(self.batch_size, len(batch))
        edges = pieces(size, world_size=self.world_size, rank=self.rank, accumulate=self.accumulate)
        mine = batch if self.world_size == 1 else batch.view(last - first, size)[:, edges[0][0] : edges[-1][1]].reshape(-1)
        return mine, [[end - begin for begin, end in edges]] * (last - first)

    def _gather(self, rows: Tensor, times: Tensor | None, epoch: int) -> _Block:
        """The examples of a block, augmented and mixed; `times` each has come in this epoch before."""
        numbers = self.numbers[rows] if self.own_rows else rows
        keys = self._keys(numbers, times)
        if self.mix is None:
            return self._block(self._take(rows), numbers, keys, None, numbers, epoch)
        places = self.mix.partners(keys, epoch, len(self.index))
        others = self.numbers[places]
        return self._block(self._take(rows), numbers, keys, self._take(places if self.own_rows else others), others, epoch)

    def _keys(self, numbers: Tensor, times: Tensor | None) -> Tensor:
        """What draws are made by: an example's number, and where it comes again in an epoch one that no example has."""
        return numbers if times is None else numbers + times * self.examples

    def _take(self, rows: Tensor) -> Taken:
        def some(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.index_select(0, rows)

        inputs = tuple(tensor.index_select(0, rows) for tensor in self.columns.inputs)
        return Taken(inputs, some(self.columns.targets), some(self.columns.masks))

    def _block(self, taken: Taken, numbers: Tensor, keys: Tensor, mixed_in: Taken | None, others: Tensor, epoch: int) -> _Block:
        """What was taken, the examples `numbers`, as it is seen in this epoch; `mixed_in` are the examples `others`."""
        inputs, targets, masks = self._seen(taken, keys, epoch)
        if mixed_in is None or self.mix is None:
            counted = {} if self.columns.scene is None or targets is None else amounts(targets, self.columns.scene)
            return _Block(inputs, targets, numbers, masks=masks, amounts=counted)
        theirs, partners, _ = self._seen(mixed_in, others, epoch)
        pictures, shares = self.mix(inputs[0], theirs[0], keys, epoch)
        return _Block((pictures, *inputs[1:]), targets, numbers, partners, shares)

    def _ahead(self, order: Tensor, again: Tensor | None, epoch: int, start: int) -> Iterator[list[Batch]]:
        """As `epoch`, from files: each block is read in file order by a thread, while the block before is used."""
        blocks = list(self._blocks(start))
        with ThreadPoolExecutor(1) as pool:
            waiting: Future[tuple[list[list[int]], Taken, Tensor, Tensor, Taken | None, Tensor]] | None = None
            for number in range(len(blocks) + 1):
                ready = waiting
                waiting = pool.submit(self._read, order, again, *blocks[number], epoch) if number < len(blocks) else None
                if ready is None:
                    continue
                sizes, taken, rows, keys, mixed_in, others = ready.result()
                here = None if mixed_in is None else self._here(mixed_in)
                numbers, drawn_by, theirs = (each.to(self.device, non_blocking=True) for each in (rows, keys, others))
                block = self._block(self._here(taken), numbers, drawn_by, here, theirs, epoch)
                yield from _steps(block, sizes, self._shapes(rows, sizes))

    def _read(
        self, order: Tensor, again: Tensor | None, first: int, last: int, epoch: int
    ) -> tuple[list[list[int]], Taken, Tensor, Tensor, Taken | None, Tensor]:
        """The sizes of a block's pieces, its columns, rows and keys of draws, and columns and rows of the examples to be mixed in."""
        rows, sizes = self._rows(order, first, last)
        keys = self._keys(rows, None if again is None else self._rows(again, first, last)[0])
        if self.mix is None:
            return sizes, self._from_files(rows), rows, keys, None, rows
        others = self.index[self.mix.partners(keys, epoch, len(self.index))]
        return sizes, self._from_files(rows), rows, keys, self._from_files(others), others

    def _from_files(self, rows: Tensor) -> Taken:
        """The columns' rows, read in file order."""
        ascending, place = rows.sort()
        back = torch.empty_like(place)
        back[place] = torch.arange(len(place))
        pin = self.device.type == "cuda"

        def some(tensor: Tensor) -> Tensor:
            found = tensor.index_select(0, ascending).index_select(0, back)
            return found.pin_memory() if pin else found

        targets = None if self.columns.targets is None else some(self.columns.targets)
        masks = None if self.columns.masks is None else some(self.columns.masks)
        return Taken(tuple(some(tensor) for tensor in self.columns.inputs), targets, masks)

    def _here(self, taken: Taken) -> Taken:
        """On the device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(self.device, non_blocking=True)

        inputs = tuple(tensor.to(self.device, non_blocking=True) for tensor in taken.inputs)
        return Taken(inputs, moved(taken.targets), moved(taken.masks))

    def _seen(self, taken: Taken, numbers: Tensor, epoch: int) -> Taken:
        """As the model is given them in this epoch."""
        if self.columns.scene is not None:
            assert self.augment is None or isinstance(self.augment, SceneAugment)
            return seen(taken, self.columns.scene, self.augment, numbers, epoch)
        inputs = tuple(_wide(tensor) for tensor in taken.inputs)
        return Taken(inputs if self.augment is None else (self.augment(inputs[0], numbers, epoch), *inputs[1:]), taken.targets)

    def _fits(self, size: int) -> bool:
        """Whether columns of `size` bytes may stay on the device."""
        if self.device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self.device)
        return size <= RESIDENT * free


def _steps(block: _Block, sizes: list[list[int]], shapes: list[Shape] | None = None) -> Iterator[list[Batch]]:
    """The pieces of each step as views of the block."""
    flat = [size for step in sizes for size in step]

    def split(values: Tensor | None) -> Sequence[Tensor | None]:
        return [None] * len(flat) if values is None else values.split(flat)

    columns = list(zip(*(tensor.split(flat) for tensor in block.inputs), strict=True))
    targets, partners, shares, masks = (split(values) for values in (block.targets, block.partners, block.shares, block.masks))
    numbers = block.numbers.split(flat)
    place = row = 0
    for step in sizes:
        batches = []
        for size in step:
            inputs, target, counts = columns[place], targets[place], {"examples": float(size)}
            counts |= {name: sum(values[row : row + size]) for name, values in block.amounts.items()}
            row += size
            if shapes is not None:
                inputs, target = trimmed(inputs, target, shapes[place])
                counts = {"examples": float(shapes[place].places)}
            batches.append(Batch(inputs, target, numbers[place], counts, partners=partners[place], shares=shares[place], masks=masks[place]))
            place += 1
        yield batches


def _wide(tensor: Tensor) -> Tensor:
    """Category codes as int64, which embeddings take; anything else as it is."""
    return tensor.long() if tensor.dtype == torch.int32 else tensor
