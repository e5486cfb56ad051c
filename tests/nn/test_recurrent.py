"""RNN, GRU and LSTM: equal to torch.nn's, twice differentiable, and what each becomes when its gates stand open or shut."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from sonde.nn.recurrent import PARTS, SUMS, Cell, Recurrent, library
from sonde.ops import recurrent as forms
from sonde.ops.gru import gru, gru_steps, gru_steps_before
from sonde.ops.lstm import lstm, lstm_steps
from sonde.ops.rnn import rnn, rnn_steps

THEIRS: dict[Cell, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
STEPS, ROWS, INPUTS, WIDTH = 6, 4, 5, 3


def gru_before(*inputs: Tensor) -> tuple[Tensor, ...]:
    return gru(*inputs, reset_after=False)


OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Cell]] = {
    "rnn": (rnn, rnn_steps, "rnn"),
    "gru": (gru, gru_steps, "gru"),
    "gru-before": (gru_before, gru_steps_before, "gru"),
    "lstm": (lstm, lstm_steps, "lstm"),
}


def draws(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def arguments(cell: Cell, *, steps: int = STEPS, rows: int = ROWS, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """gates, the first state, W_hh and b_hh."""
    sums = SUMS[cell] * WIDTH
    shapes = [(steps, rows, sums), *[(rows, WIDTH)] * PARTS[cell], (sums, WIDTH), (sums,)]
    return [draws(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def weights(layer: nn.Module, seed: int = 7) -> None:
    with torch.no_grad():
        for place, parameter in enumerate(layer.parameters()):
            parameter.copy_(0.5 * draws(*parameter.shape, seed=seed + place))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("steps", "rows"), [(STEPS, ROWS), (1, 2), (3, 0)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_fast_and_readable_forms_are_equal(name: str, steps: int, rows: int, dtype: torch.dtype) -> None:
    fast, readable, cell = OPERATIONS[name]
    given = arguments(cell, steps=steps, rows=rows, dtype=dtype)
    assert forms.runs_fast(*given)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for ours, theirs in zip(fast(*given), readable(*given), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    above = [draws(*y.shape, seed=20 + place, dtype=dtype) for place, y in enumerate(readable(*given))]
    ours, theirs = (torch.autograd.grad(form(*given), given, above) for form in (fast, readable))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_are_those_of_differences_once_and_twice(name: str) -> None:
    fast, _, cell = OPERATIONS[name]
    given = arguments(cell, steps=3, rows=2)
    assert gradcheck(fast, given)
    assert gradgradcheck(fast, given)


@pytest.mark.parametrize("cell", THEIRS)
def test_the_kernels_of_pytorch_compute_the_same(cell: Cell) -> None:
    """As on a GPU, and for an LSTM in float32 on a CPU."""
    layer = Recurrent(cell, INPUTS, WIDTH).double()
    x, state = draws(STEPS, ROWS, INPUTS), tuple(draws(ROWS, WIDTH, seed=seed) for seed in range(PARTS[cell]))
    y, last = library(cell, x, state, list(layer.parameters()))
    ours, after = layer(x, tuple(part[:, None] for part in state))
    torch.testing.assert_close(y, ours, rtol=1e-12, atol=1e-12)
    for a, b in zip(last, after, strict=True):
        torch.testing.assert_close(a, b[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [ROWS, 0])
def test_an_lstm_of_tokens_in_either_precision(rows: int) -> None:
    layer = Recurrent("lstm", INPUTS, WIDTH, layers=2, bidirectional=True)
    twin = copy.deepcopy(layer).double()
    tokens = torch.randint(INPUTS, (STEPS, rows), generator=torch.Generator().manual_seed(1))
    found = [torch.autograd.grad(each(tokens)[0].square().sum(), list(each.parameters())) for each in (layer, twin)]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer(tokens)[1][1].double(), twin(tokens)[1][1], rtol=1e-4, atol=1e-5)


def test_only_the_memory_is_asked_for() -> None:
    given = arguments("lstm")
    ours, theirs = (torch.autograd.grad(form(*given)[1].sum(), given) for form in (lstm, lstm_steps))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", THEIRS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
def test_equal_to_torch(cell: Cell, layers: int, both: bool) -> None:
    """The same keys, shapes, values, states and gradients, with lengths and without."""
    ours = Recurrent(cell, INPUTS, WIDTH, layers=layers, bidirectional=both).double()
    theirs = THEIRS[cell](INPUTS, WIDTH, layers, bidirectional=both).double()
    weights(theirs)
    ours.load_state_dict(theirs.state_dict())
    x, first = draws(STEPS, ROWS, INPUTS), draws(PARTS[cell], layers * (1 + both), ROWS, WIDTH, seed=3)
    lengths = torch.tensor([6, 2, 1, 4])
    for limit in (None, lengths):
        y, last = ours(x, tuple(part.transpose(0, 1) for part in first), limit)
        given = x if limit is None else nn.utils.rnn.pack_padded_sequence(x, limit, enforce_sorted=False)
        expected, state = theirs(given, tuple(first) if cell == "lstm" else first[0])
        if limit is not None:
            expected, _ = nn.utils.rnn.pad_packed_sequence(expected)
        state = state if cell == "lstm" else (state,)
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
        for a, b in zip(last, state, strict=True):
            torch.testing.assert_close(a.transpose(0, 1), b, rtol=1e-10, atol=1e-10)
        above, beside = draws(*y.shape, seed=9), draws(*last[0].shape, seed=10)
        found = torch.autograd.grad((y * above).sum() + sum((part * beside).sum() for part in last), list(ours.parameters()))
        wanted = torch.autograd.grad(
            (expected * above).sum() + sum((part.transpose(0, 1) * beside).sum() for part in state), list(theirs.parameters())
        )
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", THEIRS)
def test_tokens_are_one_hot_vectors(cell: Cell) -> None:
    layer = Recurrent(cell, INPUTS, WIDTH, bidirectional=True).double()
    weights(layer)
    tokens, lengths = torch.randint(INPUTS, (STEPS, ROWS), generator=torch.Generator().manual_seed(1)), torch.tensor([6, 3, 1, 5])
    for limit in (None, lengths):
        ours, theirs = layer(tokens, None, limit)[0], layer(F.one_hot(tokens, INPUTS).double(), None, limit)[0]
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        for a, b in zip(*(torch.autograd.grad(y.square().sum(), list(layer.parameters())) for y in (ours, theirs)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("cell", THEIRS)
def test_padding_changes_nothing(cell: Cell) -> None:
    layer = Recurrent(cell, INPUTS, WIDTH, layers=2, bidirectional=True).double()
    x, lengths = draws(STEPS, ROWS, INPUTS), torch.tensor([6, 2, 1, 4])
    y, state = layer(x, None, lengths)
    longer = torch.cat([x, torch.full((3, ROWS, INPUTS), 1e3, dtype=torch.float64)])
    padded, other = layer(longer, None, lengths)
    assert torch.equal(padded[:STEPS], y)
    assert not padded[STEPS:].any()
    assert all(torch.equal(a, b) for a, b in zip(state, other, strict=True))
    for row, length in enumerate(lengths):
        alone, own = layer(x[:length, row : row + 1])
        torch.testing.assert_close(y[:length, row : row + 1], alone, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(state[0][row : row + 1], own[0], rtol=1e-12, atol=1e-12)


def test_an_open_update_gate_keeps_the_state() -> None:
    """Z = 1 keeps H."""
    for form in (gru, gru_before):
        gates, h, weight, bias = arguments("gru")
        bias = torch.cat([bias[:WIDTH], torch.full((WIDTH,), 1e3), bias[2 * WIDTH :]])
        for state in form(gates, h, weight, bias)[0]:
            assert torch.equal(state, h)


def test_a_gru_without_gates_is_an_rnn_and_without_the_past_an_mlp() -> None:
    """Z = 0 and R = 1 is an RNN; Z = R = 0 an MLP on the step alone."""
    gates, h, weight, bias = arguments("gru")
    far = torch.full((WIDTH,), 1e3, dtype=torch.float64)
    own = slice(2 * WIDTH, None)
    for form in (gru, gru_before):
        (open_reset,) = form(gates, h, weight, torch.cat([far, -far, bias[own]]))
        torch.testing.assert_close(open_reset, rnn(gates[:, :, own], h, weight[own], bias[own])[0], rtol=1e-12, atol=1e-12)
    (shut,) = gru(gates, h, weight, torch.cat([-far, -far, bias[own]]))
    assert torch.equal(shut, torch.tanh(gates[:, :, own]))
    (shut,) = gru_before(gates, h, weight, torch.cat([-far, -far, bias[own]]))
    assert torch.equal(shut, torch.tanh(gates[:, :, own] + bias[own]))


def test_an_lstm_with_the_forget_gate_open_and_the_input_gate_shut_keeps_its_memory() -> None:
    """F = 1 and I = 0 keep C."""
    gates, h, c, weight, bias = arguments("lstm")
    far = torch.full((WIDTH,), 1e3, dtype=torch.float64)
    for memory in lstm(gates, h, c, weight, torch.cat([-far, far, bias[2 * WIDTH :]]))[1]:
        assert torch.equal(memory, c)


def test_without_recurrent_weights_each_step_is_an_mlp_of_its_own() -> None:
    layer = Recurrent("rnn", INPUTS, WIDTH).double()
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0").zero_()
    x = draws(STEPS, ROWS, INPUTS)
    y, _ = layer(x, (draws(ROWS, 1, WIDTH, seed=4),))
    expected = torch.tanh(F.linear(x, layer.get_parameter("weight_ih_l0"), layer.get_parameter("bias_ih_l0")) + layer.get_parameter("bias_hh_l0"))
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", THEIRS)
def test_the_state_carries_a_text_on_wherever_it_is_cut(cell: Cell) -> None:
    layer = Recurrent(cell, INPUTS, WIDTH, layers=2).double()
    x = draws(STEPS, ROWS, INPUTS)
    whole, last = layer(x)
    first, state = layer(x[:2])
    rest, state = layer(x[2:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole, rtol=1e-12, atol=1e-12)
    assert all(part.shape == (ROWS, 2, WIDTH) for part in state)
    for a, b in zip(state, last, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_dropout_is_between_layers_alone_and_only_in_training() -> None:
    torch.manual_seed(0)
    one, two = (Recurrent("gru", INPUTS, WIDTH, layers=layers, dropout=0.5).double() for layers in (1, 2))
    x = draws(STEPS, ROWS, INPUTS)
    assert torch.equal(one(x)[0], one.eval()(x)[0])
    assert not torch.equal(two(x)[0], two(x)[0])
    two.eval()
    assert torch.equal(two(x)[0], two(x)[0])


@pytest.mark.parametrize("cell", SUMS)
def test_recurrent_dropout_is_of_weights_for_all_steps_of_a_call(cell: Cell) -> None:
    torch.manual_seed(0)
    layer, x = Recurrent(cell, INPUTS, WIDTH, recurrent_dropout=0.5).double(), draws(STEPS, ROWS, INPUTS)
    torch.manual_seed(1)
    y = layer(x)[0]
    y.sum().backward()
    gradient = layer.weight_hh_l0.grad
    torch.manual_seed(1)
    mask = layer.recurrent_dropout(torch.ones_like(layer.weight_hh_l0))
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    assert gradient is not None
    assert (gradient[mask == 0] == 0).all()
    assert not torch.equal(layer(x)[0], y)
    layer.eval()
    whole = layer(x)[0]
    with torch.no_grad():
        layer.weight_hh_l0 *= mask
    torch.testing.assert_close(layer(x)[0], y, rtol=1e-12, atol=1e-12)
    assert not torch.equal(whole, y)


def test_first_weights() -> None:
    layer = Recurrent("lstm", INPUTS, WIDTH)
    assert all(parameter.abs().max() <= WIDTH**-0.5 for name, parameter in layer.named_parameters() if name.startswith("weight"))
    assert layer.get_parameter("bias_ih_l0").tolist() == [0.0] * WIDTH + [1.0] * WIDTH + [0.0] * 2 * WIDTH
