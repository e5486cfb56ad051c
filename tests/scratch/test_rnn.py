"""RNN, GRU and LSTM against PyTorch's: deep, both directions, length 1, empty batch, carried state; and their limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch.layer_parity import compare
from sonde.scratch.gru import gru
from sonde.scratch.lstm import lstm
from sonde.scratch.recurrent import weight_names
from sonde.scratch.rnn import rnn
from sonde.scratch.tensor import Tensor, concatenate

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
SHAPES = {"layers": st.integers(1, 3), "both": st.booleans(), "bias": st.booleans(), "seed": st.integers(0, 99)}


def arrays(kind: str, steps: int, batch: int, *, layers: int = 1, both: bool = False, bias: bool = True, seed: int = 0) -> list[np.ndarray]:
    """x, the state or states, then the weights in PyTorch's order."""
    rng, hidden, inputs, directions = np.random.default_rng(seed), 5, 3, 2 if both else 1
    shapes = [(steps, batch, inputs)] + [(layers * directions, batch, hidden)] * (2 if kind == "lstm" else 1)
    rows = GATES[kind] * hidden
    for layer in range(layers):
        width = directions * hidden if layer else inputs
        shapes += [(rows, width), (rows, hidden), *[(rows,)] * (2 if bias else 0)] * directions
    return [rng.standard_normal(shape) / 2 for shape in shapes]  # larger weights make float32 differ from itself


def flat(parts: list[Tensor]) -> Tensor:
    return concatenate([part.reshape(part.size) for part in parts], axis=0)


def mine(kind: str, *, layers: int = 1, both: bool = False, bias: bool = True) -> Callable[..., Tensor]:
    names = weight_names(layers=layers, bidirectional=both, bias=bias)

    def call(x: Tensor, h: Tensor, *rest: Tensor) -> Tensor:
        if kind == "lstm":
            y, states = lstm(x, (h, rest[0]), dict(zip(names, rest[1:], strict=True)))
            return flat([y, *states])
        weights = dict(zip(names, rest, strict=True))
        return flat(list(gru(x, h, weights) if kind == "gru" else rnn(x, h, weights, nonlinearity=kind.removeprefix("rnn_"))))

    return call


def theirs(kind: str, *, layers: int = 1, both: bool = False, bias: bool = True) -> Callable[..., torch.Tensor]:
    def call(x: torch.Tensor, h: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        state, weights = ((h, rest[0]), rest[1:]) if kind == "lstm" else (h, rest)
        return torch.cat([part.reshape(-1) for part in getattr(torch, kind)(x, state, weights, bias, layers, 0.0, False, both, False)])

    return call


@pytest.mark.parametrize("kind", GATES)
@given(steps=st.integers(1, 5), batch=st.integers(1, 4), **SHAPES)
@settings(max_examples=12, deadline=None)
def test_agrees_with_pytorch(kind: str, steps: int, batch: int, layers: int, both: bool, bias: bool, seed: int) -> None:
    form = {"layers": layers, "both": both, "bias": bias}
    compare(mine(kind, **form), theirs(kind, **form), *arrays(kind, steps, batch, **form, seed=seed))


@pytest.mark.parametrize("kind", GATES)
def test_an_empty_batch_has_no_outputs_and_gradients_of_zero(kind: str) -> None:
    tensors = [Tensor(array, requires_grad=True) for array in arrays(kind, 4, 0)]
    y = mine(kind)(*tensors)
    assert y.size == 0
    y.backward(np.zeros(0))
    for tensor in tensors:
        assert tensor.grad is not None and tensor.grad.shape == tensor.shape and not tensor.grad.any()


@pytest.mark.parametrize("kind", GATES)
def test_carried_state_makes_two_pieces_one_sequence(kind: str) -> None:
    x, *rest = [Tensor(array) for array in arrays(kind, 7, 2, layers=2)]
    states, weights = rest[: 2 if kind == "lstm" else 1], dict(zip(weight_names(layers=2), rest[2 if kind == "lstm" else 1 :], strict=True))

    def run(x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if kind == "lstm":
            y, both = lstm(x, (state[0], state[1]), weights)
            return y, list(both)
        y, h = gru(x, state[0], weights) if kind == "gru" else rnn(x, state[0], weights, nonlinearity=kind.removeprefix("rnn_"))
        return y, [h]

    whole, end = run(x, states)
    first, middle = run(x[:3], states)
    second, last = run(x[3:], middle)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, rtol=0, atol=1e-14)
    for one, other in zip(last, end, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=0, atol=1e-14)


def test_no_state_is_a_state_of_zeros() -> None:
    x, h, *rest = arrays("gru", 4, 2)
    weights = dict(zip(weight_names(), rest, strict=True))
    np.testing.assert_array_equal(gru(x, None, weights)[0].data, gru(x, 0 * h, weights)[0].data)
    np.testing.assert_array_equal(rnn(x, None, cut(weights, 5))[0].data, rnn(x, 0 * h, cut(weights, 5))[0].data)


def cut(weights: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    return {name: weight[:rows] for name, weight in weights.items()}


def test_without_the_hidden_weights_an_rnn_is_an_mlp_on_each_input() -> None:
    x, h, *rest = arrays("rnn_tanh", 6, 3)
    weights = dict(zip(weight_names(), rest, strict=True))
    weights["weight_hh_l0"] = 0 * weights["weight_hh_l0"]
    mlp = np.tanh(x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"] + weights["bias_hh_l0"])
    np.testing.assert_allclose(rnn(x, h, weights)[0].data, mlp, rtol=0, atol=1e-14)


def test_truncation_cuts_the_gradient_at_a_detached_state() -> None:
    x, h, *rest = arrays("rnn_tanh", 6, 3)
    weights, first = dict(zip(weight_names(), rest, strict=True)), Tensor(x[:3], requires_grad=True)
    y, state = rnn(first, h, weights)
    kept, _ = rnn(x[3:], state.detach(), weights)
    (y.sum() * 0 + kept.sum()).backward()
    assert first.grad is not None and not first.grad.any()


def test_bad_shapes_are_named() -> None:
    x, h, *rest = arrays("gru", 4, 2)
    weights = dict(zip(weight_names(), rest, strict=True))
    with pytest.raises(ValueError, match=r"takes x \(steps ≥ 1, batch, 3\).*not \(0, 2, 3\)"):
        gru(x[:0], h, weights)
    with pytest.raises(ValueError, match=r"takes x \(steps ≥ 1, batch, 3\).*not \(4, 2, 2\)"):
        gru(x[:, :, :2], h, weights)
    with pytest.raises(ValueError, match=r"state is .*\(1, 2, 5\), not \(1, 1, 5\)"):
        gru(x, h[:, :1], weights)
    with pytest.raises(ValueError, match=r"weight_hh_l0 \(15, 5\) of a layer with 1 gates is"):
        rnn(x, h, weights)
    with pytest.raises(ValueError, match=r"found \['kernel'\]"):
        gru(x, h, {"kernel": rest[0]})
    with pytest.raises(ValueError, match="'tanh' or 'relu', not 'sin'"):
        rnn(x, h, weights, nonlinearity="sin")
