"""The gated recurrent unit (Cho et al. 2014) over all steps.

    R = σ(X W_xr + b_r + H W_hr)                      reset gate
    Z = σ(X W_xz + b_z + H W_hz)                      update gate
    H̃ = tanh(X W_xh + b_h + R ⊙ (H W_hh + b_hh))      candidate, reset after the product: cuDNN and torch.nn.GRU
    H̃ = tanh(X W_xh + b_h + (R ⊙ H) W_hh)             reset before it: the paper
    H ← Z ⊙ H + (1 − Z) ⊙ H̃

Z = 1 keeps H; Z = 0 and R = 1 is an RNN; Z = R = 0 an MLP. Rows of the weights are in the order R, Z, H̃.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.recurrent import earlier, runs_fast, sigmoid_back, summed, tanh_back, through


def gru(
    gates: Float[Tensor, "step row sums"],
    h: Float[Tensor, "row width"],
    weight: Float[Tensor, "sums width"],
    bias: Float[Tensor, " sums"],
    *,
    reset_after: bool = True,
) -> tuple[Float[Tensor, "step row width"]]:
    """H after every step (at least one), from `gates` = X W_ih + b_ih (3 · width sums), the first H, and W_hh and b_hh as torch.nn.GRU has them."""
    if runs_fast(gates, h, weight, bias):
        return ((_After if reset_after else _Before).apply(gates.contiguous(), h, weight, bias),)
    return (gru_steps if reset_after else gru_steps_before)(gates, h, weight, bias)


def gru_steps(gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor]:
    """`gru`, one cell after the other, reset after the product."""
    states = []
    for x in gates:
        (x_r, x_z, x_h), (h_r, h_z, h_h) = x.chunk(3, 1), F.linear(h, weight, bias).chunk(3, 1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        candidate = torch.tanh(x_h + r * h_h)
        h = z * h + (1 - z) * candidate
        states.append(h)
    return (torch.stack(states),)


def gru_steps_before(gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor]:
    """`gru`, one cell after the other, reset before the product."""
    (w_r, w_z, w_h), (b_r, b_z, b_h), states = weight.chunk(3), bias.chunk(3), []
    for x in gates:
        x_r, x_z, x_h = x.chunk(3, 1)
        r, z = torch.sigmoid(x_r + F.linear(h, w_r, b_r)), torch.sigmoid(x_z + F.linear(h, w_z, b_z))
        candidate = torch.tanh(x_h + F.linear(r * h, w_h, b_h))
        h = z * h + (1 - z) * candidate
        states.append(h)
    return (torch.stack(states),)


class _After(torch.autograd.Function):
    """With δ the gradients of the sums, dH = ∂L/∂Hₜ and A = Hₜ₋₁ W_hh + b_hh of the candidate:

    δ_h = dH ⊙ (1 − Z) ⊙ (1 − H̃²)    δ_z = dH ⊙ (Hₜ₋₁ − H̃) ⊙ Z(1 − Z)    δ_r = δ_h ⊙ A ⊙ R(1 − R)
    dHₜ₋₁ = dH ⊙ Z + (δ_r, δ_z, δ_h ⊙ R) W
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n = h.shape[1]
        back_rz, back_h, bias_h = weight[: 2 * n].t(), weight[2 * n :].t(), bias[2 * n :]
        sums, states = gates + F.pad(bias[: 2 * n], (0, n)), gates.new_empty(*gates.shape[:2], n)
        own, before = torch.empty_like(states), h
        for s, a, state in zip(sums.unbind(), own.unbind(), states.unbind(), strict=True):
            rz, candidate = s[:, : 2 * n], s[:, 2 * n :]
            rz.addmm_(before, back_rz).sigmoid_()
            torch.addmm(bias_h, before, back_h, out=a)
            candidate.addcmul_(rz[:, :n], a).tanh_()
            before = torch.lerp(candidate, before, rz[:, n:], out=state)
        ctx.save_for_backward(gates, h, weight, bias, states)
        ctx.kept = own, sums
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gates, h, weight, bias, states = ctx.saved_tensors
        if torch.is_grad_enabled():
            return through(gru_steps, (gates, h, weight, bias), grads, ctx.needs_input_grad)
        (own, sums), before = ctx.kept, earlier(h, states)
        r, z, candidate = sums.chunk(3, 2)
        delta = torch.empty_like(gates)  # first the share of dH in the gradients of H W + b
        to_r, to_z, to_own = delta.chunk(3, 2)
        to_candidate = tanh_back(1 - z, candidate)
        torch.mul(to_candidate, r, out=to_own)
        sigmoid_back(to_candidate * own, r, out=to_r)
        sigmoid_back(before - candidate, z, out=to_z)
        dh = torch.zeros_like(h)
        steps = zip(*(each.unbind() for each in (grads[0], z, delta, to_candidate)), strict=True)
        for g, kept, d, d_h in reversed(list(steps)):
            dh.add_(g)
            d.view(len(h), 3, h.shape[1]).mul_(dh[:, None])
            d_h.mul_(dh)
            dh.mul_(kept).addmm_(d, weight)
        d_weight, d_bias = summed(delta, before), delta.flatten(0, 1).sum(0)
        to_own.copy_(to_candidate)  # from here on the gradients of `gates`, which are not reset
        return delta, dh, d_weight, d_bias


