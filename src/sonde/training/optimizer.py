"""The recipe's optimiser over a network: which parameters decay, and which learn more slowly."""

from __future__ import annotations

import torch
from torch import nn

from sonde.errors import RecipeError
from sonde.nn.stages import HEAD, body_of, stage_by_name, stages_of
from sonde.optim import optimizers
from sonde.optim.uncompiled import SGD
from sonde.recipe import Optim


def build_optimizer(optim: Optim, network: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    """The optimiser that `optim` describes, at the rate `lr`.

    The body (all stages but the head) learns at `body_lr` times that, and a stage that is k below the head at `layer_decay`ᵏ times that
    (Howard and Ruder 2018, "Universal language model fine-tuning", section 3.2). Raises RecipeError for either where no part of a body
    is trained.
    """
    if next(network.parameters(), None) is None:  # what only counts has nothing to learn, and the loop an optimiser without work
        return SGD([torch.zeros(0, requires_grad=True)], lr=lr)
    slow: dict[str, float] = {}
    if optim.body_lr != 1 or optim.layer_decay != 1:
        stages = stage_by_name(network)
        below = {stage: place for place, stage in enumerate(reversed(stages_of(network)))}
        trained = [name for name, p in network.named_parameters() if p.requires_grad and stages[name] != HEAD]
        slow = {name: optim.body_lr * optim.layer_decay ** below[stages[name]] for name in trained}
        if not slow:
            flag = "--body-lr" if optim.body_lr != 1 else "--layer-decay"
            what = "the body is frozen and does not learn" if body_of(network) else "this model has no body, it is all head"
            raise RecipeError(what, where=flag, remedy=f"leave out {flag}")
    return optimizers.build(
        optim.name or "sgd",
        network,
        lr=lr,
        momentum=optim.momentum,
        weight_decay=optim.weight_decay or 0.0,
        decay_bias=optim.decay_bias,
        bias_lr=optim.bias_lr,
        slow=slow,
    )
