"""What the recurrences of RNN, GRU and LSTM share: which form runs where.

Each stands twice in a file of its own. The readable form is one cell after the other, differentiated by PyTorch. The fast
form for CPUs is one operation over all steps: buffers that are made once, arithmetic that writes into them, and a way back
through time (Werbos 1990) written out by hand, in which a weight's gradient is one matrix product over all steps
instead of one a step. Both begin with the input's share of every step's sums, X W_ih + b_ih, which is one product too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def runs_fast(*tensors: Tensor) -> bool:
    """Whether the form written for CPUs can run: eager, all in one format of full precision."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    dtype = tensors[0].dtype
    return dtype in (torch.float32, torch.float64) and all(x.device.type == "cpu" and x.dtype == dtype for x in tensors)


def through(
    form: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor], grads: Sequence[Tensor | None], needed: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """∂L/∂input of the readable `form` from ∂L/∂output, themselves differentiable; None for inputs that need none."""
    with torch.enable_grad():
        outputs = [(y, g) for y, g in zip(form(*inputs), grads, strict=True) if g is not None]
        wanted = [x for x, need in zip(inputs, needed, strict=True) if need]
        found = torch.autograd.grad([y for y, _ in outputs], wanted, [g for _, g in outputs], create_graph=True, allow_unused=True)
    given = iter(found)
    return tuple(next(given) if need else None for need in needed)


def summed(a: Tensor, b: Tensor) -> Tensor:
    """Σ aᵀb over steps and rows, (step, row, n) and (step, row, m) → (n, m), as one matrix product."""
    return a.flatten(0, 1).t() @ b.flatten(0, 1)


def earlier(first: Tensor, states: Tensor) -> Tensor:
    """The state before each step: `first` (row, width), then all of `states` (step, row, width) but the last."""
    return torch.cat([first[None], states[:-1]])


def sigmoid_back(grad: Tensor, y: Tensor, *, out: Tensor | None = None) -> Tensor:
    """∂L/∂x = grad ⊙ y(1 − y) for y = σ(x), in one pass."""
    return _into(torch.ops.aten.sigmoid_backward, grad, y, out)


def tanh_back(grad: Tensor, y: Tensor, *, out: Tensor | None = None) -> Tensor:
    """∂L/∂x = grad ⊙ (1 − y²) for y = tanh(x), in one pass."""
    return _into(torch.ops.aten.tanh_backward, grad, y, out)


def _into(operation: Any, grad: Tensor, y: Tensor, out: Tensor | None) -> Tensor:
    found: Tensor = operation.default(grad, y) if out is None else operation.grad_input(grad, y, grad_input=out)
    return found
