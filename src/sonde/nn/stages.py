"""The parts of a network in order from input to output, by name: what can be frozen, or learn at a rate of its own.

A network says which they are: `stages`, a table from a stage's name ("stem", "stage1", "stage2", … and last "head", the
classifier) to the names of its modules or parameters. Every parameter and buffer stands in exactly one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import nn

from sonde.errors import RecipeError, did_you_mean
from sonde.nn.initialise import initialise

HEAD = "head"


@runtime_checkable
class Staged(Protocol):
    """A network that names its stages."""

    @property
    def stages(self) -> Mapping[str, tuple[str, ...]]:
        """Stage → names of its modules or parameters, from input to output; the last one is "head"."""
        ...


@runtime_checkable
class Bodied(Protocol):
    """A network on the body of a classifier, whose weights it can begin from: a detector, a segmenter."""

    def body_keys(self) -> Mapping[str, str]:
        """Own names of the body's weights → their names in the classifier."""
        ...


@runtime_checkable
class Several(Protocol):
    """A network with several layers of outputs that depend on what is told apart, as detectors have."""

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Names of these layers, which start anew for other classes."""
        ...


@runtime_checkable
class Renamed(Protocol):
    """A network whose published files are older than its published names."""

    def own_name(self, name: str) -> str:
        """What the network calls the weight that such a file calls `name`; the same where it is none of its old names."""
        ...


class NewHead(nn.Sequential):
    """A small network in the place of the last layer: dense layers with ReLU between them, features to outputs."""

    def __init__(self, features: int, widths: tuple[int, ...], outputs: int) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(features, width), nn.ReLU()]
            features = width
        super().__init__(*layers, nn.Linear(features, outputs))
        for layer in self:
            if isinstance(layer, nn.Linear):
                initialise(layer.weight, "xavier-uniform" if layer is self[-1] else "he-normal")
                nn.init.zeros_(layer.bias)


def put_head(network: nn.Module, widths: tuple[int, ...]) -> None:
    """Put hidden layers of these widths before the outputs. Raises RecipeError where the last layer is not dense."""
    name = last_layer(network)
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear):
        what = "no hidden layers can be put before the outputs of this model: its last layer is not a dense one"
        raise RecipeError(what, where="model.new_head", remedy="leave out model.new_head, or choose another model")
    network.set_submodule(name, NewHead(layer.in_features, widths, layer.out_features))


def stages_of(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """The stages of `network`. One that names none is all head."""
    if isinstance(network, Staged):
        return dict(network.stages)
    return {HEAD: tuple(dict.fromkeys(name.partition(".")[0] for name in network.state_dict()))}


def stage_by_name(network: nn.Module) -> dict[str, str]:
    """The stage of every parameter and buffer that is saved. Raises ValueError where a name stands in none, or in two."""
    table: dict[str, str] = {}
    for name in network.state_dict():
        found = [stage for stage, prefixes in stages_of(network).items() if is_in(name, prefixes)]
        if len(found) != 1:
            raise ValueError(f"{name} stands in {len(found)} stages of {type(network).__name__}: {found}")
        table[name] = found[0]
    return table


def is_in(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a parameter's name is one of `prefixes`, or below one of them (`conv1` holds `conv1.bias`, not `conv10.bias`)."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def body_of(network: nn.Module) -> tuple[str, ...]:
    """All stages but the head."""
    return tuple(stage for stage in stages_of(network) if stage != HEAD)


def chosen_stages(network: nn.Module, names: tuple[str, ...]) -> tuple[str, ...]:
    """The stages that `names` stand for, in order; "body" is all but the head.

    Raises RecipeError for a stage that the network does not have, and where nothing would be left to train.
    """
    known = stages_of(network)
    for name in names:
        if name not in known and name != "body":
            near = did_you_mean(name, [*known, "body"])
            remedy = f"{near if near.startswith('did') else 'choose from these'}; the stages are {', '.join(known)}; body is all but {HEAD}"
            raise RecipeError(f"the model has no stage {name!r} to freeze", where="--freeze", remedy=remedy)
    named = {*names, *(body_of(network) if "body" in names else ())}
    found = tuple(stage for stage in known if stage in named)
    still = prefixes_of(network, found)
    if found and all(is_in(name, still) for name, _ in network.named_parameters()):
        remedy = f"leave {HEAD} out: --freeze body" if body_of(network) else "leave out --freeze: this model is all head"
        raise RecipeError(f"with {', '.join(found)} frozen nothing is left to train", where="--freeze", remedy=remedy)
    return found


def prefixes_of(network: nn.Module, stages: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the modules and parameters of some stages."""
    known = stages_of(network)
    return tuple(prefix for stage in stages for prefix in known[stage])


def output_layers(network: nn.Module) -> tuple[str, ...]:
    """The names of the layers that give the outputs: those that a network names itself, else the last one."""
    return tuple(network.classifiers) if isinstance(network, Several) else (last_layer(network),)


def last_layer(network: nn.Module) -> str:
    """The name of the layer that gives the outputs: the one of the head's last weight of more than one axis.

    A `NewHead` counts as one layer.
    """
    head = prefixes_of(network, (HEAD,))
    weights = [name for name, tensor in network.state_dict().items() if tensor.ndim > 1 and is_in(name, head) and name.endswith("weight")]
    layer = weights[-1].rpartition(".")[0] if weights else head[-1]
    outer = layer.rpartition(".")[0]
    return outer if outer and isinstance(network.get_submodule(outer), NewHead) else layer
