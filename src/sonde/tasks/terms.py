"""Adding up: the terms of a model that brings its own loss (the perceptron's rule), the losses of mixed labels and of several outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from sonde.nn.prepared import Terms
from sonde.tasks import Loss


def from_terms(terms: Terms, output: Tensor, counts: dict[str, float], totals: dict[str, float]) -> Loss:
    """The sum of the model's terms, each divided by the step's total of what it names, at least 1.

    `counts` are those of the batch itself, for the log. Where a step has none of what is counted (pictures without objects), the
    terms are not divided.
    """
    value = sum((total / max(totals[by], 1.0) for total, by in terms.values()), start=output.new_zeros(()))
    return Loss(value, {name: (total.detach(), counts[by]) for name, (total, by) in terms.items()}, output.detach())


def summed(totals: Iterable[Tensor]) -> Tensor:
    """The sum of one total or several."""
    first, *rest = totals
    return sum(rest, start=first)


def weighed(outputs: list[tuple[float, Tensor]], total: Callable[[Tensor], Tensor], counts: dict[str, float], totals: dict[str, float]) -> Loss:
    """The loss of a model's output and, each times its weight, of its auxiliary ones: `total` gives an output's, summed over the examples.

    The term that is logged is the output's own, comparable with evaluation's.
    """
    (_, output), *further = outputs
    own = total(output)
    value = summed([own, *(weight * total(each) for weight, each in further)])
    return Loss(value / totals["examples"], {"loss": (own.detach(), counts["examples"])}, output.detach())
