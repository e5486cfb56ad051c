"""The perceptron (Rosenblatt 1958): one linear unit and a step, which learns from its mistakes alone.

Novikoff's bound (1962): when a unit vector (w, b) separates the classes with margin ρ and all ‖x‖ ≤ r, then, one example
at a time and starting from 0, there are at most (r² + 1)/ρ² updates, whatever the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.one_hot_linear import OneHotLinear
from sonde.ops import losses
from sonde.ops.margin import Separation, separate


@dataclass(frozen=True)
class Config:
    """`labels` chooses the rule, where class 0 and 1 are the labels 0 and 1, or −1 and 1.

    `0/1`: update when step(z) ≠ t, with step(z) = 1 for z > 0, else 0, so step(0) = 0. `±1`: update when y·z ≤ 0. They differ
    at z = 0, where the second one always updates and the first only for t = 1. `numbers`, `categories` (codes of each) and
    `outputs` (2 classes, told apart by one number) come from the data.
    """

    numbers: int = 0
    categories: tuple[int, ...] = ()
    outputs: int = 2
    labels: Literal["0/1", "±1"] = "0/1"


VARIANTS: dict[str, Config] = {"perceptron": Config()}


class Perceptron(nn.Module):
    """z = xw + b; class 1 where z > 0. Weights start at 0. Raises RecipeError for more than two classes.

    `updates` counts the mistakes made in training, `largest_batch` the most examples seen at a time.
    """

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"head": ("output", "updates", "largest_batch")}

    updates: Tensor
    largest_batch: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.outputs not in (1, 2):
            what = f"the perceptron tells two classes apart; these data have {config.outputs}"
            raise RecipeError(what, where="model.name", remedy="use softmax-regression, or mlp")
        self.output = OneHotLinear(config.numbers, config.categories, 1)
        self.labels = config.labels
        self.register_buffer("updates", torch.tensor(0))
        self.register_buffer("largest_batch", torch.tensor(0))

    def forward(
        self, numbers: Float[Tensor, batch *number], categories: Int[Tensor, "batch category"] | None = None
    ) -> Float[Tensor, "batch output"]:
        """Map numbers, flattened, and the codes of categories to z, the one output."""
        z: Tensor = self.output(numbers, categories)
        return z

    def losses(self, inputs: tuple[Tensor, ...], targets: Tensor) -> tuple[dict[str, tuple[Tensor, str]], Tensor]:
        """The criterion whose gradient descent is the rule: ({"perceptron": (sum, "examples")}, z). Targets are 0 or 1."""
        z = self(*inputs)
        targets = targets.reshape(-1)
        if self.labels == "0/1":
            total, _ = losses.perceptron_step(z[:, 0], targets)
        else:
            total, _ = losses.perceptron_sign(z[:, 0], 2 * targets - 1)
        if self.training:
            with torch.no_grad():
                self.updates += self._mistakes(z[:, 0], targets).sum()
                self.largest_batch.clamp_(min=len(targets))
        return {"perceptron": (total, "examples")}, z

    def _mistakes(self, z: Tensor, targets: Tensor) -> Tensor:
        return (z > 0) != (targets > 0) if self.labels == "0/1" else (2 * targets - 1) * z <= 0

    @torch.no_grad()
    def finish(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]], emit: Callable[[dict[str, Any]], None]) -> None:
        """Compare the updates made with the bound. Emits one `model` event.

        It has updates, mistakes (on `batches`, now), separable (None: not settled), radius, margin, bound and a message.
        """
        mistakes = sum(int(self._mistakes(self(*inputs)[:, 0], targets.reshape(-1)).sum()) for inputs, targets in batches)
        found = separate(_Signed(self.output, batches))
        bound = (found.radius**2 + 1) / found.margin**2 if found.separable else None
        emit(
            {
                "event": "model",
                "name": "perceptron",
                "updates": int(self.updates),
                "mistakes": mistakes,
                "separable": found.separable,
                "radius": found.radius,
                "margin": found.margin,
                "bound": bound,
                "message": verdict(found, updates=int(self.updates), mistakes=mistakes, one_at_a_time=int(self.largest_batch) <= 1),
            }
        )


def verdict(found: Separation, *, updates: int, mistakes: int, one_at_a_time: bool) -> str:
    """What the bound says about a training with so many `updates` that now makes so many `mistakes`."""
    if found.separable is False:
        return (
            f"no line (hyperplane) separates the two classes: the perceptron cannot converge on these data, however long it is trained; "
            f"it now gets {mistakes} training examples wrong. A multilayer perceptron (--model mlp) can"
        )
    if found.separable is None:
        return f"whether a hyperplane separates the two classes could not be settled; {updates} updates so far, {mistakes} mistakes left"
    bound = (found.radius**2 + 1) / found.margin**2
    state = "all training examples are right" if not mistakes else f"{mistakes} training examples are still wrong: train longer"
    head = f"the classes are separable with margin {found.margin:.4g}, so there are at most (r² + 1)/ρ² = {bound:,.0f} updates"
    if not one_at_a_time:
        return f"{head} when examples come one at a time (--batch-size 1); here {updates:,} in larger batches; {state}"
    return f"{head}; {updates:,} were made ({'as it must be' if updates <= bound else 'more than that: weights did not start at 0'}); {state}"


class _Signed:
    """Rows x and labels −1 and 1, made anew each time that they are iterated over."""

    def __init__(self, layer: OneHotLinear, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]]) -> None:
        self._layer, self._batches = layer, batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self._batches:
            yield self._layer.design(*inputs), 2 * targets.reshape(-1) - 1


def build(config: Config) -> Perceptron:
    """The model, at 0."""
    return Perceptron(config)
