"""Pearson's correlation: by hand, against NumPy, undefined where there is no spread."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.metrics.correlation import Pearson


def test_lines_and_their_mirror() -> None:
    y = torch.tensor([[1.0], [2.0], [4.0]])
    assert math.isclose(Pearson().of(3 * y + 7, y), 1)
    assert math.isclose(Pearson().of(-y, y), -1)
    assert math.isclose(Pearson().of(torch.tensor([[1.0], [3.0], [2.0]]), torch.tensor([[1.0], [2.0], [3.0]])), 0.5)


@given(st.integers(0, 99), st.integers(2, 30))
def test_equals_numpy(seed: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    p, t = draw.normal(1e6, 1, (rows, 2)), draw.normal(-50, 9, (rows, 2))
    right = np.mean([np.corrcoef(p[:, column], t[:, column])[0, 1] for column in range(2)])
    assert math.isclose(Pearson().of(torch.from_numpy(p), torch.from_numpy(t)), right, abs_tol=1e-6)


def test_undefined_without_spread() -> None:
    assert math.isnan(Pearson().of(torch.ones(3, 1), torch.tensor([[1.0], [2.0], [3.0]])))
