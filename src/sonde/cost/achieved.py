"""A short run of the model, to see what share of the shortest possible time it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sonde.cost.operations import tensors
from sonde.cost.probes import shortest, waiting
from sonde.cost.source import Source
from sonde.optim import optimizers


def training_step(module: nn.Module, inputs: Sequence[Tensor], optimizer: torch.optim.Optimizer | None) -> None:
    """Forward, backward and update. The loss is the mean of all outputs, as its own cost does not count."""
    outputs: list[Any] = [x.mean() for x in tensors(module(*inputs)) if x.requires_grad]
    torch.stack(outputs).sum().backward()
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def step_seconds(source: Source, *, batch: int, optimizer: str, device: str = "cpu", turns: int = 5, seconds: float = 5.0) -> tuple[float, float]:
    """(Seconds of a training step, of a forward pass without gradients) on `device`, on zeros; the shortest of `turns`."""
    where = torch.device(device)
    module = source.build().to(where).train()
    inputs = [each.batch(batch, where) for each in source.inputs]
    trained = any(weight.requires_grad for weight in module.parameters())
    update = optimizers.build(optimizer, module, lr=1e-6) if trained else None
    wait = waiting(where)
    step = shortest(lambda: training_step(module, inputs, update), wait=wait, turns=turns, seconds=seconds) if trained else 0.0
    return step, forward_seconds(module, inputs, turns=turns, seconds=seconds)


def forward_seconds(module: nn.Module, inputs: Sequence[Tensor], *, turns: int = 5, seconds: float = 5.0) -> float:
    """Seconds of a forward pass without gradients, the shortest of `turns`; the module is left in evaluation."""
    module.eval()
    with torch.no_grad():
        return shortest(lambda: module(*inputs), wait=waiting(inputs[0].device), turns=turns, seconds=seconds)
