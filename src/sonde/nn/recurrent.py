"""Recurrent layers over sequences: RNN, GRU and LSTM, deep, and in both directions (Schuster and Paliwal 1997).

Weights are named and laid out as torch.nn.RNN, GRU and LSTM have them, so that they can be compared and loaded:
weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 of the lowest layer, those with _l1 of the one above it, those ending in
_reverse of the one that reads from the end.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.nn.dropout import Dropout
from sonde.ops.gru import gru
from sonde.ops.lstm import lstm
from sonde.ops.rnn import rnn

Cell = Literal["rnn", "gru", "lstm"]
# How many sums a cell has for each unit, and how many tensors its state is: H, and of an LSTM C.
SUMS: dict[Cell, int] = {"rnn": 1, "gru": 3, "lstm": 4}
PARTS: dict[Cell, int] = {"rnn": 1, "gru": 1, "lstm": 2}
NARROW = 256  # up to so many tokens one-hot vectors are made where PyTorch's kernels want them


class Recurrent(nn.Module):
    """`layers` of cells on top of each other; a layer's output, both directions side by side, is the next one's input.

    `inputs` is the width of what comes in, or the number of tokens where these come in as they are: a token is then a
    one-hot vector. In training values drop out between layers with probability `dropout`, and weights from state to state
    with probability `recurrent_dropout`, the same ones at all steps of a call (DropConnect: Merity, Keskar and Socher 2018,
    "Regularizing and optimizing LSTM language models", section 2).
    `reset_after` is the GRU's, see ops/gru.py. Weights start uniform within ±1/√width, biases at 0 but those of an LSTM's
    forget gate, which at 1 begins open (Jozefowicz, Zaremba and Sutskever 2015).
    """

    weight_hh_l0: Tensor

    def __init__(
        self,
        cell: Cell,
        inputs: int,
        width: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
    ) -> None:
        super().__init__()
        self.cell: Cell = cell
        self.inputs, self.width, self.layers, self.reset_after = inputs, width, layers, reset_after
        self.directions = ("", "_reverse") if bidirectional else ("",)
        self.dropout, self.recurrent_dropout = Dropout(dropout), Dropout(recurrent_dropout)
        sums = SUMS[cell] * width
        for layer in range(layers):
            for direction in self.directions:
                end = f"_l{layer}{direction}"
                self.register_parameter(f"weight_ih{end}", nn.Parameter(torch.empty(sums, inputs if layer == 0 else self.outputs)))
                self.register_parameter(f"weight_hh{end}", nn.Parameter(torch.empty(sums, width)))
                self.register_parameter(f"bias_ih{end}", nn.Parameter(torch.empty(sums)))
                self.register_parameter(f"bias_hh{end}", nn.Parameter(torch.empty(sums)))
        self.reset_parameters()

    @property
    def outputs(self) -> int:
        """The width of what comes out."""
        return self.width * len(self.directions)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew from the global generator."""
        limit = self.width**-0.5
        for name, parameter in self.named_parameters():
            if name.startswith("weight"):
                parameter.uniform_(-limit, limit)
            else:
                parameter.zero_()
                if self.cell == "lstm" and name.startswith("bias_ih"):
                    parameter[self.width : 2 * self.width] = 1.0

    def extra_repr(self) -> str:
        both = ", bidirectional" if len(self.directions) == 2 else ""
        before = ", reset_after=False" if self.cell == "gru" and not self.reset_after else ""
        return f"{self.cell}, {self.inputs}, {self.width}, layers={self.layers}{both}{before}"

    def forward(
        self, x: Float[Tensor, "step row input"] | Int[Tensor, "step row"], state: tuple[Tensor, ...] | None = None, lengths: Int[Tensor, " row"] | None = None
    ) -> tuple[Float[Tensor, "step row output"], tuple[Tensor, ...]]:
        """Outputs of the last layer at every step, and the state after the last one.

        The state is H, and of an LSTM H and C, each (row, layers · directions, width), the forward direction of a layer
        before its backward one; None stands for zeros. With `lengths` (each at least 1) row i ends after lengths[i] steps:
        its state is that of its own last step, the backward direction begins there, and outputs beyond are 0.
        """
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self.layers):
            x = self.dropout(x) if layer else x
            sides = []
            for direction in self.directions:
                first = self._first(x, state, len(last))
                y, after = self._run(turned(x, lengths) if direction else x, first, f"_l{layer}{direction}", lengths)
                last.append(after)
                sides.append(turned(y, lengths) if direction else y)
            x = sides[0] if len(sides) == 1 else torch.cat(sides, -1)
        if lengths is not None:
            x = x * (torch.arange(len(x), device=x.device)[:, None] < lengths)[:, :, None]
        return x, tuple(torch.stack(part, 1) for part in zip(*last, strict=True))

    def _first(self, x: Tensor, state: tuple[Tensor, ...] | None, place: int) -> tuple[Tensor, ...]:
        """The state that one layer and direction begins with."""
        if state is None:
            zeros = self.weight_hh_l0.new_zeros(x.shape[1], self.width)
            return (zeros,) * PARTS[self.cell]
        return tuple(part[:, place] for part in state)

    def _run(self, x: Tensor, state: tuple[Tensor, ...], end: str, lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer in one direction: outputs at every step, and the state after each row's last one."""
        weight_ih, weight, bias_ih, bias = (getattr(self, name + end) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        weight = self.recurrent_dropout(weight)
        if self._in_library(x, weight, lengths):
            given = x if x.is_floating_point() else F.one_hot(x, self.inputs).to(weight.dtype)
            y, after = library(self.cell, given, state, [weight_ih, weight, bias_ih, bias])
            return y, after if lengths is None else (ends(y, lengths),)
        if x.is_floating_point():
            gates = F.linear(x, weight_ih, bias_ih)
        else:  # a one-hot vector times a matrix is a row of it
            gates = F.embedding(x, (weight_ih + bias_ih[:, None]).t().contiguous())
        if self.cell == "rnn":
            states: tuple[Tensor, ...] = rnn(gates, state[0], weight, bias)
        elif self.cell == "gru":
            states = gru(gates, state[0], weight, bias, reset_after=self.reset_after)
        else:
            states = lstm(gates, state[0], state[1], weight, bias)
        return states[0], tuple(ends(each, lengths) for each in states)

    def _in_library(self, x: Tensor, weight: Tensor, lengths: Tensor | None) -> bool:
        """Whether PyTorch's own kernel runs this: cuDNN's of all cells, and of LSTM oneDNN's, which is as fast on a CPU as any.

        They give C after the last step alone, cannot be differentiated twice, and of tokens need the one-hot vectors.
        """
        if torch.compiler.is_compiling() or (self.cell == "lstm" and lengths is not None) or not self.reset_after:
            return False
        if not x.is_floating_point() and self.inputs > NARROW:
            return False
        on_cpu = self.cell == "lstm" and weight.device.type == "cpu" and weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return weight.device.type == "cuda" or (on_cpu and torch.backends.mkldnn.is_available())


def library(cell: Cell, x: Tensor, state: tuple[Tensor, ...], parameters: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction by PyTorch's kernels: from x (step, row, input), the state, and W_ih, W_hh, b_ih, b_hh."""
    first = [part[None].contiguous() for part in state]
    options = (True, 1, 0.0, False, False, False)  # biases, one layer, no dropout, nothing random, one direction, steps first
    if cell == "lstm":
        y, h, c = torch.lstm(x, first, parameters, *options)
        return y, (h[0], c[0])
    y, h = (torch.gru if cell == "gru" else torch.rnn_tanh)(x, first[0], parameters, *options)
    return y, (h[0],)


def turned(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Each row of (step, row, …) from its own end to its beginning; what stands behind the end stays."""
    if lengths is None:
        return x.flip(0)
    step = torch.arange(len(x), device=x.device)[:, None]
    source = torch.where(step < lengths, lengths - 1 - step, step)
    return x.gather(0, source if x.ndim == 2 else source[:, :, None].expand_as(x))


def ends(states: Float[Tensor, "step row width"], lengths: Tensor | None = None) -> Float[Tensor, "row width"]:
    """The state after each row's last step."""
    if lengths is None:
        return states[-1]
    return states.gather(0, (lengths - 1)[None, :, None].expand(1, *states.shape[1:]))[0]
