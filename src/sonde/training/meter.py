"""Sums that wait on the device until an event is due, so that no step waits for it."""

from __future__ import annotations

import torch
from torch import Tensor

from sonde.data.batch import Batch
from sonde.tasks import Loss, Metric
from sonde.training.world import World

# Outputs are kept until so many numbers have gathered; then their measures are summed and they are let go.
_KEPT = 1 << 20


class Meter:
    """Loss terms and cheap measures of the steps since the last event."""

    def __init__(self, metrics: dict[str, Metric]) -> None:
        self.metrics = metrics
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.sums: dict[str, list[Tensor]] = {}
        self.counts: dict[str, float] = {}
        self.states: dict[str, Tensor] = {}
        self.outputs: list[Tensor] = []
        self.batches: list[Batch] = []
        self.kept = 0

    def add(self, loss: Loss, batch: Batch) -> None:
        """One batch's terms and output."""
        for name, (total, count) in loss.terms.items():
            self.sums.setdefault(name, []).append(total)
            self.counts[name] = self.counts.get(name, 0.0) + count
        if batch.targets is None or not self.metrics:
            return
        if self.outputs and _shapes(loss.output, batch) != _shapes(self.outputs[-1], self.batches[-1]):
            self._measure()  # sentences of another length
        self.outputs.append(loss.output.detach())
        self.batches.append(batch)
        self.kept += loss.output.numel()
        if self.kept > _KEPT:
            self._measure()

    def _measure(self) -> None:
        """Sum the measures over the outputs kept: once for many steps."""
        if not self.outputs:
            return
        output = torch.cat(self.outputs)
        first = self.batches[0]
        targets = torch.cat([batch.targets for batch in self.batches if batch.targets is not None])
        inputs = (
            tuple(torch.cat(parts) for parts in zip(*(batch.inputs for batch in self.batches), strict=True))
            if len(self.batches) > 1
            else first.inputs
        )
        weights = None if first.weights is None else torch.cat([batch.weights for batch in self.batches if batch.weights is not None])
        batch = Batch(inputs, targets, torch.cat([batch.index for batch in self.batches]), {"examples": float(len(output))}, weights)
        for name, metric in self.metrics.items():
            state = metric.state(output, batch)
            self.states[name] = self.states[name] + state if name in self.states else state
        self.outputs, self.batches, self.kept = [], [], 0

    def read(self, world: World) -> tuple[float, dict[str, float]]:
        """The mean loss and the measures over all processes; then starts anew. This waits for the device."""
        self._measure()
        loss = 0.0
        for name in self.sums:
            total = torch.stack(self.sums[name]).to(torch.float64 if world.device.type != "mps" else torch.float32).sum()
            both = world.sum(torch.stack([total, total.new_tensor(self.counts[name])]))
            loss += float(both[0] / both[1]) if float(both[1]) else 0.0
        values = {name: self.metrics[name].value(world.sum(state)) for name, state in self.states.items()}
        self.clear()
        return loss, values

    def tensors(self) -> dict[str, Tensor]:
        """The open sums, for a checkpoint."""
        self._measure()
        saved = {f"sum.{name}": torch.stack(values) for name, values in self.sums.items()}
        return saved | {f"metric.{name}": state for name, state in self.states.items()}

    def restore(self, tensors: dict[str, Tensor], counts: dict[str, float], device: torch.device) -> None:
        """Put back what `tensors` gave."""
        self.clear()
        self.counts = dict(counts)
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            if kind == "sum":
                self.sums[name] = list(tensor.to(device).unbind())
            elif kind == "metric":
                self.states[name] = tensor.to(device)


def _shapes(output: Tensor, batch: Batch) -> list[torch.Size]:
    """All sizes but the number of examples."""
    return [tensor.shape[1:] for tensor in (output, *batch.inputs, batch.targets) if tensor is not None]
