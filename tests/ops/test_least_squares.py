"""The least-squares solver against NumPy's in float64, on easy and on hopeless columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonde.ops import least_squares
from sonde.ops.least_squares import solve, solve_rows


def _reference(x: Tensor, y: Tensor, ridge: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    a, b = x.double().numpy(), y.double().numpy().reshape(len(y), -1)
    centred = a - a.mean(0)
    extra = np.sqrt(len(a) * ridge) * np.eye(a.shape[1])
    weight = np.linalg.lstsq(np.vstack([centred, extra]), np.vstack([b - b.mean(0), 0 * extra[:, :1] @ b[:1]]), rcond=1e-12)[0]
    return weight, b.mean(0) - a.mean(0) @ weight


def _problem(rows: int, columns: int, outputs: int, *, seed: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator, dtype=dtype) * torch.logspace(-2, 3, columns, dtype=dtype) + 7
    y = x @ torch.randn(columns, outputs, generator=generator, dtype=dtype) + torch.randn(rows, outputs, generator=generator, dtype=dtype)
    return x, y


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(30, 300), columns=st.integers(1, 12), outputs=st.integers(1, 3), seed=st.integers(0, 99), ridge=st.sampled_from([0.0, 0.1]))
def test_agrees_with_numpy_in_float64(rows: int, columns: int, outputs: int, seed: int, ridge: float) -> None:
    x, y = _problem(rows, columns, outputs, seed=seed, dtype=torch.float64)
    weight, bias, solution = solve(x, y, ridge=ridge)
    expected, expected_bias = _reference(x, y, ridge)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(bias.numpy(), expected_bias, rtol=1e-6, atol=1e-6)
    assert solution.rank == columns


def test_float32_reaches_float32_accuracy_with_means_far_from_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 20, generator=generator) + 1000
    y = x @ torch.randn(20, 1, generator=generator) + 0.1 * torch.randn(20_000, 1, generator=generator)
    weight, _, solution = solve(x, y)
    np.testing.assert_allclose(weight.numpy(), _reference(x, y)[0], rtol=0, atol=2e-5)
    assert solution.method == "cholesky"
    assert solution.correction < 1e-3


def test_blocks_change_nothing() -> None:
    x, y = _problem(1000, 5, 2, seed=3, dtype=torch.float64)
    whole, _, _ = solve(x, y)
    empty = (x[:0], y[:0])
    parts = [empty, *[(x[i : i + 90], y[i : i + 90]) for i in range(0, 1000, 90)], empty]
    cut, _, solution = solve_rows(parts)
    torch.testing.assert_close(whole, cut, rtol=1e-10, atol=1e-12)
    assert solution.rows == 1000


def test_equal_columns_share_their_weight_and_it_is_said() -> None:
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, x[:, :1]], dim=1)
    y = 4 * x[:, 0] - x[:, 2] + 1
    weight, bias, solution = solve(x, y)
    np.testing.assert_allclose(weight[:, 0].numpy(), [2, 0, -1, 2], atol=1e-5)
    assert bias.item() == pytest.approx(1, abs=1e-5)
    assert (solution.method, solution.rank, solution.columns) == ("eigenvalues", 3, 4)
    assert "1 of 4 columns are constant or combinations of others" in solution.message


def test_all_one_hot_columns_beside_a_bias() -> None:
    codes = torch.arange(60) % 3
    x = torch.nn.functional.one_hot(codes, 4).float()  # the fourth code never occurs
    y = torch.tensor([1.0, 2.0, 6.0])[codes]
    weight, bias, solution = solve(x, y)
    torch.testing.assert_close(x @ weight[:, 0] + bias, y)
    assert weight[3].item() == 0
    assert solution.rank == 2


@pytest.mark.parametrize("value", [0.0, 5.0, 1e6 / 3])
def test_constant_columns_get_no_weight(value: float) -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(1))
    x[:, 1] = value
    y = 2 * x[:, 0] + 3
    weight, _, solution = solve(x, y)
    np.testing.assert_allclose(weight[:, 0].numpy(), [2, 0, 0], atol=1e-5)
    assert solution.rank == 2


def test_nearly_dependent_columns_take_the_safe_way() -> None:
    grid = torch.linspace(0, 1, 400, dtype=torch.float64)
    x = torch.stack([grid**power for power in range(1, 10)], dim=1)
    y = torch.sin(6 * grid)
    weight, bias, solution = solve(x, y)
    expected, _ = _reference(x, y)
    assert solution.method == "svd"
    assert solution.rank == 9
    assert solution.condition > 1e6
    assert "nearly dependent" in solution.message
    ours, theirs = x @ weight[:, 0] + bias, x.numpy() @ expected[:, 0] + float(bias)
    assert (ours - y).square().mean() < 1.0001 * np.square(theirs - theirs.mean() + y.mean().item() - y.numpy()).mean() + 1e-12


def test_float32_polynomials_predict_as_well_as_float64_ones() -> None:
    grid = torch.linspace(-1, 1, 2000)
    x = torch.stack([grid**power for power in range(1, 12)], dim=1)
    y = torch.sin(5 * grid) + 0.1 * torch.randn(2000, generator=torch.Generator().manual_seed(2))
    weight, bias, _ = solve(x, y)
    expected, expected_bias = _reference(x, y)
    ours = (x @ weight[:, 0] + bias - y).square().mean().item()
    theirs = np.square(x.numpy() @ expected[:, 0] + expected_bias - y.numpy()).mean()
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_float32_columns_that_differ_by_a_millionth() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50_000, 10, generator=generator)
    x[:, -1] = x[:, 0] + 1e-5 * x[:, -1]
    y = x.sum(1) + torch.randn(50_000, generator=generator)
    weight, _, solution = solve(x, y)
    expected, _ = _reference(x, y)
    assert (solution.method, solution.rank) == ("eigenvalues", 10)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-4)


def test_float64_rows_that_are_dependent() -> None:
    x = torch.randn(300, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, x[:, :1] + x[:, 1:2]], dim=1)
    y = x[:, 0] + 2 * x[:, 3]
    weight, bias, solution = solve(x, y)
    assert (solution.method, solution.rank) == ("svd", 4)
    torch.testing.assert_close(x @ weight[:, 0] + bias, y)


def test_nothing_but_constant_columns() -> None:
    weight, bias, solution = solve(torch.full((9, 2), 3.0), torch.arange(9.0))
    assert (weight.tolist(), bias.item(), solution.rank) == ([[0], [0]], 4, 0)


def test_rows_sorted_so_that_the_first_block_misleads() -> None:
    x = torch.cat([torch.zeros(20_000, 1), torch.full((20_000, 1), 1e6) + torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))])
    x = torch.cat([x, torch.randn(40_000, 1, generator=torch.Generator().manual_seed(1))], dim=1)
    y = x @ torch.tensor([3.0, 2.0])
    size = x.double().std(0)[:, None].numpy()
    np.testing.assert_allclose(size * solve(x, y)[0].numpy(), size * _reference(x, y)[0], atol=1e-6 * size.max())


def test_fewer_rows_than_columns() -> None:
    x = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    y = torch.randn(5, generator=torch.Generator().manual_seed(1))
    weight, bias, solution = solve(x, y)
    torch.testing.assert_close(x @ weight[:, 0] + bias, y, rtol=1e-4, atol=1e-4)
    assert solution.rank == 4


def test_ridge_is_the_penalty_of_weight_decay() -> None:
    x, y = _problem(100, 3, 1, seed=0, dtype=torch.float64)
    weight, bias, _ = solve(x, y, ridge=0.5)
    weight, bias = weight.requires_grad_(), bias.requires_grad_()
    loss = (y - x @ weight - bias).square().mean() / 2 + 0.5 * weight.square().sum() / 2
    gradients = torch.autograd.grad(loss, (weight, bias))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-9


def test_refuses_what_is_not_finite_and_what_is_empty() -> None:
    x = torch.ones(4, 2)
    with pytest.raises(ValueError, match="needs finite numbers"):
        solve(x, torch.tensor([1.0, 2.0, float("nan"), 3.0]))
    with pytest.raises(ValueError, match="at least one row"):
        solve(x[:0], torch.ones(0))


def test_every_way_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = tuple(part.float() for part in _problem(300, 4, 1, seed=5, dtype=torch.float64))
    wide = tuple(part.double() for part in narrow)
    answers = [solve(*wide), solve(*narrow)]
    for dtype in (torch.float64, torch.float32):
        monkeypatch.setitem(least_squares.WORST_CONDITION, dtype, 0.5)
    answers += [solve(*wide), solve(*narrow)]
    assert [solution.method for _, _, solution in answers] == ["cholesky", "cholesky", "svd", "eigenvalues"]
    weight, bias, first = answers[0]
    size = wide[0].std(0)[:, None]
    for other, other_bias, solution in answers[1:]:
        tolerance = 1e-9 if other.dtype == torch.float64 else 1e-6
        torch.testing.assert_close(size * other.double(), size * weight, rtol=0, atol=tolerance * float(wide[1].std()))
        torch.testing.assert_close(other_bias.double(), bias, rtol=0, atol=10 * tolerance * float(wide[1].std()))
        assert solution.condition == pytest.approx(first.condition, rel=1e-3)
