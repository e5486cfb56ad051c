"""What RNN, GRU and LSTM share: layers on top of each other, and both directions side by side.

The weights tell the shape: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 belong to layer 0, those with _l1 to the
layer above it, those ending in _reverse to the layer that reads from the end (Schuster and Paliwal 1997). The output of
a layer, both directions concatenated, is the input of the next. Names and shapes are torch.nn.RNN's, GRU's and LSTM's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor, concatenate, stack

Array = Tensor | np.ndarray
Weights = Mapping[str, Array]
State = tuple[Tensor, ...]
Layer = Callable[[Tensor, State, dict[str, Array]], tuple[Tensor, State]]
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def deep(x: Array, state: tuple[Array, ...] | None, weights: Weights, layer: Layer, *, gates: int, parts: int = 1) -> tuple[Tensor, State]:
    """Run `layer` for every layer and direction: from x (steps, batch, inputs) → (steps, batch, directions · hidden), state.

    The state is `parts` tensors (layers · directions, batch, hidden), zeros where None is given. `layer` maps x, the own
    state (batch, hidden) and the own weights, named without layer and direction, to outputs (steps, batch, hidden) and
    the state after the last step.
    """
    x = as_tensor(x)
    ends = [end for k in range(len(weights)) for end in (f"_l{k}", f"_l{k}_reverse") if f"weight_ih{end}" in weights]
    _check(x, state, weights, ends, gates)
    hidden = weights[f"weight_hh{ends[0]}"].shape[1]
    zeros = np.zeros((len(ends), x.shape[1], hidden), x.dtype)
    state = tuple(as_tensor(s) for s in (state or (zeros,) * parts))
    last: list[State] = []
    for _, both in itertools.groupby(ends, key=lambda end: end.removesuffix("_reverse")):
        outputs = []
        for end in both:
            own = {part: weights[part + end] for part in PARTS if part + end in weights}
            back = end.endswith("_reverse")
            y, after = layer(x[::-1] if back else x, tuple(s[len(last)] for s in state), own)
            outputs.append(y[::-1] if back else y)
            last.append(after)
        x = outputs[0] if len(outputs) == 1 else concatenate(outputs, axis=-1)
    return x, tuple(stack(list(part), axis=0) for part in zip(*last, strict=True))


def weight_names(*, layers: int = 1, bidirectional: bool = False, bias: bool = True) -> list[str]:
    """The names of all weights in PyTorch's order, from the lowest layer up."""
    ends = [f"_l{k}{direction}" for k in range(layers) for direction in (("", "_reverse") if bidirectional else ("",))]
    return [part + end for end in ends for part in (PARTS if bias else PARTS[:2])]


def _check(x: Tensor, state: tuple[Array, ...] | None, weights: Weights, ends: list[str], gates: int) -> None:
    if not ends:
        raise ValueError(f"a recurrent layer needs weights weight_ih_l0, weight_hh_l0 …, found {sorted(weights)}")
    inputs, (rows, hidden) = weights[f"weight_ih{ends[0]}"].shape[1], weights[f"weight_hh{ends[0]}"].shape
    if rows != gates * hidden:
        raise ValueError(f"weight_hh_l0 {(rows, hidden)} of a layer with {gates} gates is (gates · hidden, hidden)")
    if x.ndim != 3 or len(x) == 0 or x.shape[2] != inputs:
        raise ValueError(f"a recurrent layer takes x (steps ≥ 1, batch, {inputs}), the width of weight_ih_l0, not {x.shape}")
    wanted = (len(ends), x.shape[1], hidden)
    wrong = [s.shape for s in state or () if s.shape != wanted]
    if wrong:
        raise ValueError(f"a recurrent layer's state is (layers · directions, batch, hidden) {wanted}, not {wrong[0]}")
