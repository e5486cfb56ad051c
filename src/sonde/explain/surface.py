"""The loss of a small model as a surface over its weights, with the path of the first steps.

With two parameters the axes are these; with more, the two directions in which the path varies most (principal
components of the path, as in Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018, section 7).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import vector_to_parameters

from sonde.data.batch import Batch
from sonde.explain.held_out import few
from sonde.run import PartData, Run
from sonde.training.events import read_events

FEWEST, MOST = 2, 20  # parameters
STEPS = 200
CELLS = 41
ROWS = 1000
MARGIN = 0.35  # of the path's extent, on each side


def surface(run: Run, data: PartData, *, seed: int = 0) -> dict[str, Any] | None:
    """{"labels", "xs", "ys", "loss", "path"}: the mean loss over training examples at each (xs[column], ys[row]).

    The path is read from the trace events of the first 200 steps; None where there are none, or the model has under 2 or
    over 20 parameters. With more than two parameters, places are relative to the path's last point.
    """
    network = copy.deepcopy(run.model).eval()
    names = [name.removeprefix("network.") for name, parameter in network.named_parameters() if parameter.requires_grad]
    if not FEWEST <= sum(parameter.numel() for parameter in network.parameters()) <= MOST:
        return None
    path = walk(run, names)
    if len(path) < 2:
        return None
    origin, directions, labels = axes(path, names)
    places = (path - origin) @ directions.T
    extents = [_extent(places[:, axis], places) for axis in (0, 1)]
    xs, ys = (np.linspace(low, high, CELLS) for low, high in extents)
    index = few(data.index, ROWS, seed=seed)
    batch = next(PartData(data.columns, index, data.examples).batches(len(index), run.device).epoch(0))[0]
    loss = [[loss_at(run, network, batch, origin + x * directions[0] + y * directions[1]) for x in xs] for y in ys]
    return {"labels": labels, "xs": xs.tolist(), "ys": ys.tolist(), "loss": loss, "path": places.tolist()}


def walk(run: Run, names: list[str]) -> np.ndarray:
    """float64 (step, parameter): all weights after each of the first steps, from the trace."""
    path = run.path / "events.jsonl"
    steps = []
    for event in read_events(path) if path.exists() else []:
        if event["event"] == "trace" and set(event.get("weights", {})) == set(names):
            steps.append(np.concatenate([np.ravel(event["weights"][name]) for name in names]))
            if len(steps) == STEPS:
                break
    return np.array(steps, dtype=np.float64)


def axes(path: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The origin, two orthonormal directions (2, parameter) and what to call them."""
    if path.shape[1] == 2:
        labels = names if len(names) == 2 else [f"{names[0]}[{number}]" for number in (0, 1)]
        return np.zeros(2), np.eye(2), labels
    _, sizes, directions = np.linalg.svd(path - path.mean(0), full_matrices=True)
    shares = np.zeros(2)
    shares[: min(2, len(sizes))] = sizes[:2] ** 2
    total = float((sizes**2).sum())
    # The sign of a singular vector is arbitrary: its largest component is made positive, so that drawings repeat.
    chosen = [row * math.copysign(1.0, row[np.abs(row).argmax()]) for row in directions[:2]]
    labels = [f"direction {number + 1} ({share / total if total else 0:.0%} of the path)" for number, share in enumerate(shares)]
    return path[-1], np.stack(chosen), labels


def loss_at(run: Run, network: nn.Module, batch: Batch, weights: np.ndarray) -> float | None:
    """The mean loss with these weights; None where it is not finite."""
    with torch.no_grad():
        first = next(network.parameters())
        vector_to_parameters(torch.as_tensor(weights, dtype=first.dtype, device=first.device), network.parameters())
        value = float(run.task.loss(network, batch, batch.counts).value)
    return value if math.isfinite(value) else None


def _extent(places: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """From where to where to draw: around the path, and as far as it goes the other way where it does not move this way."""
    low, high = float(places.min()), float(places.max())
    span = high - low
    widest = float(np.ptp(whole, axis=0).max()) or 1.0
    margin = MARGIN * span if span > 0.05 * widest else 0.5 * widest
    return low - margin, high + margin
