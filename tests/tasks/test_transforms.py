"""The way to the network's units and back is exact."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.tasks.transforms import Transform, from_target


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["none", "standardise", "log"]),
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
    mean=st.floats(-10, 10),
    std=st.floats(0.1, 10),
)
def test_inverse_of_forward_is_the_identity(kind: str, values: list[float], mean: float, std: float) -> None:
    transform = Transform(kind, (mean,), (std,))
    y = torch.tensor(values, dtype=torch.float64)[:, None]
    assert torch.allclose(transform.inverse(transform.forward(y)), y, rtol=1e-11, atol=1e-11)


@settings(max_examples=50, deadline=None)
@given(kind=st.sampled_from(["none", "standardise", "log"]), z=st.lists(st.floats(-4, 4), min_size=1, max_size=20))
def test_forward_of_inverse_is_the_identity(kind: str, z: list[float]) -> None:
    transform = Transform(kind, (3.0,), (0.5,))
    values = torch.tensor(z, dtype=torch.float64)[:, None]
    assert torch.allclose(transform.forward(transform.inverse(values)), values, rtol=1e-11, atol=1e-11)


def test_several_outputs_have_their_own_scale() -> None:
    transform = from_target({"transform": "standardise", "mean": [1, 100], "std": [2, 10]})
    z = transform.forward(torch.tensor([[3.0, 90.0]]))
    assert z.tolist() == [[1.0, -1.0]]
    assert transform.inverse(z).tolist() == [[3.0, 90.0]]


def test_the_logarithm_takes_zero() -> None:
    transform = Transform("log", (0.0,), (1.0,))
    assert transform.forward(torch.zeros(1, 1)).item() == 0.0
    assert transform.inverse(torch.tensor([[1.0]], dtype=torch.float64)).item() == pytest.approx(1.718281828459045)
