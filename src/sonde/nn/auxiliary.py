"""Auxiliary classifiers: further outputs half-way through a network that only training hears (Szegedy et al. 2015, section 5)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from sonde.nn.prepared import Prepared


@runtime_checkable
class Auxiliary(Protocol):
    """A network that may have auxiliary classifiers. Its forward gives the logits alone."""

    def all_outputs(self, *inputs: Tensor) -> tuple[Tensor, tuple[tuple[float, Tensor], ...]]:
        """The logits, and for each auxiliary classifier what its loss weighs, and its logits; none where it has none."""
        ...


def training_outputs(model: nn.Module, *inputs: Tensor) -> list[tuple[float, Tensor]]:
    """(weight, output) of every classifier, the model's own first with weight 1; in evaluation that one alone.

    A task adds up weight · loss, so that class weights, smoothing and mixed labels count for all of them.
    """
    network = model.network if isinstance(model, Prepared) else model
    # This is asked every step, and isinstance of a Protocol alone takes 10 µs of Python 3.11.
    if not network.training or not hasattr(type(network), "all_outputs") or not isinstance(network, Auxiliary):
        return [(1.0, model(*inputs))]
    output, further = network.all_outputs(*(model.normalise(*inputs) if isinstance(model, Prepared) else inputs))
    return [(1.0, output), *further]
