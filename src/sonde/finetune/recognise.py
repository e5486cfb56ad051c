"""Which architecture weights are of, told by their names and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sonde import models
from sonde.errors import SondeError
from sonde.models.weights import AUXILIARY, unwrapped
from sonde.nn.stages import is_in, last_layer, output_layers

# Values that a Config leaves to the size of the pictures, and that weights decide for good.
FORMS: tuple[dict[str, Any], ...] = ({}, {"stem": "photo"}, {"stem": "small"}, {"grid": 7}, {"grid": 0})
# Sizes at which models are made to be compared; none of them belongs to the weights but the first layer's channels.
_PICTURES: dict[str, Any] = {"channels": 3, "size": 224, "classes": 1000}
_ROWS: dict[str, Any] = {"numbers": 10, "categories": (), "outputs": 2}


@dataclass(frozen=True)
class Guess:
    """A model that has the same names as some weights; `share` (0 … 1) of its tensors have the same shape, too."""

    model: str
    share: float


def recognise(tensors: dict[str, Tensor]) -> Guess | None:
    """The model whose names, the classifier aside, are those of `tensors`, and whose shapes fit best; None where there is none."""
    best: Guess | None = None
    others: set[str] = set()
    for name, path in models.MODELS.items():
        if path in others:
            continue  # one variant has shown that the parts of this architecture have other names
        network = skeleton(name, _usual(name))
        if network is None:
            continue
        body = _body(network, network.state_dict())
        found = _body(network, unwrapped(tensors, network))
        if not _parts(body) <= _parts(found):
            others.add(path)
        if set(found) != set(body):
            continue
        share = sum(found[part].shape == tensor.shape for part, tensor in body.items()) / max(len(body), 1)
        if best is None or share > best.share:
            best = Guess(name, share)
    return best


def skeleton(name: str, table: dict[str, Any]) -> nn.Module | None:
    """Model `name` without memory for its weights; None where these sizes cannot be built."""
    try:
        with torch.device("meta"):
            return models.build(name, table)
    except SondeError:
        return None


def fitting_form(name: str, table: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The values among `FORMS` with which the model's shapes agree best with `tensors`; those that `table` gives stay.

    A form that cannot read pictures of the table's `size` is compared at the least size that it can: whether the pictures are too
    small for the weights' own form is for `models.build` to say, which names that size.
    """
    best: tuple[int, dict[str, Any]] = (-1, {})
    fields = models.full_table(name, table)
    for form in FORMS:
        if any(key not in fields or fields[key] not in ("auto", None) for key in form):
            continue
        chosen = table | form
        network = skeleton(name, chosen | {"size": max(chosen["size"], models.smallest(name, chosen))})
        if network is None:
            continue
        found = unwrapped(tensors, network)
        same = sum(part in found and found[part].shape == tensor.shape for part, tensor in network.state_dict().items())
        if same > best[0]:
            best = same, form
    return best[1]


def fits(name: str, table: dict[str, Any], tensors: dict[str, Tensor]) -> bool:
    """Whether model `name` with these values has the names and shapes of `tensors`, the classifier aside."""
    network = skeleton(name, table)
    if network is None:
        return False
    body, found = _body(network, network.state_dict()), _body(network, unwrapped(tensors, network))
    return set(found) == set(body) and all(found[part].shape == tensor.shape for part, tensor in body.items())


def channels_of(name: str, table: dict[str, Any], tensors: dict[str, Tensor]) -> int | None:
    """How many channels the first layer of `tensors` reads, if they are of model `name`; None where that cannot be told."""
    network = skeleton(name, _usual(name) | table)
    if network is None:
        return None
    found = unwrapped(tensors, network)
    first = next((part for part, tensor in network.state_dict().items() if tensor.ndim == 4), "")
    return int(found[first].shape[1]) if first in found and found[first].ndim == 4 else None


def outputs_of(network: nn.Module, tensors: dict[str, Tensor]) -> int | None:
    """How many outputs `tensors` have; None where they have no last layer like that of `network`."""
    found = unwrapped(tensors, network).get(f"{last_layer(network)}.weight")
    return None if found is None else int(found.shape[0])


def _usual(name: str) -> dict[str, Any]:
    return _PICTURES if models.accepts(name) == "images" else _ROWS


def _body(network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All but the layers of outputs, auxiliary classifiers, and counters that older files lack."""
    aside = (*output_layers(network), *AUXILIARY)
    return {part: tensor for part, tensor in tensors.items() if not is_in(part, aside) and not part.endswith("num_batches_tracked")}


def _parts(tensors: dict[str, Tensor]) -> set[str]:
    return {part.partition(".")[0] for part in tensors}
