"""Features computed once: where the whole body is frozen and nothing in front of it varies, each example's are always the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.batches import Batches
from sonde.data.contents import Part
from sonde.data.prepare.columns import MEMORY, Columns
from sonde.nn.prepared import Prepared, finisher, own_losses
from sonde.nn.stages import HEAD, body_of, is_in, prefixes_of
from sonde.recipe import Recipe
from sonde.run import PartData, batch_of

# Examples that the equality of both ways is tried on.
_TRIED = 4


class Tail(nn.Module):
    """The head of a network, under its own name: features (example, feature) to outputs."""

    def __init__(self, name: str, head: nn.Module) -> None:
        super().__init__()
        self.add_module(name, head)

    def forward(self, features: Tensor) -> Tensor:
        """The head's outputs."""
        outputs = features
        for head in self.children():
            outputs = head(outputs)
        return outputs


class _AsTheyAre(nn.Module):
    """The normalisation of inputs that are features already."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs


def cut(
    model: Prepared, recipe: Recipe, parts: dict[Part, PartData], device: torch.device
) -> tuple[Prepared, dict[Part, PartData]] | None:
    """The head as a model of its own, which shares its weights with `model`, and training and validation part as features.

    None where features are not constant, or not to be had: a part of the body is trained, inputs are augmented or noisy, the
    head is more than one module, or features would take more than 512 MiB.
    """
    network = model.network
    name = _head(network)
    frozen = all(is_in(parameter, model.still) for parameter in _names(network, body_of(network)))
    varies = bool(recipe.data.augment) or recipe.data.noise > 0 or recipe.training.trace
    own = own_losses(model) is not None or finisher(model) is not None
    if name is None or not frozen or not body_of(network) or varies or own or not recipe.training.epochs:
        return None
    used = {part: data for part, data in parts.items() if part in ("train", "validation")}
    width = _width(model, name, used["train"], device)
    rows = sum(len(data.columns) for data in used.values())
    if width is None or 4 * width * rows > MEMORY:
        return None
    done: dict[int, Tensor] = {}
    found: dict[Part, PartData] = {}
    for part, data in used.items():
        features = done.setdefault(id(data.columns), torch.zeros(len(data.columns), width, dtype=next(model.parameters()).dtype))
        _compute(features, model, name, data.columns, data.index, device)
        columns = dataclasses.replace(data.columns, inputs=(features,), mapped=False)
        found[part] = PartData(columns, data.index, data.examples)
    return Prepared(_AsTheyAre(), Tail(name, network.get_submodule(name))), found


def _head(network: nn.Module) -> str | None:
    """The name of the one module that is the head, where it is one."""
    names = [name for name in prefixes_of(network, (HEAD,)) if _names(network, (HEAD,), (name,))]
    return names[0] if len(names) == 1 and "." not in names[0] else None


def _names(network: nn.Module, stages: tuple[str, ...], among: tuple[str, ...] = ()) -> list[str]:
    """Parameters of some stages (`among`: below these names)."""
    prefixes = prefixes_of(network, stages)
    return [name for name, _ in network.named_parameters() if is_in(name, prefixes) and (not among or is_in(name, among))]


def _width(model: Prepared, name: str, part: PartData, device: torch.device) -> int | None:
    """The number of features; None where they differ from draw to draw, or the head alone gives other outputs than the model."""
    rows = Batches(part.columns, part.index[:_TRIED], batch_size=_TRIED, seed=0, shuffle=False, device=device)
    inputs = next(iter(rows.epoch(0)))[0].inputs
    training = model.training
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        drawn = [_features(model.train(), name, inputs)[0] for _ in range(2)]
        features, outputs = _features(model.eval(), name, inputs)
        same = features.ndim == 2 and all(torch.equal(features, others) for others in drawn)
        fits = same and torch.equal(model.network.get_submodule(name)(features), outputs)
    model.train(training)
    return features.shape[1] if fits else None


@torch.no_grad()
def _compute(features: Tensor, model: Prepared, name: str, columns: Columns, index: np.ndarray, device: torch.device) -> None:
    """Fill in the features of the rows `index`."""
    training = model.training
    model.eval()
    batches = Batches(columns, index, batch_size=batch_of(model, columns), seed=0, shuffle=False, device=device)
    for (batch,) in batches.epoch(0):
        features[batch.index.cpu()] = _features(model, name, batch.inputs)[0].cpu()
    model.train(training)


def _features(model: Prepared, name: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """What the head is given, and what the model puts out."""
    seen: list[Tensor] = []
    handle = model.network.get_submodule(name).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        outputs: Tensor = model(*inputs)
    finally:
        handle.remove()
    return seen[-1], outputs
