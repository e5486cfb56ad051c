"""Measures of a model on a part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sonde.data.batch import NO_TARGET, Batch
from sonde.data.batches import Batches
from sonde.data.feed import Feed
from sonde.metrics.rows import RowMetric, widest
from sonde.metrics.texts import TextMetric
from sonde.tasks import Task, is_teacher_forced, keeps_predictions
from sonde.training.world import World


@dataclass(frozen=True)
class Evaluation:
    """Measures by name; with `final` also every prediction and the example numbers, in example order (main process).

    A task that keeps no predictions has none here.
    """

    metrics: dict[str, float]
    predictions: Tensor | None = None
    index: Tensor | None = None


@torch.no_grad()
def evaluate(model: nn.Module, task: Task, batches: Feed, world: World, *, final: bool) -> Evaluation:
    """Predict every example of `batches` once, in evaluation mode, and measure; the model's mode is put back."""
    training = model.training
    model.eval()
    metrics = task.metrics(final)
    sums = {name: metric for name, metric in metrics.items() if not isinstance(metric, (RowMetric, TextMetric))}
    ranks = {name: metric for name, metric in metrics.items() if isinstance(metric, RowMetric)}
    states: dict[str, Tensor] = {}
    outputs: list[Tensor] = []
    indices: list[Tensor] = []
    targets: list[Tensor] = []
    forced, kept = is_teacher_forced(task), final and keeps_predictions(task)
    # Before the end only what the measures look at is gathered: of instances their boxes, not their masks.
    seen = slice(None) if kept else slice(widest(ranks.values()))
    carried = None
    for (batch,) in batches.epoch(0):
        # What a teacher-forced task is measured by is not what it would write.
        measured = prediction = None if forced and not kept else task.predict(model, batch.inputs)
        if forced and batch.targets is not None:
            found = task.loss(model, batch, batch.counts, carried)
            measured, carried = found.output, found.state
        if batch.targets is not None and measured is not None:
            for name, metric in sums.items():
                state = metric.state(measured, batch)
                states[name] = states[name] + state if name in states else state
        if prediction is not None and (kept or ranks):
            outputs.append(prediction[..., seen])
            indices.append(batch.index)
            if batch.targets is not None and ranks:
                targets.append(batch.targets)
    model.train(training)
    values = {name: sums[name].value(world.sum(state)) for name, state in states.items()}
    if not outputs:
        return Evaluation({name: values[name] for name in metrics if name in values})
    # Batches of sentences are no wider than they must be; together they are as wide as their columns, in every process.
    width = 0
    if isinstance(batches, Batches) and batches.columns.padded and outputs[0].ndim == 3:
        # What is told about stands in the tokens' places, or in places of its own (data/prepare/bert.py).
        width = batches.columns.inputs[2 if len(batches.columns.inputs) > 2 else 0].shape[1]
    predictions, index = world.gather(torch.cat(evened(outputs, width))), world.gather(torch.cat(indices))
    truth = world.gather(torch.cat(evened(targets, width))) if targets else None
    here = predictions is not None and index is not None
    ranked = torch.zeros(len(ranks), dtype=torch.float64, device=world.device)
    if predictions is not None and index is not None:
        order = index.argsort()
        predictions, index = predictions[order], index[order]
        if truth is not None:
            truth = truth[order]
            ranked += torch.tensor([metric.of(predictions, truth) for metric in ranks.values()], dtype=torch.float64, device=world.device)
    if ranks and targets:
        # All rows are in the main process alone; every process goes by its measures.
        values |= dict(zip(ranks, world.sum(ranked).tolist(), strict=True))
    if not here:
        return Evaluation(values)
    told = {name: values[name] for name in metrics if name in values}
    return Evaluation(told, predictions, index) if kept else Evaluation(told)


def evened(rows: Sequence[Tensor], width: int = 0) -> list[Tensor]:
    """Pieces of one width: `width`, or that of the widest. What is lacking at the end of the second axis is NaN, of whole numbers NO_TARGET."""
    if rows[0].ndim == 1:
        return list(rows)
    width = max(width, *(some.shape[1] for some in rows))
    fill = torch.nan if rows[0].is_floating_point() else NO_TARGET
    return [
        some if some.shape[1] == width else torch.cat([some, some.new_full((len(some), width - some.shape[1], *some.shape[2:]), fill)], 1)
        for some in rows
    ]


def measure_predictions(task: Task, predictions: Tensor, targets: Tensor, inputs: tuple[Tensor, ...]) -> dict[str, float]:
    """Final measures of predictions that are there already, row for row with their targets."""
    batch = Batch(inputs, targets, torch.arange(len(targets)), {"examples": float(len(targets))})
    return {
        name: metric.of(predictions, targets) if isinstance(metric, RowMetric) else metric.value(metric.state(predictions, batch))
        for name, metric in task.metrics(final=True).items()
        if not isinstance(metric, TextMetric)
    }
