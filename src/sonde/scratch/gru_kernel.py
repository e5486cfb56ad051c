"""The GRU over all steps as one operation on plain arrays: the row "gru" of the table, which gru.py runs on.

Recorded operation by operation, as gru_cell is, 35 steps are 700 nodes; here the way back is written out by hand
(back-propagation through time, Werbos 1990), and the gradients of the weights are one product over all steps.
With a the sums in front of σ and tanh, δ = ∂L/∂a and dH = ∂L/∂Hₜ:

    δ_h = dH ⊙ (1 − Z) ⊙ (1 − H̃²)      δ_z = dH ⊙ (Hₜ₋₁ − H̃) ⊙ Z(1 − Z)      dHₜ₋₁ = dH ⊙ Z + …
    after   δ_r = δ_h ⊙ A ⊙ R(1 − R),             … = (δ_r, δ_z, δ_h ⊙ R) W,   A = Hₜ₋₁ W_hh + b_hh
    before  δ_r = (δ_h W_hh) ⊙ Hₜ₋₁ ⊙ R(1 − R),   … = (δ_r, δ_z) W_r,z + (δ_h W_hh) ⊙ R
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sonde.scratch.kernels import sigmoid

Array = np.ndarray[Any, np.dtype[Any]]
Saved = tuple[Array, Array, Array, Array]


def forward(gates: Array, h: Array, weight: Array, bias: Array, *, reset_after: bool) -> tuple[Array, Saved]:
    """From gates = X W_x + b (steps, batch, 3n), h (batch, n), weight (3n, n), bias (3n,) → H (steps, batch, n); R, Z, H̃, A are saved."""
    n = h.shape[1]
    states = np.empty((len(gates) + 1, *h.shape), gates.dtype)
    r, z, candidate, own = np.empty((4, len(gates), *h.shape), gates.dtype)
    states[0] = h
    for t, x in enumerate(gates):
        h = states[t]
        a = h @ (weight if reset_after else weight[: 2 * n]).T
        rz = sigmoid(x[:, : 2 * n] + a[:, : 2 * n] + bias[: 2 * n])
        r[t], z[t] = rz[:, :n], rz[:, n:]
        own[t] = (a[:, 2 * n :] if reset_after else (r[t] * h) @ weight[2 * n :].T) + bias[2 * n :]
        candidate[t] = np.tanh(x[:, 2 * n :] + (r[t] * own[t] if reset_after else own[t]))
        states[t + 1] = z[t] * h + (1 - z[t]) * candidate[t]
    return states[1:], (r, z, candidate, own)


def backward(g: Array, inputs: tuple[Array, ...], output: Any, need: tuple[bool, ...], options: Any) -> tuple[Array | None, ...]:
    """∂L/∂gates, ∂L/∂h, ∂L/∂weight and ∂L/∂bias from g = ∂L/∂H, step by step from the last."""
    (gates, h, weight, _), (states, (r, z, candidate, own)), reset_after = inputs, output, options["reset_after"]
    n, before = h.shape[1], np.concatenate([h[None], states[:-1]])  # Hₜ₋₁
    to_candidate, to_z, to_r = (1 - z) * (1 - candidate**2), (before - candidate) * z * (1 - z), r * (1 - r)
    to_r *= own if reset_after else before
    delta, dh = np.empty_like(gates), np.zeros_like(h)
    inner = np.empty_like(gates) if reset_after else delta  # the gradient of H W + b: with R where it is reset after
    for t in reversed(range(len(gates))):
        dh = dh + g[t]
        d_r, d_z, d_h = delta[t, :, :n], delta[t, :, n : 2 * n], delta[t, :, 2 * n :]
        d_h[:], d_z[:] = dh * to_candidate[t], dh * to_z[t]
        if reset_after:
            d_r[:] = d_h * to_r[t]
            inner[t, :, : 2 * n], inner[t, :, 2 * n :] = delta[t, :, : 2 * n], d_h * r[t]
            dh = dh * z[t] + inner[t] @ weight
        else:
            d_reset = d_h @ weight[2 * n :]  # of R ⊙ H
            d_r[:] = d_reset * to_r[t]
            dh = dh * z[t] + d_reset * r[t] + delta[t, :, : 2 * n] @ weight[: 2 * n]
    flat, before = inner.reshape(len(gates) * len(h), 3 * n), before.reshape(len(gates) * len(h), n)
    reset = before if reset_after else before * r.reshape(before.shape)
    d_weight = np.concatenate([flat[:, : 2 * n].T @ before, flat[:, 2 * n :].T @ reset]) if need[2] else None
    return delta, dh, d_weight, flat.sum(axis=0)
