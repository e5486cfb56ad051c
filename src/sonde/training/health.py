"""A watch over training: the scale of activations and gradients layer by layer, what went wrong first, the step trace."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.data.feed import Feed
from sonde.nn.prepared import OwnLosses, Prepared
from sonde.nn.scale import LayerScale, diagnose, layer_scales
from sonde.tasks import Loss, Task

_LOOKED_AT = 256


def scales(model: nn.Module, task: Task, batches: Feed) -> list[dict[str, Any]]:
    """Root mean squares of each layer's activations, gradients and weights on up to 256 training examples.

    Measured on a copy in evaluation mode, so that neither running statistics nor gradients of the model change.
    """
    return [asdict(layer) for layer in _layers(model, task, batches)]


def _layers(model: nn.Module, task: Task, batches: Feed) -> list[LayerScale]:
    batch = next(iter(batches.epoch(0)))[0]
    few = Batch(
        tuple(part[:_LOOKED_AT] for part in batch.inputs),
        None if batch.targets is None else batch.targets[:_LOOKED_AT],
        batch.index[:_LOOKED_AT],
        {name: min(count, float(_LOOKED_AT)) for name, count in batch.counts.items()},
        None if batch.weights is None else batch.weights[:_LOOKED_AT],
    )
    probe = copy.deepcopy(model).eval()
    return layer_scales(probe, lambda: task.loss(probe, few, few.counts).value, examples=len(few.index))


def diagnosis(model: nn.Module, task: Task, batches: Feed, *, step: int, loss: float, lr: float) -> tuple[str]:
    """What to say of a loss that is not finite or grew without end: the layer where it began."""
    said = diagnose(_layers(model, task, batches))
    what = f"the loss is {loss:g}" if loss != loss or abs(loss) == float("inf") else f"the loss grew to {loss:.4g}"
    return (f"{what} at step {step} (learning rate {lr:.3g}); {said or 'no single layer stands out'}",)


def values(network: nn.Module) -> dict[str, Any]:
    """Every weight as plain numbers, for the trace of a small model."""
    return {name: parameter.detach().tolist() for name, parameter in network.named_parameters()}


def trace(model: Prepared, pieces: list[Batch], losses: list[Loss], step: int) -> dict[str, Any]:
    """One step as a student would write it down: inputs (as the network sees them), logits, output, loss, gradient."""
    network = model.network
    logits = torch.cat([loss.output for loss in losses]).detach()
    if isinstance(network, OwnLosses):  # a perceptron's one number z stands as the logits (0, z)
        logits = logits[:, 1:]
    targets = [piece.targets for piece in pieces if piece.targets is not None]
    return {
        "event": "trace",
        "step": step,
        "inputs": torch.cat([model.normalise(*piece.inputs)[0] for piece in pieces]).tolist(),
        "targets": torch.cat(targets).tolist() if targets else None,
        "logits": logits.tolist(),
        "output": _output(logits),
        "loss": sum(float(loss.value.detach()) for loss in losses),
        "gradient": {name: _listed(parameter.grad) for name, parameter in network.named_parameters()},
    }


def _output(logits: Tensor) -> Any:
    """What the model would answer: the step function of one number, the largest of several."""
    return (logits > 0).long().squeeze(1).tolist() if logits.shape[1] == 1 else logits.argmax(1).tolist()


def _listed(gradient: Tensor | None) -> Any:
    return None if gradient is None else gradient.tolist()
