"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000) over all steps.

    I, F, O = σ(X W_x· + b_· + H W_h·)      input, forget and output gate
    C̃ = tanh(X W_xc + b_c + H W_hc)         candidate
    C ← F ⊙ C + I ⊙ C̃                       memory
    H ← O ⊙ tanh(C)

F = 1 and I = 0 keep C. Rows of the weights are in the order I, F, C̃, O.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.recurrent import earlier, runs_fast, sigmoid_back, summed, tanh_back, through


def lstm(
    gates: Float[Tensor, "step row sums"],
    h: Float[Tensor, "row width"],
    c: Float[Tensor, "row width"],
    weight: Float[Tensor, "sums width"],
    bias: Float[Tensor, " sums"],
) -> tuple[Float[Tensor, "step row width"], Float[Tensor, "step row width"]]:
    """H and C after every step (at least one), from `gates` = X W_ih + b_ih (4 · width sums), the first H and C, W_hh and b_hh.

    Weights are as torch.nn.LSTM has them.
    """
    if runs_fast(gates, h, c, weight, bias):
        states: tuple[Tensor, Tensor] = _Steps.apply(gates.contiguous(), h, c, weight, bias)
        return states
    return lstm_steps(gates, h, c, weight, bias)


def lstm_steps(gates: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """`lstm`, one cell after the other."""
    states, memories = [], []
    for x in gates:
        i, f, candidate, o = (x + F.linear(h, weight, bias)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
        memories.append(c)
    return torch.stack(states), torch.stack(memories)


class _Steps(torch.autograd.Function):
    """With δ the gradients of the sums, dH = ∂L/∂Hₜ and dC = ∂L/∂Cₜ:

    δ_o = dH ⊙ tanh(C) ⊙ O(1 − O)    dC ← dC + dH ⊙ O ⊙ (1 − tanh²C)
    δ_i = dC ⊙ C̃ ⊙ I(1 − I)    δ_f = dC ⊙ Cₜ₋₁ ⊙ F(1 − F)    δ_c = dC ⊙ I ⊙ (1 − C̃²)
    dHₜ₋₁ = δ W_hh    dCₜ₋₁ = dC ⊙ F
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        n, back, sums = h.shape[1], weight.t(), gates + bias
        states = gates.new_empty(*gates.shape[:2], n)
        memories, bent = torch.empty_like(states), torch.empty_like(states)
        before, memory = h, c
        for s, state, next_memory, tanh in zip(*(each.unbind() for each in (sums, states, memories, bent)), strict=True):
            s.addmm_(before, back)
            i_f, candidate, o = s[:, : 2 * n].sigmoid_(), s[:, 2 * n : 3 * n].tanh_(), s[:, 3 * n :].sigmoid_()
            memory = torch.mul(i_f[:, n:], memory, out=next_memory).addcmul_(i_f[:, :n], candidate)
            before = torch.mul(o, torch.tanh(memory, out=tanh), out=state)
        ctx.save_for_backward(gates, h, c, weight, bias, states, memories)
        ctx.kept = sums, bent
        return states, memories

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, h, c, weight, bias, states, memories = ctx.saved_tensors
        if torch.is_grad_enabled():
            return through(lstm_steps, (gates, h, c, weight, bias), grads, ctx.needs_input_grad)
        (sums, bent), n = ctx.kept, h.shape[1]
        i, f, candidate, o = sums.chunk(4, 2)
        delta = torch.empty_like(gates)  # first the shares of dC and, for O, of dH in the sums' gradients
        to_i, to_f, to_c, to_o = delta.chunk(4, 2)
        sigmoid_back(candidate, i, out=to_i)
        sigmoid_back(earlier(c, memories), f, out=to_f)
        tanh_back(i, candidate, out=to_c)
        sigmoid_back(bent, o, out=to_o)
        through_c = tanh_back(o, bent)
        dh, dc = torch.zeros_like(h), torch.zeros_like(c)
        above = [torch.zeros_like(h)] * len(gates) if grads[0] is None else grads[0].unbind()
        beside = [None] * len(gates) if grads[1] is None else grads[1].unbind()
        for g, g_c, share, kept, d in reversed(list(zip(above, beside, through_c.unbind(), f.unbind(), delta.unbind(), strict=True))):
            dc.addcmul_(dh.add_(g), share)
            if g_c is not None:
                dc.add_(g_c)
            d[:, : 3 * n].view(len(h), 3, n).mul_(dc[:, None])
            d[:, 3 * n :].mul_(dh)
            torch.mm(d, weight, out=dh)
            dc.mul_(kept)
        return delta, dh, dc, summed(delta, earlier(h, states)), delta.flatten(0, 1).sum(0)
