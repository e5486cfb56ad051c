"""What the loop is to do, and how far it has come: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sonde.training.precision import Precision

Reason = Literal["epochs", "minutes", "patience", "signal"]


@dataclass(frozen=True)
class Plan:
    """What the loop is to do, in numbers; the recipe's values as they were decided. Times are in seconds."""

    epochs: int
    lr: float
    monitor: str
    better: Literal["higher", "lower"]
    schedule: str = "constant"
    warmup: float = 0.0
    clip: float = 0.0
    ball: float = 0.0
    seed: int = 0
    precision: Precision = "float32"
    ema: float = 0.0
    patience: int = 0
    seconds: float | None = None
    save_every: float = 300.0
    save_epochs: bool = True
    trace: bool = False
    compile: bool = False


@dataclass
class Progress:
    """Where training stands: everything that a checkpoint holds beside tensors."""

    epoch: int = 0
    step: int = 0
    elapsed: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    best_step: int = 0
    waited: int = 0
    first_loss: float | None = None
    high: int = 0
    stopped: Reason | None = None

    def measured(self, value: float, better: Literal["higher", "lower"]) -> bool:
        """Take note of an epoch's measure; whether it is the best one so far."""
        best = self.best is None or (value > self.best if better == "higher" else value < self.best)
        if best:
            self.best, self.best_epoch, self.best_step, self.waited = value, self.epoch, self.step, 0
        else:
            self.waited += 1
        return best

    def lift(self, plan: Plan) -> None:
        """A run that was stopped early stays stopped unless `plan`, by which it is resumed, lifts the reason."""
        lifted = {
            "minutes": plan.seconds is None or self.elapsed < plan.seconds,
            "patience": not plan.patience or self.waited < plan.patience,
        }
        if self.stopped is not None and lifted.get(self.stopped, True):
            self.stopped = None
