"""Projected gradient descent onto a norm ball: the hard form of weight decay."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def project(parameters: Iterable[nn.Parameter], *, radius: float) -> Tensor:
    """Move the parameters, as one vector w, to the nearest point with ‖w‖ ≤ `radius`: w ← min(1, radius/‖w‖)w.

    Works in place on the parameters given (the loop gives those that decay) and gives ‖w‖ before, a 0-d tensor that
    nothing has waited for.
    """
    tensors: list[Tensor] = list(parameters)
    if not tensors:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack([n.to(tensors[0].device) for n in torch._foreach_norm(tensors)]))
    torch._foreach_mul_(tensors, (radius / norm).clamp(max=1.0))
    return norm
