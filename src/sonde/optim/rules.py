"""The update rules of `optimizers.py` as plain arithmetic, for steps that are compiled whole.

Each takes a parameter w, its gradient g, its state and the rate η (a 0-d tensor, float64 where there is one, as powers of β are
taken in its format), and changes w and the state in place. The state is that of PyTorch's optimiser of the same name, so that a
checkpoint does not tell which of the two has written it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]
Rule = Callable[[Tensor, Tensor, State, Tensor, dict[str, Any]], None]


def sgd(w: Tensor, g: Tensor, state: State, lr: Tensor, options: dict[str, Any]) -> None:
    """Gradient descent, w ← w − η(g + λw); with momentum v ← βv + (g + λw), w ← w − ηv; Nesterov's: w ← w − η((g + λw) + βv)."""
    if options["weight_decay"]:
        g = g + options["weight_decay"] * w
    if options["momentum"]:
        v = state["momentum_buffer"].mul_(options["momentum"]).add_(g)
        g = g + options["momentum"] * v if options["nesterov"] else v
    w.sub_(lr * g)


def adam(w: Tensor, g: Tensor, state: State, lr: Tensor, options: dict[str, Any]) -> None:
    """Adam, m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − η m̂/(√v̂ + ε); λw joins g; with AdamW first w ← (1 − ηλ)w."""
    decay, (beta1, beta2) = options["weight_decay"], options["betas"]
    if decay and options["decoupled_weight_decay"]:
        w.mul_(1 - lr * decay)
    elif decay:
        g = g + decay * w
    t = state["step"].add_(1).to(lr.dtype)
    m = state["exp_avg"].mul_(beta1).add_((1 - beta1) * g)
    v = state["exp_avg_sq"].mul_(beta2).add_((1 - beta2) * g * g)
    w.sub_(lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + options["eps"]))


def rule_of(optimizer: torch.optim.Optimizer) -> Rule:
    """The rule by which `optimizer` updates."""
    return sgd if isinstance(optimizer, torch.optim.SGD) else adam


def prepare_state(optimizer: torch.optim.Optimizer) -> None:
    """Give every parameter the state that its first update would have made."""
    for group in optimizer.param_groups:
        for w in group["params"]:
            if optimizer.state[w]:
                continue
            if isinstance(optimizer, torch.optim.SGD):
                if group["momentum"]:
                    optimizer.state[w]["momentum_buffer"] = torch.zeros_like(w)
            else:
                step = torch.zeros((), dtype=torch.float32, device=w.device)
                optimizer.state[w] = {"step": step, "exp_avg": torch.zeros_like(w), "exp_avg_sq": torch.zeros_like(w)}
