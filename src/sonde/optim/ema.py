"""An exponential moving average of the weights: a ← βa + (1 − β)w after each step (Polyak & Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Averages of a model's parameters; its buffers (running statistics) are copied as they are.

    `decay` β in [0, 1). For the first steps β is min(decay, (1 + t)/(10 + t)), so that the random start is soon
    forgotten. All its state is in `state()`, so that a checkpoint can hold it.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._averages = {name: value.detach().clone() for name, value in _trained(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self._averages.values()), list(_trained(model).values()), share)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside this context the model has the averaged weights; afterwards its own again, bit for bit."""
        own = {name: value.detach().clone() for name, value in _trained(model).items()}
        _copy(model, self._averages)
        try:
            yield
        finally:
            _copy(model, own)

    def state(self) -> dict[str, Tensor]:
        """The averages by parameter name, and `updates` as a 0-d int64 tensor."""
        return {**self._averages, "updates": torch.tensor(self.updates)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.updates = int(state["updates"])
        with torch.no_grad():
            for name, value in self._averages.items():
                value.copy_(state[name])


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.data for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def _copy(model: nn.Module, values: dict[str, Tensor]) -> None:
    for name, parameter in _trained(model).items():
        parameter.copy_(values[name])
