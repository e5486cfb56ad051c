"""`sonde verify --curves RUN`: a run's training once more on NumPy alone, and both learning curves in one picture.

The run's own files say what was done: its recipe, its data, its loss as it was logged. `sonde.scratch` starts from the same first weights,
takes the same batches in the same order, and logs at the same steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sonde import recipe as recipes
from sonde.data.contents import Part
from sonde.errors import RunError, UsageError
from sonde.experiment import Experiment, prepare
from sonde.ops.random import permutation
from sonde.recipe import Recipe
from sonde.scratch import models, optimisers
from sonde.scratch.losses import cross_entropy
from sonde.scratch.tensor import Tensor
from sonde.scratch.training import train
from sonde.training.events import read_events
from sonde.training.world import World
from sonde.verify import picture

Curve = list[tuple[float, float]]
TRAIN: Part = "train"


@dataclass(frozen=True)
class Curves:
    """(step, mean loss since the last event) on both sides, and the largest difference, relative to the first loss."""

    fast: Curve
    scratch: Curve
    difference: float
    svg: str


def twin(folder: Path) -> Curves:
    """Train what the run trained, in `sonde.scratch`. UsageError says what of a run has no twin there."""
    if not (folder / "recipe.toml").is_file():
        raise RunError("there is no run here", where=str(folder), remedy="give a run's folder; `sonde runs` lists them")
    recipe = recipes.read(folder / "recipe.toml")
    _check(recipe, folder)
    fast: Curve = [(float(event["step"]), float(event["loss"])) for event in read_events(folder / "events.jsonl") if event["event"] == "train"]
    if not fast:
        raise RunError("this run has no training steps", where=str(folder), remedy="give a run that was trained with a gradient")
    experiment = prepare(recipe, None, World())
    part = experiment.parts[TRAIN]
    rows = torch.from_numpy(np.ascontiguousarray(part.index))
    with torch.no_grad():
        inputs = experiment.model.normalise(*(tensor.index_select(0, rows) for tensor in part.columns.inputs))
    assert part.columns.targets is not None
    weights = {name: Tensor(w.detach().numpy().copy(), requires_grad=True) for name, w in experiment.model.network.state_dict().items()}
    optim, seed = recipe.optim, recipe.training.seed
    _, events = train(
        _model(experiment),
        inputs[0].numpy(),
        part.columns.targets.index_select(0, rows).numpy(),
        weights=weights,
        optimiser=_optimiser(recipe),
        epochs=recipe.training.epochs or 0,
        batch_size=recipe.training.batch_size or 1,
        loss=_loss(recipe),
        schedule=optim.schedule or "constant",
        warmup=optim.warmup,
        limit=optim.clip or 0.0,
        radius=optim.ball,
        order=lambda _, epoch, count: permutation(seed, epoch, count).numpy(),
        seed=seed,
    )
    scratch: Curve = [(float(event["step"]), float(event["loss"])) for event in events if event["event"] == "train"]
    logged = dict(fast)
    apart = max((abs(loss - logged[step]) for step, loss in scratch if step in logged), default=float("inf")) / max(abs(fast[0][1]), 1e-12)
    title = f"{experiment.recipe.model.name} on {recipe.data.path}: the same training twice"
    drawn = picture.lines({"sonde train": fast, "sonde.scratch": scratch}, title=title, across="step", up="training loss")
    return Curves(fast, scratch, apart, drawn)


def _check(recipe: Recipe, folder: Path) -> None:
    """UsageError for what `sonde.scratch` does not train in the same way."""
    config, options = dict(recipe.model.config), dict(recipe.task.options)
    name = recipe.model.name or ""
    reasons = {
        f"the model {name}": name not in ("softmax-regression", "mlp", "lenet", "lenet-original"),
        f"the task {recipe.task.name}": recipe.task.name != "classification",
        "dropout, whose draws differ,": bool(config.get("dropout")),
        "batch normalisation in an MLP": bool(config.get("batch_norm")),
        "augmentation": bool(set(recipe.data.augment or ()) - {"none"}),
        f"the loss {options.get('loss')}": options.get("loss", "cross-entropy") != "cross-entropy" or "class_weights" in options,
        "a learning rate of its own for biases": recipe.optim.bias_lr != 1,
        "K-fold": bool(recipe.data.folds),
        "more than one process": recipe.training.processes > 1,
        "reduced precision": (recipe.training.precision or "float32") not in ("float32",),
    }
    for what, met in reasons.items():
        if met:
            remedy = "train one that has: sonde train digits --model mlp --augment none --epochs 5"
            raise UsageError(f"{what} has no twin that follows it step by step", where=str(folder), remedy=remedy)


def _model(experiment: Experiment) -> models.Model:
    """The scratch model of the same shape."""
    name, config = experiment.recipe.model.name, experiment.config
    if name == "softmax-regression":
        return models.softmax_regression(config["numbers"], config["outputs"])
    if name == "mlp":
        if config.get("categories"):
            raise UsageError("categories and their embeddings have no twin here", where="--curves", remedy="leave them out with --drop")
        width, depth = config.get("width", 256), config.get("depth", 1)
        widths = tuple(width) if isinstance(width, (list, tuple)) else (width,) * depth
        return models.mlp(config["numbers"], config["outputs"], widths=widths, act=config.get("activation", "relu"))
    original = name == "lenet-original"
    act, pooling = config.get("activation", "sigmoid" if original else "relu"), config.get("pooling", "average" if original else "max")
    return models.lenet(config["channels"], config["size"], config["classes"], act=act, pooling=pooling)


def _optimiser(recipe: Recipe) -> optimisers.Optimiser:
    optim = recipe.optim
    lr, decay = float(optim.lr or 0.0), optim.weight_decay or 0.0
    made: dict[str, Callable[[], optimisers.Optimiser]] = {
        "sgd": lambda: optimisers.SGD(lr, weight_decay=decay, decay_bias=optim.decay_bias),
        "momentum": lambda: optimisers.Momentum(lr, momentum=optim.momentum, weight_decay=decay, decay_bias=optim.decay_bias),
        "nesterov": lambda: optimisers.Nesterov(lr, momentum=optim.momentum, weight_decay=decay, decay_bias=optim.decay_bias),
        "adam": lambda: optimisers.Adam(lr, weight_decay=decay, decay_bias=optim.decay_bias),
        "adamw": lambda: optimisers.AdamW(lr, weight_decay=decay, decay_bias=optim.decay_bias),
    }
    return made[optim.name or "sgd"]()


def _loss(recipe: Recipe) -> Callable[[Tensor, np.ndarray], tuple[Tensor, float]]:
    smoothing: Any = recipe.task.options.get("smoothing", 0.0)
    return lambda output, target: cross_entropy(output, target, smoothing=float(smoothing))
