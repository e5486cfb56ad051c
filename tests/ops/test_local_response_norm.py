"""Local response normalisation against PyTorch's, value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sonde.ops.local_response_norm import local_response_norm


@pytest.mark.parametrize("size", [1, 3, 5, 9])
@pytest.mark.parametrize("channels", [1, 2, 5, 12])
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0])
def test_values_and_gradients_are_pytorchs(size: int, channels: int, beta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64, generator=generator).mul_(5).requires_grad_()
    ours = local_response_norm(x, size=size, alpha=0.3, beta=beta, k=2.0)
    theirs = F.local_response_norm(x, size, 0.3, beta, 2.0)
    torch.testing.assert_close(ours, theirs)
    above = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(torch.autograd.grad(ours, x, above)[0], torch.autograd.grad(theirs, x, above)[0])


def test_facts() -> None:
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    y = local_response_norm(x, size=3, alpha=3.0, beta=1.0, k=1.0)
    assert y.flatten().tolist() == pytest.approx([1 / 6, 2 / 15, 3 / 14])
    with pytest.raises(ValueError, match="a window of 4 channels has no middle: give an odd size"):
        local_response_norm(x, size=4)
