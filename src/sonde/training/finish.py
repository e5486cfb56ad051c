"""What some models do after the gradient epochs, of which there may be none: solve, count, judge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sonde.data.batches import Batches
from sonde.data.prepare.columns import Columns
from sonde.nn.prepared import finisher
from sonde.tasks.transforms import Transform
from sonde.training.loop import Loop

_BLOCK = 65_536


class _All:
    """All training examples in order as (raw inputs, targets in the network's own units), each time anew."""

    def __init__(self, columns: Columns, index: np.ndarray, loop: Loop) -> None:
        self.batches = Batches(columns, index, batch_size=_BLOCK, seed=0, shuffle=False, device=loop.world.device)
        transform = getattr(loop.task, "transform", None)
        self.transform = transform if isinstance(transform, Transform) else Transform()

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        for (batch,) in self.batches.epoch(0):
            assert batch.targets is not None
            targets = self.transform.forward(batch.targets) if batch.targets.is_floating_point() else batch.targets
            yield batch.inputs, targets


def finish(loop: Loop, columns: Columns, index: np.ndarray) -> None:
    """Let the model finish on the training examples (the main process does, the others take its weights), and save."""
    finishing = finisher(loop.model)
    if finishing is None and loop.checkpoints.names():
        return
    before = {name: tensor.clone() for name, tensor in loop.network.state_dict().items()}
    if finishing is not None:
        with torch.no_grad():
            if loop.world.main:
                finishing(_All(columns, index, loop), loop.log.emit)
        if loop.world.size > 1:
            for tensor in loop.network.state_dict().values():
                torch.distributed.broadcast(tensor, 0)
    changed = any(not torch.equal(tensor, before[name]) for name, tensor in loop.network.state_dict().items())
    if loop.world.main and (changed or not loop.checkpoints.names()):
        loop.save(best=True)
