"""Gradient clipping by norm: g ← min(1, θ/‖g‖)g over all parameters together (Pascanu et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm of all gradients together, a 0-d tensor that nothing has waited for; 0 where there are none."""
    return joint_norm([p.grad for p in parameters if p.grad is not None])


def joint_norm(gradients: list[Tensor]) -> Tensor:
    """The 2-norm of all of `gradients` as one long vector, a 0-d tensor; 0 where there are none."""
    if not gradients:
        return torch.zeros(())
    norms = torch._foreach_norm(gradients)
    device = norms[0].device
    total: Tensor = torch.linalg.vector_norm(torch.stack([n.to(device) for n in norms]))
    return total


def shrinkage(norm: Tensor, limit: float) -> Tensor:
    """min(1, θ/‖g‖), a 0-d tensor: θ/0 is infinite, and clamped to 1."""
    return (limit / norm).clamp(max=1.0)


def clip(parameters: Iterable[nn.Parameter], *, limit: float) -> Tensor:
    """Shorten the gradients in place to a norm of at most `limit` θ; gives the norm before, a 0-d tensor.

    A zero gradient stays zero. A norm that is not a number makes every gradient not a number, so that it is noticed.
    """
    parameters = list(parameters)
    norm = gradient_norm(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        torch._foreach_mul_(gradients, shrinkage(norm, limit))
    return norm
