"""What is found out before step 0, on throw-away copies: a learning rate, the time of a step."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, islice
from typing import Any

import torch
from torch import nn

from sonde.data.feed import Feed
from sonde.optim import find_rate
from sonde.recipe import Recipe
from sonde.tasks import Task
from sonde.training.optimizer import build_optimizer
from sonde.training.precision import Precision, autocast
from sonde.training.step import Step
from sonde.training.whole_step import WholeStep, fits_whole
from sonde.training.world import World


@dataclass
class Tried:
    """Short trials with a model and its data; nothing of them stays."""

    model: nn.Module
    task: Task
    batches: Feed
    recipe: Recipe
    world: World

    def _step(self, *, compiled: bool = False) -> tuple[Any, torch.optim.Optimizer]:
        """A copy of the model, and an update of it: batch in, loss out."""
        model = copy.deepcopy(self.model).train()
        optim = self.recipe.optim
        lr = optim.lr if isinstance(optim.lr, float) else 1e-4
        network = model.network
        assert isinstance(network, nn.Module)
        optimizer = build_optimizer(optim, network, lr=lr)
        step = Step(model, self.task)
        precision: Precision = self.recipe.training.precision or "float32"
        if compiled and fits_whole(self.batches, self.world, precision):
            whole = WholeStep(step, optimizer, clip=optim.clip or 0.0, precision=precision, device=self.world.device)
            return lambda pieces: float(whole(pieces[0], pieces[0].counts)[0].value), optimizer
        run = torch.compile(step) if compiled else step

        def update(pieces: list[Any]) -> float:
            batch = pieces[0]
            with autocast(precision, self.world.device):
                loss = run(batch, batch.counts)
            loss.value.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return float(loss.value.detach())

        return update, optimizer

    @cached_property
    def seconds_per_step(self) -> float:
        """The median time of an update, after one that does not count."""
        if self.recipe.training.epochs == 0:
            return 0.0
        update, _ = self._step()
        return _median(_times(update, self.batches, steps=4)[1:])

    def lengths_vary(self) -> bool:
        """Whether the inputs of the first batches differ in shape; an epoch's last may be short and does not count."""
        first = islice(self.batches.epoch(0), min(8, self.batches.steps - 1))
        return len({tuple(tensor.shape for tensor in pieces[0].inputs) for pieces in first}) > 1

    def learning_rate(self) -> float:
        """The rate that a range test (Smith 2017) chooses; every process takes the first one's."""
        update, optimizer = self._step()
        tried = find_rate.rates(100)
        losses: list[float] = []
        epoch, source = 0, iter(self.batches.epoch(0))
        for rate in tried:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            pieces = next(source, None)
            if pieces is None:
                epoch += 1
                source = iter(self.batches.epoch(epoch))
                pieces = next(source)
            losses.append(update(pieces))
            if find_rate.diverged(losses):
                break
        return float(self.world.share(find_rate.choose(tried, losses)))

    def epochs_within(self, seconds: float) -> int:
        """How many epochs fit into a time budget, a tenth of it kept for measuring."""
        epoch = self.seconds_per_step * self.batches.steps
        return int(self.world.share(max(1, int(0.9 * seconds / max(epoch, 1e-6)))))

    def seconds_compiled(self) -> tuple[float, float]:
        """Seconds that compiling takes, and seconds a compiled step.

        Batches of other lengths than the first one's are compiled for anew, so that what all of these steps took above the usual counts.
        """
        update, _ = self._step(compiled=True)
        times = _times(update, self.batches, steps=7)
        each = _median(times[1:])
        return sum(times) - len(times) * each, each


def _times(update: Any, batches: Feed, *, steps: int) -> list[float]:
    """Seconds of one update and of `steps` more, from as many epochs as that takes."""
    times: list[float] = []
    for pieces in islice(chain.from_iterable(batches.epoch(number) for number in count()), steps + 1):
        started = time.perf_counter()
        update(pieces)
        times.append(time.perf_counter() - started)
    return times


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]
