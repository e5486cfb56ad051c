"""Elman's recurrence (Elman 1990) over all steps:  Hₜ = tanh(Xₜ W_ih + b_ih + Hₜ₋₁ W_hh + b_hh).

Without W_hh each step is a layer of an MLP on Xₜ alone.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.recurrent import earlier, runs_fast, summed, through


def rnn(
    gates: Float[Tensor, "step row width"], h: Float[Tensor, "row width"], weight: Float[Tensor, "width width"], bias: Float[Tensor, " width"]
) -> tuple[Float[Tensor, "step row width"]]:
    """H after every step (at least one), from `gates` = X W_ih + b_ih, the first H, and W_hh and b_hh as torch.nn.RNN has them."""
    if runs_fast(gates, h, weight, bias):
        return (_Steps.apply(gates.contiguous(), h, weight, bias),)
    return rnn_steps(gates, h, weight, bias)


def rnn_steps(gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor]:
    """`rnn`, one cell after the other."""
    states = []
    for x in gates:
        h = torch.tanh(x + F.linear(h, weight, bias))
        states.append(h)
    return (torch.stack(states),)


class _Steps(torch.autograd.Function):
    """With δ the gradient of the sums:  δₜ = dHₜ ⊙ (1 − Hₜ²),  dHₜ₋₁ = δₜ W_hh + what comes from above."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        states, before, back = gates + bias, h, weight.t()
        for state in states:
            before = state.addmm_(before, back).tanh_()
        ctx.save_for_backward(gates, h, weight, bias, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gates, h, weight, bias, states = ctx.saved_tensors
        if torch.is_grad_enabled():
            return through(rnn_steps, (gates, h, weight, bias), grads, ctx.needs_input_grad)
        delta = 1 - states.square()
        dh = torch.zeros_like(h)
        for g, d in zip(reversed(grads[0].unbind()), reversed(delta.unbind()), strict=True):
            torch.mm(d.mul_(dh.add_(g)), weight, out=dh)
        return delta, dh, summed(delta, earlier(h, states)), delta.flatten(0, 1).sum(0)
