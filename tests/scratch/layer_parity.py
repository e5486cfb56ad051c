"""One layer, two forms: value and every gradient of the scratch form against PyTorch's, in both precisions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sonde.scratch.tensor import Tensor

LIMITS = {np.float64: 1e-10, np.float32: 1e-5}


def compare(scratch: Callable[..., Tensor], fast: Callable[..., torch.Tensor], *arrays: np.ndarray, seed: int = 0) -> None:
    """Both on the same arrays and the same gradient of the output; differences are relative to the largest number, or to 1."""
    for dtype, limit in LIMITS.items():
        mine = [Tensor(array.astype(dtype), requires_grad=True) for array in arrays]
        theirs = [torch.tensor(array.astype(dtype), requires_grad=True) for array in arrays]
        y, expected = scratch(*mine), fast(*theirs)
        assert y.dtype == dtype
        assert y.shape == tuple(expected.shape)
        gradient = np.random.default_rng(seed).standard_normal(y.shape).astype(dtype)
        y.backward(gradient)
        expected.backward(torch.tensor(gradient))
        close(y.data, expected.detach().numpy(), limit, "value")
        for place, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            assert one.grad is not None and other.grad is not None
            assert one.grad.dtype == dtype
            close(one.grad, other.grad.numpy(), limit, f"gradient of argument {place}")


def close(mine: np.ndarray, theirs: np.ndarray, limit: float, what: str) -> None:
    assert mine.shape == theirs.shape, f"{what}: {mine.shape} instead of {theirs.shape}"
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    assert np.abs(mine - theirs).max(initial=0) <= limit * scale, what
