"""One update of the weights: the gradients of a step's pieces, and the optimiser's step with them.

Rate and draws are functions of the step's number, so an update carries nothing from one step to the next but weights, optimiser state, their
average, fp16's loss scale and a sequence model's state.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sonde.data.batch import Batch
from sonde.data.feed import Feed
from sonde.data.share import cut
from sonde.nn.prepared import Prepared
from sonde.nn.sequence import State, carries_state, detached, joined, rows_of, tensors
from sonde.optim.clip import clip, gradient_norm
from sonde.optim.ema import Average
from sonde.optim.project import project
from sonde.optim.schedules import rate
from sonde.tasks import Loss, Task
from sonde.training import health
from sonde.training.events import EventLog
from sonde.training.plan import Plan
from sonde.training.precision import autocast, scaler
from sonde.training.step import Step
from sonde.training.whole_step import WholeStep, fits_whole
from sonde.training.world import World

# A model of so few weights leaves its first steps in the log, so that its path over the loss surface can be drawn.
TINY = 20
TRACED = 200


class Update:
    """Updates `network`, the trained part of `model`, in place. `log` takes the trace of tiny models."""

    def __init__(
        self,
        model: Prepared,
        network: nn.Module,
        task: Task,
        optimizer: torch.optim.Optimizer,
        train: Feed,
        world: World,
        plan: Plan,
        log: EventLog,
    ) -> None:
        self.model, self.network, self.optimizer = model, network, optimizer
        self.world, self.plan, self.log = world, plan, log
        self.steps = plan.epochs * train.steps
        self.average = Average(network, decay=plan.ema) if plan.ema else None
        self.scaler = scaler(plan.precision, world.device)
        eager = Step(model, task)
        self.eager: Callable[..., Loss] = DistributedDataParallel(eager) if world.size > 1 else eager
        self.tiny = sum(p.numel() for p in network.parameters()) < TINY
        # Only whole batches run compiled: a last, smaller one would be compiled anew.
        self.whole = train.batch_size // (train.world_size * train.accumulate)
        self.compiled: Callable[..., Loss] = torch.compile(self.eager) if plan.compile else self.eager
        self.whole_step: WholeStep | None = None
        alone = not (self.tiny or plan.trace or carries_state(network))
        if plan.compile and alone and fits_whole(train, world, plan.precision):
            self.whole_step = WholeStep(eager, optimizer, clip=plan.clip, precision=plan.precision, device=world.device)
        self.gradient_norm: Tensor | None = None
        self.carried: State = None  # what a sequence model takes on from the step before; this process's rows
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.generators: list[Callable[[int], Any]] = [torch.default_generator.manual_seed]
        if world.device.type == "cuda":
            self.generators.append(torch.cuda.manual_seed)

    def __call__(self, pieces: list[Batch], totals: dict[str, float], *, step: int, norm: bool) -> list[Loss]:
        """Update once, as step number `step`; the loss of each piece. With `norm`, `gradient_norm` is measured.

        `totals` are the whole step's counts, over all pieces and processes, by which each loss term is divided.
        """
        plan = self.plan
        if plan.schedule != "constant" or plan.warmup:
            self._set_rate(rate(plan.schedule, base=plan.lr, step=step, steps=self.steps, warmup=plan.warmup))
        for seed in self.generators:
            seed((plan.seed * 1_000_003 + step) * 4_096 + self.world.rank)
        if self.whole_step is not None and len(pieces[0].index) == self.whole:
            loss, self.gradient_norm = self.whole_step(pieces[0], totals)
            losses = [loss]
            self._project()
        else:
            losses = self._gradients(pieces, totals)
            self._apply(pieces, losses, step=step, norm=norm)
        if self.average is not None:
            self.average.update(self.network)
        return losses

    def _set_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value * group.get("scale", 1.0)

    def _gradients(self, pieces: list[Batch], totals: dict[str, float]) -> list[Loss]:
        """Forward and backward of every piece; processes exchange gradients with the last one."""
        losses = []
        for number, piece in enumerate(pieces):
            losses.append(self._backward(piece, totals, self._carried_by(pieces, number), last=number == len(pieces) - 1))
        self.carried = joined([loss.state for loss in losses])
        return losses

    def _carried_by(self, pieces: list[Batch], number: int) -> State:
        """The state that the step before left for one of this step's pieces."""
        if self.carried is None or len(pieces) == 1:
            return self.carried
        sizes = [len(piece.inputs[0]) for piece in pieces]
        return rows_of(self.carried, sum(sizes[:number]), sum(sizes[: number + 1]))

    def _backward(self, batch: Batch, totals: dict[str, float], state: State, *, last: bool) -> Loss:
        step = self.compiled if len(batch.index) == self.whole else self.eager
        wait = self.eager.no_sync() if isinstance(self.eager, DistributedDataParallel) and not last else nullcontext()
        with wait:
            with autocast(self.plan.precision, self.world.device):
                loss: Loss = step(batch, totals, state)
            value = loss.value
            if self.world.size > 1:  # DDP takes the mean over processes; the loss is already divided by all examples
                value = value * self.world.size
            (value if self.scaler is None else self.scaler.scale(value)).backward()
        return loss

    def _apply(self, pieces: list[Batch], losses: list[Loss], *, step: int, norm: bool) -> None:
        """Clip the gradients, take the optimiser's step with them, and project the weights; of tiny models all this is told."""
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.plan.clip:
            clip(self.parameters, limit=self.plan.clip)
        if norm:
            self.gradient_norm = gradient_norm(self.parameters)
        traced = self.plan.trace or (self.tiny and step < TRACED)
        if traced:
            trace = health.trace(self.model, pieces, losses, step)
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None
        self._project()
        if traced:
            tell = self.log.emit if self.plan.trace else self.log.keep
            tell(trace | {"weights": health.values(self.network)})

    def _project(self) -> None:
        if self.plan.ball:
            project((p for p in self.parameters if p.ndim > 1), radius=self.plan.ball)

    def averaged(self) -> AbstractContextManager[None]:
        """A context in which the network holds the average of its weights, where one is kept."""
        return self.average.applied(self.network) if self.average is not None else nullcontext()

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds of it beside weights and optimiser. Every process must call this, as rows are gathered."""
        carried = [self.world.gather(tensor) for tensor in tensors(detached(self.carried))]
        state = {f"carried.{number}": tensor for number, tensor in enumerate(carried) if tensor is not None}
        return state | ({f"average.{name}": t for name, t in self.average.state().items()} if self.average is not None else {})

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Put back what `state` gave; of the carried state this process's rows."""
        # Cloned, as matrix products of numbers that lie at a file's offsets in memory may round otherwise.
        found = [saved[name].to(self.world.device).clone() for name in (f"carried.{number}" for number in range(len(saved))) if name in saved]
        self.carried = None
        if found:
            begin, end = cut(len(found[0]), self.world.size, self.world.rank)
            self.carried = rows_of(tuple(found), begin, end)
        if self.average is not None:
            self.average.load({name.partition(".")[2]: t for name, t in saved.items() if name.startswith("average.")})
