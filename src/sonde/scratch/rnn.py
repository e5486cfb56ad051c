"""Recurrent network (Elman 1990):  Hₜ = φ(Xₜ W_ih + b_ih + Hₜ₋₁ W_hh + b_hh),  φ = tanh or ReLU.

Without W_hh each step is a layer of an MLP on Xₜ alone.
"""

from __future__ import annotations

from sonde.scratch.dense import dense
from sonde.scratch.recurrent import Array, State, Weights, deep
from sonde.scratch.tensor import Tensor, stack


def rnn(x: Array, h: Array | None, weights: Weights, *, nonlinearity: str = "tanh") -> tuple[Tensor, Tensor]:
    """From x (steps, batch, inputs), h (layers · directions, batch, hidden) or None for zeros → outputs, h after the last step.

    `weights` of layer k: weight_ih_lk (hidden, inputs), weight_hh_lk (hidden, hidden), bias_ih_lk and bias_hh_lk (hidden,);
    see recurrent.py for more layers and directions. Outputs are (steps, batch, directions · hidden).
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")

    def layer(x: Tensor, state: State, own: dict[str, Array]) -> tuple[Tensor, State]:
        inputs, (h,), outputs = dense(x, own["weight_ih"], own.get("bias_ih")), state, []
        for t in range(len(x)):
            a = inputs[t] + dense(h, own["weight_hh"], own.get("bias_hh"))
            h = a.tanh() if nonlinearity == "tanh" else a.relu()
            outputs.append(h)
        return stack(outputs, axis=0), (h,)

    y, (h_n,) = deep(x, None if h is None else (h,), weights, layer, gates=1)
    return y, h_n
