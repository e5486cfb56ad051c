"""Log loss: the mean of −ln p of the right class, and the squared error of one-hot outputs beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from sonde.metrics.state import Measured, exact, known, zeros


@dataclass(frozen=True)
class LogLoss:
    """Cross-entropy of softmax(logits), in nats, without smoothing or weights. State: (sum, examples).

    Guessing uniformly among C classes scores ln C.
    """

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        state[0] = F.cross_entropy(exact(prediction), known(batch).to(state.device), reduction="sum")
        state[1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])


@dataclass(frozen=True)
class OneHotError:
    """Mean over the examples of ‖one-hot(y) − output‖². State: (sum, examples)."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def state(self, prediction: Tensor, batch: Measured) -> Tensor:
        state = zeros(2, like=prediction)
        outputs, targets = exact(prediction), known(batch).to(state.device)
        # ‖e_y − o‖² = ‖o‖² − 2·o_y + 1, so that no one-hot matrix is made.
        state[0] = outputs.square().sum() - 2 * outputs.gather(1, targets[:, None]).sum() + len(outputs)
        state[1] = len(prediction)
        return state

    def value(self, state: Tensor) -> float:
        return float(state[0] / state[1])
