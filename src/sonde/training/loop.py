"""The one training loop, for every task, on one process or many.

Learning rate, order and draws are functions of (seed, epoch, step), so the loop carries nothing but weights, optimiser
state and a few numbers; a checkpoint of these at any step continues bit for bit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sonde.data.batch import Batch
from sonde.data.feed import Feed
from sonde.errors import TrainingError
from sonde.metrics.rows import RowMetric
from sonde.metrics.texts import TextMetric
from sonde.nn.prepared import Prepared
from sonde.tasks import Task
from sonde.training import health
from sonde.training.checkpoints import Checkpoint, Checkpoints, load_optimizer, optimizer_tensors
from sonde.training.evaluate import evaluate
from sonde.training.events import EventLog
from sonde.training.interrupt import Request
from sonde.training.meter import Meter
from sonde.training.plan import Plan, Progress, Reason
from sonde.training.update import Update
from sonde.training.world import World

# Steps between events, and seconds between two showings of progress.
EVERY = 50
SHOWN = 0.25


@dataclass
class Loop:
    """A model, a task, data and an optimiser, and how far they have come."""

    model: Prepared
    network: nn.Module
    task: Task
    optimizer: torch.optim.Optimizer
    train: Feed
    validation: Feed | None
    world: World
    plan: Plan
    checkpoints: Checkpoints
    log: EventLog
    request: Request
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.steps = self.plan.epochs * self.train.steps
        self.every = max(1, min(EVERY, self.train.steps))
        cheap = self.task.metrics(final=False)
        self.meter = Meter({name: metric for name, metric in cheap.items() if not isinstance(metric, (RowMetric, TextMetric))})
        self.update = Update(self.model, self.network, self.task, self.optimizer, self.train, self.world, self.plan, self.log)
        self.saved_at = self.shown_at = time.monotonic()
        self.loss: float | None = None

    def run(self) -> Reason:
        """Train until the epochs, the time or the patience are over, or someone asks to stop."""
        try:
            return self._run()
        finally:
            self.checkpoints.flush()

    def _run(self) -> Reason:
        now = self.progress
        started = time.monotonic() - now.elapsed
        while now.epoch < self.plan.epochs and now.stopped is None:
            self.model.train()
            if now.step == now.epoch * self.train.steps:
                self.update.carried = None
            clock, seen = time.monotonic(), now.step
            for pieces in self.train.epoch(now.epoch, now.step - now.epoch * self.train.steps):
                asked = self._step(pieces)
                now.step += 1
                if now.step % self.every == 0 or now.step % self.train.steps == 0:
                    self._tell(clock, seen)
                    clock, seen = time.monotonic(), now.step
                moment = time.monotonic()
                now.elapsed = moment - started
                if moment - self.shown_at > SHOWN:
                    self._show(moment, clock, seen)
                if asked:
                    if asked["stop"] or asked["late"]:
                        now.stopped = "signal" if asked["stop"] else "minutes"
                        break
                    if asked["save"]:
                        self.save(best=False)
            if now.stopped == "signal":
                self.save(best=False)
                now.stopped = None  # a resume goes on
                return "signal"
            if now.step == (now.epoch + 1) * self.train.steps:
                now.epoch += 1
            self._finish_epoch()
            now.elapsed = time.monotonic() - started
        return now.stopped or "epochs"

    def _step(self, pieces: list[Batch]) -> dict[str, float]:
        """One update; what any process asks for, nothing if none does."""
        number, asked = self.progress.step, self._asks()
        totals = self.world.totals([{**piece.counts, **asked} if asked else piece.counts for piece in pieces])
        if asked:
            asked = {name: totals.pop(name) for name in asked}
        losses = self.update(pieces, totals, step=number, norm=number % self.every == self.every - 1)
        for loss, piece in zip(losses, pieces, strict=True):
            self.meter.add(loss, piece)
        return asked

    def _asks(self) -> dict[str, float]:
        """What this process wants after this step: to stop, because of a signal or the time, or to save."""
        now, plan = time.monotonic(), self.plan
        stop, late = self.request.signal is not None, plan.seconds is not None and self.progress.elapsed > plan.seconds
        save = bool(plan.save_every) and now - self.saved_at > plan.save_every
        return {"stop": float(stop), "late": float(late), "save": float(save)} if stop or late or save or self.world.size > 1 else {}

    def _tell(self, clock: float, seen: int) -> None:
        """Emit what was summed since the last event, and look at its health."""
        now = self.progress
        loss, metrics = self.meter.read(self.world)
        seconds = time.monotonic() - clock
        speed = (now.step - seen) * self.train.batch_size / max(seconds, 1e-9)
        lr = self.optimizer.param_groups[0]["lr"]
        event = {
            "event": "train",
            "step": now.step,
            "epoch": now.step / self.train.steps,
            "loss": loss,
            "lr": lr,
            "examples_per_second": speed,
        }
        norm = self.update.gradient_norm
        self.log.emit(event | {"gradient_norm": None if norm is None else float(norm), "metrics": metrics})
        self.loss = loss
        self._show(time.monotonic(), clock, seen)
        if now.first_loss is None:
            now.first_loss = loss
        now.high = now.high + 1 if loss > 10 * max(now.first_loss, 1e-3) else 0
        if loss != loss or loss in (float("inf"), float("-inf")) or now.high >= 3:
            raise TrainingError(
                *health.diagnosis(self.model, self.task, self.train, step=now.step, loss=loss, lr=lr),
                remedy="lower --lr, or set --clip 1; `--lr auto` finds a rate",
            )

    def _show(self, moment: float, clock: float, seen: int) -> None:
        """Tell how far training is; the loss is that of the last event, so that nothing waits for the device."""
        now = self.progress
        each = (moment - clock) / max(now.step - seen, 1)
        self.log.emit(
            {
                "event": "progress",
                "step": now.step,
                "steps": self.steps,
                "epoch": (now.step - 1) // self.train.steps + 1,
                "epochs": self.plan.epochs,
                "loss": self.loss,
                "examples_per_second": self.train.batch_size / max(each, 1e-9),
                "remaining_seconds": (self.steps - now.step) * each,
            }
        )
        self.shown_at = moment

    def _finish_epoch(self) -> None:
        """Measure on the validation part, save, and see whether waiting still pays."""
        now, plan = self.progress, self.plan
        if self.world.main:
            self.log.emit({"event": "scale", "step": now.step, "layers": health.scales(self.model, self.task, self.train)})
        better = self.validation is None
        if self.validation is not None:
            with self.update.averaged():
                values = evaluate(self.model, self.task, self.validation, self.world, final=False).metrics
            self.log.emit({"event": "evaluate", "step": now.step, "epoch": now.epoch, "part": "validation", "metrics": values})
            better = now.measured(values[plan.monitor], plan.better)
            if plan.patience and now.waited >= plan.patience and now.epoch < plan.epochs and now.stopped is None:
                now.stopped = "patience"
        else:
            now.best_epoch, now.best_step = now.epoch, now.step
        over = now.epoch >= plan.epochs or now.stopped is not None
        if plan.save_epochs or over or (better and self.validation is not None):
            self.save(best=better, wait=not over)

    def save(self, *, best: bool, wait: bool = False) -> None:
        """Have a checkpoint of this moment written (the main process does), at once or together with one soon after."""
        self.saved_at = time.monotonic()
        state: dict[str, Tensor] = {f"meter.{name}": tensor for name, tensor in self.meter.tensors().items()} | self.update.state()
        if not self.world.main:
            return
        values = {
            "progress": vars(self.progress),
            "counts": self.meter.counts,
            "events": self.log.length,
            "steps_per_epoch": self.train.steps,
            "plan_steps": self.steps,
        }
        if self.update.scaler is not None:
            values["scaler"] = self.update.scaler.state_dict()
        self.checkpoints.save(
            Checkpoint(self.progress.step, self.network.state_dict(), optimizer_tensors(self.optimizer), state, values),
            best=best,
            wait=wait,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint's moment; events written after it are cut off."""
        self.network.load_state_dict(checkpoint.weights)
        load_optimizer(self.optimizer, checkpoint.optimizer)
        values = checkpoint.values
        self.progress = Progress(**values["progress"])
        part = {name.partition(".")[2]: tensor for name, tensor in checkpoint.state.items() if name.startswith("meter.")}
        self.meter.restore(part, values["counts"], self.world.device)
        self.update.restore(checkpoint.state)
        if self.update.scaler is not None:
            self.update.scaler.load_state_dict(values["scaler"])
        self.log.truncate(values["events"])
        self.progress.lift(self.plan)
