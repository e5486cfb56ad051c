"""The one training loop, for every task, on one process or many.

Learning rate, order and draws are functions of (seed, epoch, step), so the loop carries nothing but weights, optimiser
state and a few numbers; a checkpoint of these at any step continues bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sonde.data.batches import cut
from sonde.data.feed import Feed
from sonde.errors import TrainingError
from sonde.metrics.rows import RowMetric
from sonde.metrics.texts import TextMetric
from sonde.nn.prepared import Prepared
from sonde.nn.sequence import State, carries_state, detached, joined, rows_of
from sonde.optim.clip import clip, gradient_norm
from sonde.optim.ema import Average
from sonde.optim.project import project
from sonde.optim.schedules import rate
from sonde.tasks import Loss, Task
from sonde.training import health
from sonde.training.checkpoints import Checkpoint, Checkpoints, load_optimizer, optimizer_tensors
from sonde.training.evaluate import evaluate
from sonde.training.events import EventLog
from sonde.training.interrupt import Request
from sonde.training.meter import Meter
from sonde.training.precision import Precision, autocast, scaler
from sonde.training.step import Step
from sonde.training.whole_step import WholeStep, fits_whole
from sonde.training.world import World

# Steps between events, and seconds between two showings of progress.
EVERY = 50
SHOWN = 0.25
# A model of so few weights leaves its first steps in the log, so that its path over the loss surface can be drawn.
TINY = 20
TRACED = 200

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
        self.average = Average(self.network, decay=self.plan.ema) if self.plan.ema else None
        self.scaler = scaler(self.plan.precision, self.world.device)
        eager = Step(self.model, self.task)
        self.eager: Callable[..., Loss] = DistributedDataParallel(eager) if self.world.size > 1 else eager
        self.tiny = sum(p.numel() for p in self.network.parameters()) < TINY
        # Only whole batches run compiled: a last, smaller one would be compiled anew.
        self.whole = self.train.batch_size // (self.train.world_size * self.train.accumulate)
        self.compiled: Callable[..., Loss] = torch.compile(self.eager) if self.plan.compile else self.eager
        self.whole_step: WholeStep | None = None
        alone = not (self.tiny or self.plan.trace or carries_state(self.network))
        if self.plan.compile and alone and fits_whole(self.train, self.world, self.plan.precision):
            self.whole_step = WholeStep(
                eager, self.optimizer, clip=self.plan.clip, precision=self.plan.precision, device=self.world.device
            )
        self.gradient_norm: Tensor | None = None
        self.carried: State = None  # what a sequence model takes on from the step before; this process's rows
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.generators: list[Callable[[int], Any]] = [torch.default_generator.manual_seed]
        if self.world.device.type == "cuda":
            self.generators.append(torch.cuda.manual_seed)
        self.saved_at = self.shown_at = time.monotonic()
        self.loss: float | None = None

    def run(self) -> Reason:
        """Train until the epochs, the time or the patience are over, or someone asks to stop."""
        now = self.progress
        started = time.monotonic() - now.elapsed
        while now.epoch < self.plan.epochs and now.stopped is None:
            self.model.train()
            if now.step == now.epoch * self.train.steps:
                self.carried = None
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

    def _asks(self) -> dict[str, float]:
        """What this process wants after this step: to stop, because of a signal or the time, or to save."""
        now, plan = time.monotonic(), self.plan
        stop, late = self.request.signal is not None, plan.seconds is not None and self.progress.elapsed > plan.seconds
        save = bool(plan.save_every) and now - self.saved_at > plan.save_every
        return {"stop": float(stop), "late": float(late), "save": float(save)} if stop or late or save or self.world.size > 1 else {}

    def _step(self, pieces: list[Any]) -> dict[str, float]:
        """One update; what any process asks for, nothing if none does."""
        now, plan = self.progress, self.plan
        if plan.schedule != "constant" or plan.warmup:
            self._set_rate(rate(plan.schedule, base=plan.lr, step=now.step, steps=self.steps, warmup=plan.warmup))
        for seed in self.generators:
            seed((plan.seed * 1_000_003 + now.step) * 4_096 + self.world.rank)
        asked = self._asks()
        totals = self.world.totals([{**piece.counts, **asked} if asked else piece.counts for piece in pieces])
        if asked:
            asked = {name: totals.pop(name) for name in asked}
        if self.whole_step is not None and len(pieces[0].index) == self.whole:
            loss, self.gradient_norm = self.whole_step(pieces[0], totals)
            self.meter.add(loss, pieces[0])
            self._project()
        else:
            self._update(pieces, totals)
        if self.average is not None:
            self.average.update(self.network)
        return asked

    def _update(self, pieces: list[Any], totals: dict[str, float]) -> None:
        """Gradients of all pieces, and the optimiser's step with them."""
        now, plan = self.progress, self.plan
        losses = []
        for number, piece in enumerate(pieces):
            losses.append(self._backward(piece, totals, self._carried_by(pieces, number), last=number == len(pieces) - 1))
        self.carried = joined([loss.state for loss in losses])
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if plan.clip:
            clip(self.parameters, limit=plan.clip)
        if now.step % self.every == self.every - 1:
            self.gradient_norm = gradient_norm(self.parameters)
        traced = plan.trace or (self.tiny and now.step < TRACED)
        if traced:
            trace = health.trace(self.model, pieces, losses, now.step)
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None
        self._project()
        if traced:
            tell = self.log.emit if plan.trace else self.log.keep
            tell(trace | {"weights": health.values(self.network)})

    def _project(self) -> None:
        if self.plan.ball:
            project((p for p in self.parameters if p.ndim > 1), radius=self.plan.ball)

    def _carried_by(self, pieces: list[Any], number: int) -> State:
        """The state that the step before left for one of this step's pieces."""
        if self.carried is None or len(pieces) == 1:
            return self.carried
        sizes = [len(piece.inputs[0]) for piece in pieces]
        return rows_of(self.carried, sum(sizes[:number]), sum(sizes[: number + 1]))

    def _backward(self, batch: Any, totals: dict[str, float], state: State, *, last: bool) -> Loss:
        """Forward and backward of one piece; processes exchange gradients with the last one."""
        step = self.compiled if len(batch.index) == self.whole else self.eager
        wait = self.eager.no_sync() if isinstance(self.eager, DistributedDataParallel) and not last else nullcontext()
        with wait:
            if self.plan.precision in ("bf16", "fp16"):
                with autocast(self.plan.precision, self.world.device):
                    loss: Loss = step(batch, totals, state)
            else:
                loss = step(batch, totals, state)
            value = loss.value
            if self.world.size > 1:  # DDP takes the mean over processes; the loss is already divided by all examples
                value = value * self.world.size
            (value if self.scaler is None else self.scaler.scale(value)).backward()
        self.meter.add(loss, batch)
        return loss

    def _set_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value * group.get("scale", 1.0)

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
        norm = self.gradient_norm
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
            with self.average.applied(self.network) if self.average is not None else nullcontext():
                values = evaluate(self.model, self.task, self.validation, self.world, final=False).metrics
            self.log.emit({"event": "evaluate", "step": now.step, "epoch": now.epoch, "part": "validation", "metrics": values})
            value = values[plan.monitor]
            better = now.best is None or (value > now.best if plan.better == "higher" else value < now.best)
            if better:
                now.best, now.best_epoch, now.best_step, now.waited = value, now.epoch, now.step, 0
            else:
                now.waited += 1
            if plan.patience and now.waited >= plan.patience and now.epoch < plan.epochs and now.stopped is None:
                now.stopped = "patience"
        else:
            now.best_epoch, now.best_step = now.epoch, now.step
        over = now.epoch >= plan.epochs or now.stopped is not None
        if plan.save_epochs or over or (better and self.validation is not None):
            self.save(best=better)

    def save(self, *, best: bool) -> None:
        """Write a checkpoint of this moment (the main process does)."""
        self.saved_at = time.monotonic()
        open_sums = self.meter.tensors()
        carried = [self.world.gather(tensor) for tensor in detached(self.carried) or ()]
        if not self.world.main:
            return
        state: dict[str, Tensor] = {f"meter.{name}": tensor for name, tensor in open_sums.items()}
        state |= {f"carried.{number}": tensor for number, tensor in enumerate(carried) if tensor is not None}
        if self.average is not None:
            state |= {f"average.{name}": tensor for name, tensor in self.average.state().items()}
        values = {
            "progress": vars(self.progress),
            "counts": self.meter.counts,
            "events": self.log.length,
            "steps_per_epoch": self.train.steps,
            "plan_steps": self.steps,
        }
        if self.scaler is not None:
            values["scaler"] = self.scaler.state_dict()
        self.checkpoints.save(
            Checkpoint(self.progress.step, self.network.state_dict(), optimizer_tensors(self.optimizer), state, values), best=best
        )

    def _restore_carried(self, saved: dict[str, Tensor]) -> None:
        """This process's rows of the carried state."""
        # Cloned, as matrix products of numbers that lie at a file's offsets in memory may round otherwise.
        found = [saved[name].to(self.world.device).clone() for name in (f"carried.{number}" for number in range(len(saved))) if name in saved]
        self.carried = None
        if found:
            begin, end = cut(len(found[0]), self.world.size, self.world.rank)
            self.carried = rows_of(tuple(found), begin, end)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint's moment; events written after it are cut off."""
        self.network.load_state_dict(checkpoint.weights)
        load_optimizer(self.optimizer, checkpoint.optimizer)
        values = checkpoint.values
        self.progress = Progress(**values["progress"])
        part = {name.partition(".")[2]: tensor for name, tensor in checkpoint.state.items() if name.startswith("meter.")}
        self.meter.restore(part, values["counts"], self.world.device)
        self._restore_carried(checkpoint.state)
        if self.average is not None:
            self.average.load({name.partition(".")[2]: t for name, t in checkpoint.state.items() if name.startswith("average.")})
        if self.scaler is not None:
            self.scaler.load_state_dict(values["scaler"])
        self.log.truncate(values["events"])
        now, plan = self.progress, self.plan
        # A run that was stopped early stays stopped unless the new recipe lifts the reason.
        lifted = {
            "minutes": plan.seconds is None or now.elapsed < plan.seconds,
            "patience": not plan.patience or now.waited < plan.patience,
        }
        now.stopped = None if now.stopped is None or lifted.get(now.stopped, True) else now.stopped
