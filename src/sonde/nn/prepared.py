"""What a run saves and serves: normalisation and network as one module that takes raw inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from sonde.nn.stages import is_in, prefixes_of

Event = dict[str, Any]
Pass = Iterable[tuple[tuple[Tensor, ...], Tensor]]


# The terms of a loss by name: each a sum, and the name of what it is divided by, one of a batch's counts ("examples", "objects", …).
Terms = dict[str, tuple[Tensor, str]]


@runtime_checkable
class OwnLosses(Protocol):
    """A model whose loss belongs to its architecture."""

    def losses(self, inputs: tuple[Tensor, ...], targets: Tensor) -> tuple[Terms, Tensor]:
        """The terms of the loss, and the model's output."""
        ...


@runtime_checkable
class MaskLosses(Protocol):
    """A model whose own loss takes instance masks too: int (picture, height, width), 0 nothing, k + 1 the object of slot k."""

    @property
    def learns_masks(self) -> bool:
        """True; what tells such a model from one of `OwnLosses`."""
        ...

    def losses(self, inputs: tuple[Tensor, ...], targets: Tensor, masks: Tensor | None = None) -> tuple[Terms, Tensor]:
        """The terms of the loss, and the model's output. Without masks those of the boxes alone."""
        ...


@runtime_checkable
class LossesOf(Protocol):
    """The losses of a model, from raw inputs."""

    def __call__(self, inputs: tuple[Tensor, ...], targets: Tensor, masks: Tensor | None = None) -> tuple[Terms, Tensor]:
        """See `OwnLosses` and `MaskLosses`."""
        ...


@runtime_checkable
class Limits(Protocol):
    """Of answers with a score over `score` those are kept that overlap no better one of their class by more than `overlap`, at most `most`."""

    @property
    def score(self) -> float: ...
    @property
    def overlap(self) -> float: ...
    @property
    def most(self) -> int: ...


@runtime_checkable
class Scored(Protocol):
    """A detector that judges the same places in every picture; its answer is the best of them (ops/candidates.py)."""

    @property
    def config(self) -> Limits:
        """What the best are."""
        ...

    def scored(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes in pixels (batch, place, 4), and scores 0…1 (batch, place, class), before suppression."""
        ...


@runtime_checkable
class Starting(Protocol):
    """A model of which some weights are computed from the training examples before the first step."""

    def start(self, batches: Pass) -> None:
        """`batches` gives all training examples as (inputs, targets), not augmented, each time that it is iterated over."""
        ...


@runtime_checkable
class Finishing(Protocol):
    """A model that is solved, or judged, after the gradient epochs (of which there may be none)."""

    def finish(self, batches: Pass, emit: Callable[[Event], None]) -> None:
        """`batches` gives all training examples as (inputs, targets) each time that it is iterated over."""
        ...


class Prepared(nn.Module):
    """`network` behind its normalisation: forward(*raw inputs) = network(*normalise(*raw inputs)).

    The network's own losses, its start and its finish are reached with `own_losses`, `starter` and `finisher`, which normalise inputs too.
    """

    def __init__(self, normalise: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise
        self.network = network
        self.still: tuple[str, ...] = ()

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.network(*self.normalise(*inputs))
        return output

    def freeze(self, stages: tuple[str, ...]) -> None:
        """Keep some stages of the network as they are: no gradient, and the same function in training as in prediction.

        So their batch norms normalise by running averages, which stay, and nothing is dropped out there.
        """
        self.still = prefixes_of(self.network, stages)
        for name, parameter in self.network.named_parameters():
            if is_in(name, self.still):
                parameter.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Prepared:
        """Training or evaluation mode; frozen stages are always in the latter."""
        super().train(mode)
        for name, module in self.network.named_modules():
            if name and is_in(name, self.still):
                module.training = False
        return self


def own_losses(model: nn.Module) -> LossesOf | None:
    """losses(raw inputs, targets, masks) -> (terms, output) of the model, or None where the task's loss is to be used.

    Masks reach the models that learn them (`MaskLosses`); the others do without.
    """
    network = model.network if isinstance(model, Prepared) else model
    # This is asked every step, and isinstance of a Protocol alone takes 10 µs of Python 3.11.
    if not hasattr(type(network), "losses") or not isinstance(network, OwnLosses):
        return None
    normalise = model.normalise if isinstance(model, Prepared) else None

    def losses(inputs: tuple[Tensor, ...], targets: Tensor, masks: Tensor | None = None) -> tuple[Terms, Tensor]:
        seen = inputs if normalise is None else normalise(*inputs)
        return network.losses(seen, targets, masks) if isinstance(network, MaskLosses) else network.losses(seen, targets)

    return losses


def starter(model: nn.Module) -> Callable[[Pass], None] | None:
    """start(raw batches) of the model, or None where it has none. See `Starting`."""
    if not isinstance(model, Prepared):
        return model.start if isinstance(model, Starting) else None
    network, normalise = model.network, model.normalise
    if not isinstance(network, Starting):
        return None
    return lambda batches: network.start(_Normalised(batches, normalise))


def finisher(model: nn.Module) -> Callable[[Pass, Callable[[Event], None]], None] | None:
    """finish(raw batches, emit) of the model, or None where it has none. See `Finishing`."""
    if not isinstance(model, Prepared):
        return model.finish if isinstance(model, Finishing) else None
    network, normalise = model.network, model.normalise
    if not isinstance(network, Finishing):
        return None
    return lambda batches, emit: network.finish(_Normalised(batches, normalise), emit)


class _Normalised:
    """Raw batches, normalised each time that they are iterated over."""

    def __init__(self, batches: Pass, normalise: nn.Module) -> None:
        self._batches, self._normalise = batches, normalise

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        for inputs, targets in self._batches:
            yield self._normalise(*inputs), targets
