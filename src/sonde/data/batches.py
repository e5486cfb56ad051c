"""Batches on the device, in an order that is a function of (seed, epoch) alone.

Nothing is loaded example by example: a block of many steps is gathered with one `index_select` and cut into views, so a
step costs next to nothing. Columns that stand in files are gathered in file order on a thread that stays one block ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from sonde.data.batch import Batch
from sonde.data.prepare.columns import Columns
from sonde.ops.random import permutation

BLOCK = {"cpu": 4 * 2**20}  # bytes gathered at a time: large enough to spread the cost, small enough for the cache
BLOCK_ELSEWHERE = 64 * 2**20
BLOCK_MAPPED = 32 * 2**20
RESIDENT = 0.6  # of a device's free memory that the columns may take

Augment = Callable[[Tensor, Tensor, int], Tensor]


class Batches:
    """The examples `index` of `columns`, once an epoch, in batches of `batch_size` over all ranks.

    Each global batch is cut contiguously over `world_size` ranks and then into at most `accumulate` pieces, so that the
    pieces of all ranks in order are the same examples however it is cut. The last batch holds what is left. `augment`
    takes (pictures, example numbers, epoch) and is applied to the first input. `steps` is the number of batches an epoch.
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
    ) -> None:
        if batch_size < 1 or accumulate < 1 or not 0 <= rank < world_size:
            raise ValueError(f"batch_size {batch_size} and accumulate {accumulate} are at least 1, rank {rank} is below world_size {world_size}")
        self.device = torch.device(device)
        self.index = torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world_size, self.accumulate, self.augment = rank, world_size, accumulate, augment
        self.steps = -(-len(self.index) // batch_size)
        tensors = [*columns.inputs] + ([] if columns.targets is None else [columns.targets])
        self.row_bytes = sum(tensor.element_size() * tensor[:1].numel() for tensor in tensors) or 1
        self.mapped = columns.mapped or not self._fits(self.row_bytes * len(self.index))
        # Elsewhere than on the CPU a part keeps its own rows alone: several parts may share one set of columns.
        self.own_rows = not self.mapped and self.device.type != "cpu" and len(self.index) < len(columns)
        kept = columns.take(self.index) if self.own_rows else columns
        self.columns = kept if self.mapped else kept.to(self.device)
        self.numbers = self.index.to(self.device)

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.index)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """This rank's pieces of each step from `start` on. Every rank has as many pieces; one may be of size 0."""
        count = len(self.index)
        order = permutation(self.seed, epoch, count) if self.shuffle else torch.arange(count)
        if not self.own_rows:
            order = self.index[order]
        if self.mapped:
            yield from self._ahead(order, epoch, start)
            return
        order = order.to(self.device)
        for first, last in self._blocks(start):
            rows, sizes = self._rows(order, first, last)
            yield from _steps(self._gather(rows, epoch), sizes)

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
        begin, end = _cut(size, self.world_size, self.rank)
        mine = batch if self.world_size == 1 else batch.view(last - first, size)[:, begin:end].reshape(-1)
        # As many pieces on every rank (their collectives must meet), and no more than the largest share has examples.
        pieces = min(self.accumulate, max(1, -(-size // self.world_size)))
        sizes = [stop - begin for begin, stop in (_cut(end - begin, pieces, piece) for piece in range(pieces))]
        return mine, [sizes] * (last - first)

    def _gather(self, rows: Tensor, epoch: int) -> tuple[tuple[Tensor, ...], Tensor | None, Tensor]:
        """Inputs, targets and example numbers of a block, augmented."""
        inputs = tuple(_wide(tensor.index_select(0, rows)) for tensor in self.columns.inputs)
        targets = None if self.columns.targets is None else self.columns.targets.index_select(0, rows)
        numbers = self.numbers[rows] if self.own_rows else rows
        return self._augmented(inputs, numbers, epoch), targets, numbers

    def _ahead(self, order: Tensor, epoch: int, start: int) -> Iterator[list[Batch]]:
        """As `epoch`, from files: each block is read in file order by a thread, while the block before is used."""
        blocks = list(self._blocks(start))
        with ThreadPoolExecutor(1) as pool:
            waiting: Future[tuple[tuple[Tensor, ...], Tensor | None, Tensor, list[list[int]]]] | None = None
            for number in range(len(blocks) + 1):
                ready = waiting
                waiting = pool.submit(self._read, order, *blocks[number]) if number < len(blocks) else None
                if ready is None:
                    continue
                inputs, targets, rows, sizes = ready.result()
                inputs = tuple(_wide(tensor.to(self.device, non_blocking=True)) for tensor in inputs)
                targets = None if targets is None else targets.to(self.device, non_blocking=True)
                rows = rows.to(self.device, non_blocking=True)
                yield from _steps((self._augmented(inputs, rows, epoch), targets, rows), sizes)

    def _read(self, order: Tensor, first: int, last: int) -> tuple[tuple[Tensor, ...], Tensor | None, Tensor, list[list[int]]]:
        rows, sizes = self._rows(order, first, last)
        ascending, place = rows.sort()
        back = torch.empty_like(place)
        back[place] = torch.arange(len(place))
        pin = self.device.type == "cuda"

        def some(tensor: Tensor) -> Tensor:
            found = tensor.index_select(0, ascending).index_select(0, back)
            return found.pin_memory() if pin else found

        targets = None if self.columns.targets is None else some(self.columns.targets)
        return tuple(some(tensor) for tensor in self.columns.inputs), targets, rows, sizes

    def _augmented(self, inputs: tuple[Tensor, ...], rows: Tensor, epoch: int) -> tuple[Tensor, ...]:
        return inputs if self.augment is None else (self.augment(inputs[0], rows, epoch), *inputs[1:])

    def _fits(self, size: int) -> bool:
        """Whether columns of `size` bytes may stay on the device."""
        if self.device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self.device)
        return size <= RESIDENT * free


def _steps(block: tuple[tuple[Tensor, ...], Tensor | None, Tensor], sizes: list[list[int]]) -> Iterator[list[Batch]]:
    """The pieces of each step as views of the block."""
    inputs, targets, rows = block
    flat = [size for step in sizes for size in step]
    columns = list(zip(*(tensor.split(flat) for tensor in inputs), strict=True))
    wanted = [None] * len(flat) if targets is None else targets.split(flat)
    numbers = rows.split(flat)
    place = 0
    for step in sizes:
        pieces = []
        for size in step:
            pieces.append(Batch(columns[place], wanted[place], numbers[place], {"examples": float(size)}))
            place += 1
        yield pieces


def _cut(size: int, parts: int, part: int) -> tuple[int, int]:
    """Where part `part` of `parts` contiguous ones begins and ends; the first ones are larger by one where they must."""
    each, more = divmod(size, parts)
    begin = part * each + min(part, more)
    return begin, begin + each + (part < more)


def _wide(tensor: Tensor) -> Tensor:
    """Category codes as int64, which embeddings take; anything else as it is."""
    return tensor.long() if tensor.dtype == torch.int32 else tensor
