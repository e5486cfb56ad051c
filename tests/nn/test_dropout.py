"""Dropout: unbiased, the identity in evaluation, drawn from the global generator alone."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad_and_value

from sonde.nn.dropout import Dropout, cpu_mask


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_mean_and_share(p: float) -> None:
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(400_000))
    kept = (y != 0).double().mean().item()
    assert kept == pytest.approx(1 - p, abs=4 * (p * (1 - p) / 400_000) ** 0.5)
    assert y.double().mean().item() == pytest.approx(1, abs=4 * (p / (1 - p) / 400_000) ** 0.5)
    assert y.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-3)


@pytest.mark.parametrize("p", [0.0, 1e-7, 0.1, 1 / 3, 0.999999])
def test_the_mean_is_exact_whatever_the_rounding(p: float) -> None:
    """Over all 65,536 levels that a draw can have, the mask's mean is 1."""
    scale = cpu_mask(torch.Size([64]), p, dtype=torch.float64).max().item()
    dropped = min(round(p * 65536), 65535)
    if scale:  # at p near 1 no value may survive among 64
        assert scale * (65536 - dropped) / 65536 == pytest.approx(1, abs=1e-15)


def test_places_are_independent_of_each_other() -> None:
    """Four values share a draw: their correlations are those of chance."""
    torch.manual_seed(1)
    kept = (cpu_mask(torch.Size([100_000, 4]), 0.5, dtype=torch.float64) > 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 0.015


def test_evaluation_and_zero_are_the_identity() -> None:
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_gradient_passes_where_the_value_does() -> None:
    torch.manual_seed(2)
    x = torch.randn(7, 9, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 2.0))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 5), (0, 4)])
def test_any_shape_and_dtype(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        y = Dropout(0.5)(torch.ones(shape, dtype=dtype))
        assert (y.shape, y.dtype) == (torch.Size(shape), dtype)


def test_same_seed_same_mask() -> None:
    def draw() -> torch.Tensor:
        torch.manual_seed(3)
        return Dropout(0.3)(torch.ones(50))

    assert torch.equal(draw(), draw())
    torch.manual_seed(4)
    assert not torch.equal(draw(), Dropout(0.3)(torch.ones(50)))


def test_messages() -> None:
    with pytest.raises(ValueError, match=r"dropout of 1\.0: give a probability from 0 up to, not including, 1"):
        Dropout(1.0)


def test_a_graph_for_batches_of_any_length_drops_out_under_functional_gradients() -> None:
    drop = Dropout(0.5)
    whole = torch.compile(lambda w, x: grad_and_value(lambda w: drop(x * w).sum())(w), dynamic=True, backend="aot_eager")
    for length in (5, 8):
        torch.manual_seed(0)
        gradient, value = whole(torch.tensor(3.0), torch.ones(400, length))
        assert value == 3 * gradient
        assert 0.8 < gradient / (400 * length) < 1.2
