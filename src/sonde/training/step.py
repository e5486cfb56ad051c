"""The one thing that DDP, sharding and compile wrap: a batch in, its loss out.

Wrapping the bare model would leave gradients unsynchronised where a loss calls the model's parts.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from sonde.data.batch import Batch
from sonde.tasks import Loss, Task


class Step(nn.Module):
    """A model and a task as one module whose forward is the loss."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, batch: Batch, totals: dict[str, float], state: Any = None) -> Loss:
        """The loss of `batch`, its terms divided by the step's `totals`."""
        return self.task.loss(self.model, batch, totals, state)
