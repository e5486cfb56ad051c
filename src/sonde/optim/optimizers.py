"""Optimisers by name, with the parameters sorted into those that decay and those that do not.

sgd        w ← (1 − ηλ)w − ηg
momentum   v ← βv + (g + λw),  w ← w − ηv           (Polyak 1964; the first step equals sgd)
nesterov   v as in momentum,  w ← w − η((g + λw) + βv)   (Nesterov 1983, with the gradient where w stands: Sutskever et al. 2013)
adam       Kingma & Ba 2015, β₁ 0.9, β₂ 0.999, bias-corrected; λw is added to the gradient
adamw      Loshchilov & Hutter 2019: the same, with w ← (1 − ηλ)w apart from the gradient
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sonde.errors import RecipeError, did_you_mean
from sonde.optim.uncompiled import SGD, Adam, AdamW

OPTIMIZERS: tuple[str, ...] = ("sgd", "momentum", "nesterov", "adam", "adamw")


def build(
    name: str,
    model: nn.Module,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    decay_bias: bool = False,
    bias_lr: float = 1.0,
    slow: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """The optimiser `name` over the parameters of `model` that are trained.

    `momentum` is β of `momentum` and `nesterov` alone. `weight_decay` λ (default 0) leaves out biases and the scales and
    shifts of norms unless `decay_bias`; `bias_lr` times `lr` is their rate, and each group's multiple stands under `scale`, which
    schedules obey. `slow`: names of parameters with a multiple of their own, on top of that. Raises
    RecipeError for an unknown name and for a model without parameters.
    """
    groups = decay_groups(model, weight_decay=weight_decay, decay_bias=decay_bias, bias_lr=bias_lr, slow=slow)
    for group in groups:
        group["lr"] = lr * group["scale"]
    if not groups:
        raise RecipeError("this model has no parameters to train", where="optim.name", remedy="train it with --epochs 0")
    fused = can_fuse(model)
    if name == "sgd":
        # With nothing to remember, one call a kind of operation measured a little faster than the fused kernel.
        return SGD(groups, lr=lr, foreach=fused)
    if name in ("momentum", "nesterov"):
        return SGD(groups, lr=lr, momentum=momentum, nesterov=name == "nesterov", fused=fused)
    if name == "adam":
        return Adam(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=fused)
    if name == "adamw":
        return AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=fused)
    raise RecipeError(f"there is no optimiser {name!r}", where="optim.name", remedy=did_you_mean(name, OPTIMIZERS))


def decay_groups(
    model: nn.Module, *, weight_decay: float, decay_bias: bool = False, bias_lr: float = 1.0, slow: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Parameter groups: weights, which decay, and vectors (biases, scales and shifts of norms), which do not unless `decay_bias`.

    Each group names its parameters under `names`, in the model's order, so that a checkpoint can tell them apart; `scale` is
    its multiple of the learning rate: `bias_lr` for vectors, times what `slow` says. Those that `slow` does not name come first.
    """
    members: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
    shares = dict(slow or {})
    for share in sorted({1.0, *shares.values()}, reverse=True):
        members |= {(share, True): [], (share, False): []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            members[shares.get(name, 1.0), parameter.ndim > 1].append((name, parameter))
    return [
        {
            "params": [p for _, p in found],
            "names": [n for n, _ in found],
            "weight_decay": weight_decay if matrices or decay_bias else 0.0,
            "scale": share * (1.0 if matrices else bias_lr),
        }
        for (share, matrices), found in members.items()
        if found
    ]


def can_fuse(model: nn.Module) -> bool:
    """Whether one kernel can update all parameters: real floating point, on a CPU or a CUDA device."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
