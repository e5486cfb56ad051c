"""Dropout (Srivastava et al. 2014) with cheap random numbers on CPUs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """In training each value is 0 with probability `p` and x/(1 − p) else, so that its mean is x; in evaluation x.

    On a CPU one 64-bit draw from torch's global generator serves four values, so `p` there is rounded to a multiple of
    1/65,536 and the scale follows the rounded one: the mean is exact. Elsewhere, and in compiled graphs, torch's own
    dropout is used. Raises ValueError unless 0 ≤ p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout of {p}: give a probability from 0 up to, not including, 1")
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if torch.compiler.is_compiling():
            # F.dropout asks for the number of values, which a graph for batches of any length cannot tell (PyTorch 2.13).
            return torch.native_dropout(x, self.p, True)[0]
        if x.device.type != "cpu":
            return F.dropout(x, self.p, training=True)
        return x * cpu_mask(x.shape, self.p, dtype=x.dtype)


def cpu_mask(shape: torch.Size, p: float, *, dtype: torch.dtype) -> Tensor:
    """A mask of zeros and 1/(1 − p), drawn from torch's global CPU generator."""
    dropped = min(round(p * _LEVELS), _LEVELS - 1)
    size = shape.numel()
    draws = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    sixteen = draws.view(torch.int16)[:size].view(shape)
    return (sixteen >= dropped - _LEVELS // 2).to(dtype).mul_(_LEVELS / (_LEVELS - dropped))
