"""The GRU's two reset forms, and the networks it turns into when its gates stand open or shut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from scratch.layer_parity import compare
from sonde.scratch.gru import gru, gru_cell
from sonde.scratch.recurrent import weight_names
from sonde.scratch.rnn import rnn
from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor, gradients

N, INPUTS, STEPS, BATCH = 4, 3, 5, 2
OPEN, SHUT = 1e3, -1e3
Gru = Callable[..., tuple[Tensor, Tensor]]


def setting(seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    shapes = [(3 * N, INPUTS), (3 * N, N), (3 * N,), (3 * N,)]
    weights = {name: rng.standard_normal(shape) for name, shape in zip(weight_names(), shapes, strict=True)}
    return rng.standard_normal((STEPS, BATCH, INPUTS)), rng.standard_normal((1, BATCH, N)), weights


def with_gates(weights: dict[str, np.ndarray], *, r: float | None = None, z: float | None = None) -> dict[str, np.ndarray]:
    """The biases of the gates so large that they stand open (1) or shut (0)."""
    bias = weights["bias_ih_l0"].copy()
    if r is not None:
        bias[:N] = r
    if z is not None:
        bias[N : 2 * N] = z
    return weights | {"bias_ih_l0": bias}


def candidate_alone(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: weight[2 * N :] for name, weight in weights.items()}


def before_the_product(x: torch.Tensor, h: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    """The paper's form written out gate by gate."""
    w_ih, w_hh, b_ih, b_hh = [weight.chunk(3) for weight in weights]
    (h,), outputs = h, []
    for x_t in x:
        r, z = (torch.sigmoid(x_t @ w_ih[k].T + b_ih[k] + h @ w_hh[k].T + b_hh[k]) for k in (0, 1))
        candidate = torch.tanh(x_t @ w_ih[2].T + b_ih[2] + (r * h) @ w_hh[2].T + b_hh[2])
        h = z * h + (1 - z) * candidate
        outputs.append(h)
    return torch.stack(outputs)


@pytest.mark.parametrize("steps", [1, 5])
def test_reset_before_the_product_agrees_with_the_formula(steps: int) -> None:
    x, h, weights = setting()
    compare(
        lambda x, h, *w: gru(x, h, dict(zip(weight_names(), w, strict=True)), reset_after=False)[0],
        before_the_product,
        x[:steps],
        h,
        *weights.values(),
    )


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_is_its_cell_step_by_step(reset_after: bool, bias: bool) -> None:
    x, h, weights = setting()
    weights = weights if bias else {name: weight for name, weight in weights.items() if "bias" not in name}

    def stepwise(x: Tensor, h: Tensor, weights: dict[str, Tensor]) -> Tensor:
        total, state = Tensor(0.0), h[0]
        for t in range(STEPS):
            gates = x[t] @ weights["weight_ih_l0"].T + (weights["bias_ih_l0"] if bias else 0.0)
            state = gru_cell(gates, state, weights["weight_hh_l0"], weights.get("bias_hh_l0"), reset_after=reset_after)
            total = total + (state * state).sum()
        return total

    def layer(x: Tensor, h: Tensor, weights: dict[str, Tensor]) -> Tensor:
        y, _ = gru(x, h, weights, reset_after=reset_after)
        return (y * y).sum()

    results = []
    for form in (stepwise, layer):
        tensors = [Tensor(array, requires_grad=True) for array in (x, h, *weights.values())]
        loss = form(tensors[0], tensors[1], dict(zip(weights, tensors[2:], strict=True)))
        loss.backward()
        results.append([loss.data, *[tensor.grad for tensor in tensors]])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_the_two_forms_agree_when_the_reset_gate_is_open_and_differ_otherwise() -> None:
    x, h, weights = setting()
    wide = with_gates(weights, r=OPEN)
    np.testing.assert_allclose(gru(x, h, wide)[0].data, gru(x, h, wide, reset_after=False)[0].data, rtol=0, atol=1e-14)
    assert np.abs(gru(x, h, weights)[0].data - gru(x, h, weights, reset_after=False)[0].data).max() > 1e-3


@pytest.mark.parametrize("reset_after", [True, False])
def test_z_one_keeps_h(reset_after: bool) -> None:
    x, h, weights = setting()
    y, last = gru(x, h, with_gates(weights, z=OPEN), reset_after=reset_after)
    np.testing.assert_array_equal(y.data, np.repeat(h, STEPS, axis=0))
    np.testing.assert_array_equal(last.data, h)


@pytest.mark.parametrize("reset_after", [True, False])
def test_z_zero_and_r_one_is_an_rnn(reset_after: bool) -> None:
    x, h, weights = setting()
    y, _ = gru(x, h, with_gates(weights, z=SHUT, r=OPEN), reset_after=reset_after)
    np.testing.assert_allclose(y.data, rnn(x, h, candidate_alone(weights))[0].data, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reset_after", [True, False])
def test_z_and_r_zero_is_an_mlp(reset_after: bool) -> None:
    x, h, weights = setting()
    weights["bias_hh_l0"][2 * N :] = 0  # after the product the reset gate shuts this bias out as well
    y, _ = gru(x, h, with_gates(weights, z=SHUT, r=SHUT), reset_after=reset_after)
    own = candidate_alone(weights)
    np.testing.assert_allclose(y.data, np.tanh(x @ own["weight_ih_l0"].T + own["bias_ih_l0"]), rtol=0, atol=1e-14)


def test_large_inputs_saturate_and_stay_finite() -> None:
    x, h, weights = setting()
    tensor = Tensor((1e4 * x).astype(np.float32), requires_grad=True)
    y, _ = gru(tensor, h.astype(np.float32), {name: weight.astype(np.float32) for name, weight in weights.items()})
    y.sum().backward()
    assert np.isfinite(y.data).all() and tensor.grad is not None and np.isfinite(tensor.grad).all()


def test_second_derivatives_go_through_the_cell() -> None:
    x, h, weights = setting()
    state = Tensor(h, requires_grad=True)
    with pytest.raises(OperationError, match="gru: its backward rule is written by hand"):
        gradients(gru(x, state, weights)[0].sum(), [state], again=True)
    gates = Tensor(x[0] @ weights["weight_ih_l0"].T)
    (slope,) = gradients((gru_cell(gates, state[0], weights["weight_hh_l0"]) ** 2).sum(), [state], again=True)
    (curvature,) = gradients(slope.sum(), [state])
    assert np.abs(curvature.data).max() > 0
