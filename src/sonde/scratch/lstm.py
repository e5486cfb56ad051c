"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000).

    I, F, O = σ(X W_x· + H W_h· + b_·)                    input, forget and output gate
    C̃ = tanh(X W_xc + H W_hc + b_c)                       candidate
    C ← F ⊙ C + I ⊙ C̃                                     memory
    H ← O ⊙ tanh(C)

F = 1 and I = 0 keep C.
"""

from __future__ import annotations

from sonde.scratch.dense import dense
from sonde.scratch.recurrent import Array, State, Weights, deep
from sonde.scratch.tensor import Tensor, stack


def lstm_cell(gates: Tensor, h: Tensor, c: Tensor, weight_hh: Array, bias_hh: Array | None = None) -> tuple[Tensor, Tensor]:
    """One step, from X W_x + b (batch, 4 · hidden) in the order I, F, C̃, O, h and c (batch, hidden) → h, c."""
    n = h.shape[-1]
    a = gates + dense(h, weight_hh, bias_hh)
    i_f, candidate, o = a[:, : 2 * n].sigmoid(), a[:, 2 * n : 3 * n].tanh(), a[:, 3 * n :].sigmoid()
    c = i_f[:, n:] * c + i_f[:, :n] * candidate
    return o * c.tanh(), c


def lstm(x: Array, state: tuple[Array, Array] | None, weights: Weights) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """From x (steps, batch, inputs), (h, c) each (layers · directions, batch, hidden) or None for zeros → outputs, (h, c).

    `weights` of layer k: weight_ih_lk (4 · hidden, inputs), weight_hh_lk (4 · hidden, hidden), bias_ih_lk and bias_hh_lk
    (4 · hidden,), rows in the order I, F, C̃, O. Outputs are (steps, batch, directions · hidden).
    """

    def layer(x: Tensor, state: State, own: dict[str, Array]) -> tuple[Tensor, State]:
        gates, (h, c), outputs = dense(x, own["weight_ih"], own.get("bias_ih")), state, []
        for t in range(len(x)):
            h, c = lstm_cell(gates[t], h, c, own["weight_hh"], own.get("bias_hh"))
            outputs.append(h)
        return stack(outputs, axis=0), (h, c)

    y, (h_n, c_n) = deep(x, state, weights, layer, gates=4, parts=2)
    return y, (h_n, c_n)
