"""Adding up: the terms of a model that brings its own loss (the perceptron's rule), and the losses of mixed labels."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from sonde.tasks import Loss


def from_terms(terms: dict[str, tuple[Tensor, float]], output: Tensor, totals: dict[str, float]) -> Loss:
    """The sum of the model's terms, each divided by the step's total of its name, else of "examples"."""
    value = sum((total / totals.get(name, totals["examples"]) for name, (total, _) in terms.items()), start=output.new_zeros(()))
    return Loss(value, {name: (total.detach(), count) for name, (total, count) in terms.items()}, output.detach())


def summed(totals: Iterable[Tensor]) -> Tensor:
    """The sum of one total or several."""
    first, *rest = totals
    return sum(rest, start=first)
