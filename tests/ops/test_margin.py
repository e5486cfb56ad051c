"""The widest margin against scikit-learn's support-vector machine and SciPy's linear programme."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.svm import LinearSVC

from sonde.ops.margin import separate

XOR = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])


def _feasible(x: np.ndarray, y: np.ndarray) -> bool:
    rows = -y[:, None] * np.c_[x, np.ones(len(x))]
    return bool(linprog(np.zeros(rows.shape[1]), A_ub=rows, b_ub=-np.ones(len(x)), bounds=(None, None)).status == 0)


def test_two_points() -> None:
    found = separate([(torch.tensor([[2.0], [-2.0]]), torch.tensor([1, -1]))])
    assert found.separable
    assert found.weight is not None
    assert (found.margin, found.radius) == (pytest.approx(2), 2)
    assert (found.weight.item(), found.bias) == (pytest.approx(1), pytest.approx(0))


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(4, 40), columns=st.integers(1, 6), seed=st.integers(0, 999), noise=st.sampled_from([0.0, 0.3]))
def test_finds_a_separation_just_when_there_is_one(rows: int, columns: int, seed: int, noise: float) -> None:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, columns))
    y = np.where(x @ draw.normal(size=columns) + noise * draw.normal(size=rows) > 0, 1.0, -1.0)
    found = separate([(torch.tensor(x), torch.tensor(y))])
    assert found.separable == _feasible(x, y)
    if found.separable:
        assert found.weight is not None
        values = y * (x @ found.weight.numpy() + found.bias)
        assert values.min() == pytest.approx(found.margin, rel=1e-5)
        assert np.hypot(np.linalg.norm(found.weight.numpy()), found.bias) == pytest.approx(1)


def test_margin_is_that_of_a_hard_svm_on_rows_with_a_one() -> None:
    draw = np.random.default_rng(4)
    x = draw.normal(size=(300, 5))
    score = x @ draw.normal(size=5)
    x, y = x[abs(score) > 0.3], np.sign(score[abs(score) > 0.3])
    svm = LinearSVC(C=1e6, loss="hinge", fit_intercept=False, tol=1e-8, max_iter=2_000_000).fit(np.c_[x, np.ones(len(x))], y)
    found = separate([(torch.tensor(x[:100]), torch.tensor(y[:100])), (torch.tensor(x[100:]), torch.tensor(y[100:]))])
    assert found.margin == pytest.approx(1 / np.linalg.norm(svm.coef_), rel=1e-4)


def test_xor_and_contradictions_are_not_separable() -> None:
    assert separate([(XOR, torch.tensor([-1, 1, 1, -1]))]).separable is False
    assert separate([(torch.ones(2, 3), torch.tensor([1, -1]))]).separable is False


def test_one_class_alone_is_separable() -> None:
    assert separate([(XOR, torch.ones(4))]).separable is True


def test_many_rows_of_which_few_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5000, 30, generator=generator)
    clean = (x @ torch.randn(30, generator=generator)).sign()
    assert separate([(x, clean)]).separable is True
    clean[7] = -clean[7]
    assert separate([(x, clean)]).separable is False


def test_says_when_the_passes_run_out() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5000, 30, generator=generator)
    assert separate([(x, (x @ torch.randn(30, generator=generator)).sign())], passes=1).separable is None


def test_needs_rows() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        separate([])
