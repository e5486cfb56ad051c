"""Linear regression: ŷ = xW + b, solved in closed form (Legendre 1805) or by gradient descent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.nn.one_hot_linear import OneHotLinear
from sonde.ops import least_squares


@dataclass(frozen=True)
class Config:
    """`solver`: `closed-form` needs no epochs; `gradient` leaves the work to the optimiser.

    `ridge` λ ≥ 0 adds ½λ‖W‖² to ½·mean(squared error), as weight decay does; the bias is left out. `numbers`,
    `categories` (codes of each) and `outputs` come from the data.
    """

    numbers: int = 0
    categories: tuple[int, ...] = ()
    outputs: int = 0
    solver: Literal["closed-form", "gradient"] = "closed-form"
    ridge: float = 0.0


VARIANTS: dict[str, Config] = {"linear-regression": Config()}


class LinearRegression(nn.Module):
    """Numbers and one-hot categories → values. All weights start at 0."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"head": ("output",)}

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output = OneHotLinear(config.numbers, config.categories, config.outputs)
        self.solver, self.ridge = config.solver, config.ridge

    def forward(
        self, numbers: Float[Tensor, batch *number], categories: Int[Tensor, "batch category"] | None = None
    ) -> Float[Tensor, "batch output"]:
        """Map numbers, flattened, and the codes of categories to values."""
        y: Tensor = self.output(numbers, categories)
        return y

    def finish(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]], emit: Callable[[dict[str, Any]], None]) -> None:
        """Solve for all `batches` of (inputs, targets (batch, output)), which are passed over two or three times.

        Emits one `model` event that says how: method, rows, columns, rank, condition, correction and a message.
        """
        if self.solver == "gradient":
            return
        weight, bias, solution = least_squares.solve_rows(_Design(self.output, batches), ridge=self.ridge)
        self.output.set(weight, bias)
        message = solution.message
        if self.output.sizes and solution.rank < solution.columns:
            message += " (the codes of each category add up to 1, so this is usual where there are categories)"
        emit({"event": "model", "name": "linear-regression", **dataclasses.asdict(solution), "message": message})


class _Design:
    """The rows (x, y) of batches, made anew each time."""

    def __init__(self, layer: OneHotLinear, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]]) -> None:
        self._layer, self._batches = layer, batches

    @torch.no_grad()
    def __iter__(self):  # type: ignore[no-untyped-def]
        for inputs, targets in self._batches:
            yield self._layer.design(*inputs), targets


def build(config: Config) -> LinearRegression:
    """The model, at 0."""
    return LinearRegression(config)
