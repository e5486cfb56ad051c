"""The LSTM's limits; its values and gradients are compared in test_rnn.py."""

from __future__ import annotations

import numpy as np
import pytest

from sonde.scratch.lstm import lstm, lstm_cell
from sonde.scratch.recurrent import weight_names
from sonde.scratch.tensor import Tensor

N, INPUTS, STEPS, BATCH = 4, 3, 5, 2


def setting(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    shapes = [(4 * N, INPUTS), (4 * N, N), (4 * N,), (4 * N,)]
    weights = {name: rng.standard_normal(shape) for name, shape in zip(weight_names(), shapes, strict=True)}
    return rng.standard_normal((STEPS, BATCH, INPUTS)), rng.standard_normal((1, BATCH, N)), rng.standard_normal((1, BATCH, N)), weights


def test_f_one_and_i_zero_keep_c() -> None:
    x, h, c, weights = setting()
    weights["bias_ih_l0"][:N], weights["bias_ih_l0"][N : 2 * N] = -1e3, 1e3
    _, (_, last) = lstm(x, (h, c), weights)
    np.testing.assert_array_equal(last.data, c)


def test_f_zero_forgets_c() -> None:
    x, h, c, weights = setting()
    weights["bias_ih_l0"][N : 2 * N] = -1e3
    np.testing.assert_array_equal(lstm(x, (h, c), weights)[0].data, lstm(x, (h, 5 * c), weights)[0].data)


def test_the_layer_is_its_cell_step_by_step() -> None:
    arrays = setting()
    results = []
    for whole in (True, False):
        tensors = [Tensor(array, requires_grad=True) for array in (*arrays[:3], *arrays[3].values())]
        (x, h, c), weights = tensors[:3], dict(zip(arrays[3], tensors[3:], strict=True))
        if whole:
            y, (h_n, c_n) = lstm(x, (h, c), weights)
            loss = (y * y).sum() + (h_n * c_n).sum()
        else:
            loss, h_n, c_n = Tensor(0.0), h[0], c[0]
            for t in range(STEPS):
                gates = x[t] @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
                h_n, c_n = lstm_cell(gates, h_n, c_n, weights["weight_hh_l0"], weights["bias_hh_l0"])
                loss = loss + (h_n * h_n).sum()
            loss = loss + (h_n * c_n).sum()
        loss.backward()
        results.append([loss.data, *[tensor.grad for tensor in tensors]])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_state_of_the_wrong_shape_is_named() -> None:
    x, h, c, weights = setting()
    with pytest.raises(ValueError, match=r"state is .*\(1, 2, 4\), not \(1, 2, 3\)"):
        lstm(x, (h, c[:, :, :3]), weights)
