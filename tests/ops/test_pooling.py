"""2×2 pooling against PyTorch's, value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sonde.ops.pooling import Pooling, pool, pool_places

OTHERS = {"max": F.max_pool2d, "average": F.avg_pool2d}


def _both(x: Tensor, kind: Pooling) -> list[tuple[Tensor, Tensor]]:
    """Output and gradient, ours and PyTorch's, for a random gradient from above."""
    found = []
    for f in (lambda x: pool(x, kind), lambda x: OTHERS[kind](x, 2)):
        own = x.clone().requires_grad_()
        y = f(own)
        gradient = torch.rand(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
        found.append((y, torch.autograd.grad(y, own, gradient)[0]))
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("kind", ["max", "average"])
@settings(deadline=None)
@given(
    batch=st.integers(0, 3),
    channels=st.integers(1, 3),
    height=st.integers(2, 7),
    width=st.integers(2, 7),
    levels=st.sampled_from([1, 2, 1000]),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_pytorchs(kind: Pooling, batch: int, channels: int, height: int, width: int, levels: int, seed: int) -> None:
    # Few levels make many ties, of which the first place takes the gradient.
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(levels, (batch, channels, height, width), generator=draw).double()
    for ours, theirs in _both(x, kind):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_facts() -> None:
    x = torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]).view(1, 1, 4, 4)
    assert pool(x, "max").tolist() == [[[[5, 7], [13, 15]]]]
    assert pool(x, "average").tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


@pytest.mark.parametrize("kind", ["max", "average"])
def test_places_one_behind_the_other(kind: Pooling) -> None:
    x = torch.rand(2, 3, 6, 4, dtype=torch.float64, requires_grad=True)
    places = torch.cat([x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], 1)
    stacked, plain = pool_places(places, kind), pool(x, kind)
    torch.testing.assert_close(stacked, plain)
    above = torch.rand_like(plain)
    for ours, theirs in zip(torch.autograd.grad(stacked, x, above), torch.autograd.grad(plain, x, above), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_nothing_but_not_a_number_hides_one() -> None:
    x = torch.tensor([[1.0, float("nan")], [2.0, 3.0]]).view(1, 1, 2, 2)
    assert pool(x, "max").isnan().all() and pool(x, "average").isnan().all()
