"""Fixed numbers on the device, made once: each copy to a GPU would wait for all that it has yet to do."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def constant(values: tuple[float, ...], *, like: Tensor) -> Tensor:
    """`values` as a tensor of `like`'s type on its device."""
    if torch.compiler.is_compiling():  # a compiled step holds them itself, and warns of a cache
        return torch.tensor(values, dtype=like.dtype, device=like.device)
    return _made(values, like.dtype, like.device)


@functools.lru_cache(maxsize=64)
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)
