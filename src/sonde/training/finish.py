"""What some models do before the gradient epochs and after them, of which there may be none: fit, solve, count, judge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.feed import feed
from sonde.data.prepare.columns import Columns
from sonde.nn.prepared import Prepared, finisher, starter
from sonde.tasks import Task
from sonde.tasks.transforms import Transform
from sonde.training.loop import Loop
from sonde.training.world import World

# Examples given at a time: so many rows, and of pictures no more than so many bytes as they were read.
_BLOCK = 65_536
_BYTES = 16 * 2**20


class _All:
    """All training examples in order as (raw inputs, targets in the network's own units), each time anew."""

    def __init__(self, columns: Columns, index: np.ndarray, task: Task, device: torch.device) -> None:
        row = sum(tensor.element_size() * tensor[:1].numel() for tensor in columns.inputs) or 1
        size = max(1, min(_BLOCK, _BYTES // row))
        self.batches = feed(columns, index, batch_size=size, device=device)
        transform = getattr(task, "transform", None)
        self.transform = transform if isinstance(transform, Transform) else Transform()

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        for (batch,) in self.batches.epoch(0):
            assert batch.targets is not None
            targets = self.transform.forward(batch.targets) if batch.targets.is_floating_point() else batch.targets
            yield batch.inputs, targets


def start(model: Prepared, task: Task, columns: Columns, index: np.ndarray, world: World) -> None:
    """Let the model fit what it fits to the training examples before the first step; the main process does, the others take it."""
    starting = starter(model)
    if starting is None:
        return
    with torch.no_grad():
        if world.main:
            starting(_All(columns, index, task, world.device))
    _share(model.network, world)


def finish(loop: Loop, columns: Columns, index: np.ndarray) -> None:
    """Let the model finish on the training examples (the main process does, the others take its weights), and save."""
    finishing = finisher(loop.model)
    if finishing is None and loop.checkpoints.names():
        return
    before = {name: tensor.clone() for name, tensor in loop.network.state_dict().items()}
    if finishing is not None:
        with torch.no_grad():
            if loop.world.main:
                finishing(_All(columns, index, loop.task, loop.world.device), loop.log.emit)
        _share(loop.network, loop.world)
    changed = any(not torch.equal(tensor, before[name]) for name, tensor in loop.network.state_dict().items())
    if loop.world.main and (changed or not loop.checkpoints.names()):
        loop.save(best=True)


def _share(network: nn.Module, world: World) -> None:
    """Give every process the first one's weights."""
    if world.size > 1:
        for tensor in network.state_dict().values():
            torch.distributed.broadcast(tensor, 0)
