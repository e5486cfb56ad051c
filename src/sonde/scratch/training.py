"""A training loop: arrays in, weights and events out, the events in the form of a run's events.jsonl."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sonde.scratch import health, losses
from sonde.scratch.models import Model, Weights, count
from sonde.scratch.optimisers import Optimiser, clip, gradient_norm, project
from sonde.scratch.schedules import rate
from sonde.scratch.tensor import Tensor, no_record

Array = npt.NDArray[Any]
Event = dict[str, Any]
Metrics = Callable[[Array, Array], dict[str, float]]
# Steps between events.
EVERY = 50
# Examples on which the scale of each layer is measured after an epoch.
LOOKED_AT = 256
# A model of so few weights leaves its first steps in the log, number by number.
TINY = 20
TRACED = 200


def classification(output: Array, target: Array) -> dict[str, float]:
    """Accuracy and the mean cross-entropy of logits (…, class) for whole numbers (…)."""
    total, n = losses.cross_entropy(Tensor(output), target)
    return {"accuracy": float((output.argmax(-1) == target).mean()), "loss": total.item() / n}


def regression(output: Array, target: Array) -> dict[str, float]:
    """Root of the mean square, mean absolute error, R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², and the mean square as the loss."""
    square = np.square(output - target, dtype=np.float64)
    spread = np.square(target - target.mean(0), dtype=np.float64).sum()
    r2 = 1 - float(square.sum() / spread) if spread else float("nan")
    return {"rmse": math.sqrt(square.mean()), "mae": float(np.abs(output - target).mean()), "r2": r2, "loss": float(square.mean())}


def shuffled(seed: int, epoch: int, examples: int) -> Array:
    """The order of an epoch, a function of (seed, epoch) alone."""
    return np.random.default_rng((seed, epoch)).permutation(examples)


def train(
    model: Model,
    x: Array,
    y: Array,
    *,
    optimiser: Optimiser,
    epochs: int,
    batch_size: int,
    weights: Weights | None = None,
    validation: tuple[Array, Array] | None = None,
    loss: Callable[[Tensor, Array], losses.Total] = losses.cross_entropy,
    metrics: Metrics = classification,
    schedule: str = "constant",
    warmup: float = 0.0,
    limit: float = 0.0,
    radius: float = 0.0,
    order: Callable[[int, int, int], Array] = shuffled,
    seed: int = 0,
) -> tuple[Weights, list[Event]]:
    """Minibatch descent on the mean `loss` from `weights` (drawn anew, in the dtype of x, where none are given).

    `limit` > 0 clips the gradient, `radius` > 0 projects the weights, `order` (seed, epoch, examples) gives the epoch's rows.
    Raises ValueError for x and y of different lengths and FloatingPointError once the loss is no number.
    """
    if len(x) != len(y) or not len(x):
        raise ValueError(f"train: x {x.shape} and y {y.shape} need as many rows, at least one")
    if weights is None:
        weights = model.weights(np.random.default_rng(seed), x.dtype if x.dtype.kind == "f" else np.float64)
    each, base, step = math.ceil(len(x) / batch_size), optimiser.lr, 0
    log, seen, clock = [_start(each, epochs, len(x), weights)], [], time.monotonic()
    for epoch in range(epochs):
        rows = order(seed, epoch, len(x))
        for place in range(0, len(x), batch_size):
            batch = rows[place : place + batch_size]
            optimiser.lr = rate(schedule, base=base, step=step, steps=epochs * each, warmup=warmup)
            output = model.forward(weights, x[batch], np.random.default_rng((seed, step)))
            total, n = loss(output, y[batch])
            for w in weights.values():
                w.grad = None
            (total / n).backward()
            if limit:
                clip(weights, limit)
            traced = [health.trace(weights, x[batch], y[batch], output, total.item() / n, step)] if step < TRACED and count(weights) < TINY else []
            optimiser.step(weights)
            if radius:
                project(weights, radius)
            log += [event | {"weights": health.values(weights)} for event in traced]
            step += 1
            seen.append((total.item(), n, output.data, y[batch]))
            if step % min(EVERY, each) == 0 or step % each == 0:
                speed = len(seen) * batch_size / max(time.monotonic() - clock, 1e-9)
                log.append(_told(seen, step, step / each, optimiser.lr, speed, gradient_norm(weights), metrics))
                seen, clock = [], time.monotonic()
        few = rows[:LOOKED_AT]
        log.append({"event": "scale", "step": step, "layers": health.scales(model, weights, x[few], y[few], loss)})
        if validation is not None:
            measured = metrics(predict(model, weights, validation[0], batch_size=batch_size), validation[1])
            log.append({"event": "evaluate", "step": step, "epoch": epoch + 1, "part": "validation", "metrics": measured})
    optimiser.lr = base
    return weights, [*log, {"event": "stop", "step": step, "reason": "epochs", "message": ""}]


def predict(model: Model, weights: Weights, x: Array, *, batch_size: int = 256) -> Array:
    """The outputs for all rows of x, without recording."""
    with no_record():
        parts = [model.forward(weights, x[place : place + batch_size]).data for place in range(0, max(len(x), 1), batch_size)]
    return np.concatenate(parts)


def _start(each: int, epochs: int, examples: int, weights: Weights) -> Event:
    sizes = {"steps_per_epoch": each, "epochs": epochs, "examples": examples, "parameters": count(weights)}
    return {"event": "start", "time": time.time(), **sizes}


def _told(seen: list[Any], step: int, epoch: float, lr: float, speed: float, norm: float, metrics: Metrics) -> Event:
    """What was seen since the last event."""
    sums, counts, outputs, targets = zip(*seen, strict=True)
    value = sum(sums) / sum(counts)
    if not math.isfinite(value):
        raise FloatingPointError(f"train: the loss is {value} at step {step} (learning rate {lr:.3g}); lower the rate, or clip the gradient")
    event = {"event": "train", "step": step, "epoch": epoch, "loss": value, "lr": lr, "examples_per_second": speed}
    return event | {"gradient_norm": norm, "metrics": metrics(np.concatenate(outputs), np.concatenate(targets))}