class _Before(torch.autograd.Function):
    """As `_After`, with δ_r = (δ_h W_hh) ⊙ Hₜ₋₁ ⊙ R(1 − R) and dHₜ₋₁ = dH ⊙ Z + (δ_h W_hh) ⊙ R + (δ_r, δ_z) W_r,z."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n = h.shape[1]
        back_rz, back_h = weight[: 2 * n].t(), weight[2 * n :].t()
        sums, states = gates + bias, gates.new_empty(*gates.shape[:2], n)
        reset, before = torch.empty_like(states), h
        for s, kept, state in zip(sums.unbind(), reset.unbind(), states.unbind(), strict=True):
            rz, candidate = s[:, : 2 * n], s[:, 2 * n :]
            rz.addmm_(before, back_rz).sigmoid_()
            torch.mul(rz[:, :n], before, out=kept)
            candidate.addmm_(kept, back_h).tanh_()
            before = torch.lerp(candidate, before, rz[:, n:], out=state)
        ctx.save_for_backward(gates, h, weight, bias, states)
        ctx.kept = reset, sums
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gates, h, weight, bias, states = ctx.saved_tensors
        if torch.is_grad_enabled():
            return through(gru_steps_before, (gates, h, weight, bias), grads, ctx.needs_input_grad)
        (reset, sums), before, n = ctx.kept, earlier(h, states), h.shape[1]
        r, z, candidate = sums.chunk(3, 2)
        delta = torch.empty_like(gates)  # first the share of dH (of δ_h W_hh for R) in the sums' gradients
        to_r, to_z, to_h = delta.chunk(3, 2)
        sigmoid_back(before, r, out=to_r)
        sigmoid_back(before - candidate, z, out=to_z)
        tanh_back(1 - z, candidate, out=to_h)
        dh, inner, weight_rz, weight_h = torch.zeros_like(h), torch.empty_like(h), weight[: 2 * n], weight[2 * n :]
        steps = zip(*(each.unbind() for each in (grads[0], r, z, delta)), strict=True)
        for g, opened, kept, d in reversed(list(steps)):
            dh.add_(g)
            d[:, n:].view(len(h), 2, n).mul_(dh[:, None])
            torch.mm(d[:, 2 * n :], weight_h, out=inner)
            d[:, :n].mul_(inner)
            dh.mul_(kept).addcmul_(inner, opened).addmm_(d[:, : 2 * n], weight_rz)
        d_weight = torch.cat([summed(delta[:, :, : 2 * n], before), summed(to_h, reset)])
        return delta, dh, d_weight, delta.flatten(0, 1).sum(0)
