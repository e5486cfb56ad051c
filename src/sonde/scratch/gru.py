"""Gated recurrent unit (Cho et al. 2014).

    R = σ(X W_xr + b_r + H W_hr)                          reset gate
    Z = σ(X W_xz + b_z + H W_hz)                          update gate
    H̃ = tanh(X W_xh + b_h + (R ⊙ H) W_hh)                 candidate, reset before the product: the paper
    H̃ = tanh(X W_xh + b_h + R ⊙ (H W_hh + b_hh))          reset after it: cuDNN and torch.nn.GRU, one product for all gates
    H ← Z ⊙ H + (1 − Z) ⊙ H̃

Z = 1 keeps H; Z = 0 and R = 1 is an RNN; Z = R = 0 an MLP. gru_cell is the formula to read, and to differentiate twice;
gru runs all its steps as one operation of the table, whose derivative gru_kernel.py writes out.
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.dense import dense
from sonde.scratch.recurrent import Array, State, Weights, deep
from sonde.scratch.tensor import Tensor


def gru_cell(gates: Tensor, h: Tensor, weight_hh: Array, bias_hh: Array | None = None, *, reset_after: bool = True) -> Tensor:
    """One step, from X W_x + b (batch, 3 · hidden) in the order R, Z, H̃ and h (batch, hidden) → h (batch, hidden)."""
    n = h.shape[-1]
    if reset_after:
        own = dense(h, weight_hh, bias_hh)
        rz = (gates[:, : 2 * n] + own[:, : 2 * n]).sigmoid()
        r, z = rz[:, :n], rz[:, n:]
        candidate = (gates[:, 2 * n :] + r * own[:, 2 * n :]).tanh()
    else:
        bias = (None, None) if bias_hh is None else (bias_hh[: 2 * n], bias_hh[2 * n :])
        rz = (gates[:, : 2 * n] + dense(h, weight_hh[: 2 * n], bias[0])).sigmoid()
        r, z = rz[:, :n], rz[:, n:]
        candidate = (gates[:, 2 * n :] + dense(r * h, weight_hh[2 * n :], bias[1])).tanh()
    return z * h + (1 - z) * candidate


def gru(x: Array, h: Array | None, weights: Weights, *, reset_after: bool = True) -> tuple[Tensor, Tensor]:
    """From x (steps, batch, inputs), h (layers · directions, batch, hidden) or None for zeros → outputs, h after the last step.

    `weights` of layer k: weight_ih_lk (3 · hidden, inputs), weight_hh_lk (3 · hidden, hidden), bias_ih_lk and bias_hh_lk
    (3 · hidden,), rows in the order R, Z, H̃. Outputs are (steps, batch, directions · hidden).
    """

    def layer(x: Tensor, state: State, own: dict[str, Array]) -> tuple[Tensor, State]:
        gates, w = dense(x, own["weight_ih"], own.get("bias_ih")), own["weight_hh"]  # inputs of all steps in one product
        y = Tensor.apply("gru", (gates, *state, w, own.get("bias_hh", np.zeros(w.shape[0], x.dtype))), {"reset_after": reset_after})
        return y, (y[-1],)

    y, (h_n,) = deep(x, None if h is None else (h,), weights, layer, gates=3)
    return y, h_n
