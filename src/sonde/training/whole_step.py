"""One update as one compiled graph: loss, gradients, clipping and the optimiser's arithmetic.

Compiling the loss alone leaves the backward pass to the autograd engine and the update to kernels of its own, which at small
sizes cost as much as the arithmetic: an MLP 784-256-10 at batch
16 measured 0.9 of the eager time so, and 0.6 as one graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value

from sonde.data.batch import Batch
from sonde.data.feed import Feed
from sonde.optim.clip import joint_norm, shrinkage
from sonde.optim.rules import prepare_state, rule_of
from sonde.tasks import Loss
from sonde.training.precision import Precision, autocast
from sonde.training.step import Step
from sonde.training.world import World

Tensors = dict[str, Tensor]


def fits_whole(batches: Feed, world: World, precision: Precision) -> bool:
    """Whether a step of this training can be one graph: one process, one piece a step, no loss scaling in between."""
    return world.size == 1 and batches.accumulate == 1 and precision != "fp16"


class WholeStep:
    """Updates `step`'s parameters in place, as `optimizer` would, with gradients clipped to a norm of `clip` (0: not at all)."""

    def __init__(self, step: Step, optimizer: torch.optim.Optimizer, *, clip: float, precision: Precision, device: torch.device) -> None:
        self.step, self.optimizer, self.rule = step, optimizer, rule_of(optimizer)
        self.clip, self.precision, self.device = clip, precision, device
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.rates = [torch.zeros((), device=device, dtype=exact) for _ in optimizer.param_groups]
        self.last: list[float | None] = [None] * len(self.rates)
        self.bound = False
        self._compiled = torch.compile(self._graph)

    def _bind(self) -> None:
        """Look the tensors up once: they stay the same ones from here on."""
        prepare_state(self.optimizer)
        trained = {id(w): group for group, members in enumerate(self.optimizer.param_groups) for w in members["params"]}
        self.weights: Tensors = {}
        self.others: Tensors = dict(self.step.named_buffers())
        self.states: dict[str, Tensors] = {}
        self.group_of: dict[str, int] = {}
        for name, w in self.step.named_parameters():
            if id(w) in trained:
                self.weights[name] = w.detach()
                self.states[name], self.group_of[name] = self.optimizer.state[w], trained[id(w)]
            else:
                self.others[name] = w.detach()
        keys = ("weight_decay", "momentum", "nesterov", "betas", "eps", "decoupled_weight_decay")
        self.options = [{key: group[key] for key in keys if key in group} for group in self.optimizer.param_groups]
        self.bound = True

    def __call__(self, batch: Batch, totals: dict[str, float]) -> tuple[Loss, Tensor]:
        """Update once. Gives the loss, whose value holds no graph, and the norm of the gradients as they were applied."""
        if not self.bound:
            self._bind()
        for number, (rate, group) in enumerate(zip(self.rates, self.optimizer.param_groups, strict=True)):
            if group["lr"] != self.last[number]:
                rate.fill_(group["lr"])
                self.last[number] = group["lr"]
        done: tuple[Loss, Tensor] = self._compiled(self.weights, self.others, self.states, self.rates, batch, totals)
        return done

    def _graph(
        self, weights: Tensors, others: Tensors, states: dict[str, Tensors], rates: list[Tensor], batch: Batch, totals: dict[str, float]
    ) -> tuple[Loss, Tensor]:
        counts: dict[str, float] = {}

        def loss(weights: Tensors, others: Tensors) -> tuple[Tensor, Any]:
            with autocast(self.precision, self.device):
                found = functional_call(self.step, {**weights, **others}, (batch, totals))
            counts.update({name: count for name, (_, count) in found.terms.items()})
            return found.value, ({name: total for name, (total, _) in found.terms.items()}, found.output)

        gradients, (value, (sums, output)) = grad_and_value(loss, has_aux=True)(weights, others)
        terms = {name: (total, counts[name]) for name, total in sums.items()}
        norm = joint_norm(list(gradients.values()))
        if self.clip:
            share = shrinkage(norm, self.clip)
            gradients, norm = {name: g * share for name, g in gradients.items()}, norm * share
        for name, g in gradients.items():
            group = self.group_of[name]
            self.rule(weights[name], g, states[name], rates[group], self.options[group])
        return Loss(value, terms, output), norm
