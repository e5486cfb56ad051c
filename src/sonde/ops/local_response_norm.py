"""Local response normalisation (Krizhevsky et al. 2012, section 3.3): y = x / (k + α/n·Σ x²)^β over n neighbouring channels.

PyTorch's own makes a fifth axis and runs a 3-D average pooling over it, forward and backward. Here, on a CPU, the sum over the window is n − 1
additions of shifted arrays, the power one square root and its reciprocal, and the gradient

    ∂L/∂x = g·d^−β − 2αβ/n · x · Σ g·x·d^(−β−1),    d = k + α/n·Σ x²

with the same window. Elsewhere, and in compiled graphs, PyTorch's own is used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def local_response_norm(
    x: Float[Tensor, "batch channel height width"], *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Float[Tensor, "batch channel height width"]:
    """Values over a power of the mean square of `size` neighbouring channels, an odd number; those beyond the edge count as 0.

    Defaults are those that GoogLeNet was published with (α stands over n, as in PyTorch). Raises ValueError for an even `size`.
    """
    if size % 2 == 0:
        raise ValueError(f"a window of {size} channels has no middle: give an odd size")
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.local_response_norm(x, size, alpha, beta, k)
    y: Tensor = _LocalResponseNorm.apply(x, size, alpha, beta, k)[0]
    return y


def _window(x: Tensor, size: int) -> Tensor:
    """The sum over `size` neighbouring channels of (batch, channel, …)."""
    total, channels = x.clone(), x.shape[1]
    for step in range(1, min(size // 2, channels - 1) + 1):
        total[:, step:] += x[:, :-step]
        total[:, :-step] += x[:, step:]
    return total


def _power(d: Tensor, beta: float) -> Tensor:
    """d^−β; of 3/4 by square roots, which a CPU computes eight at a time."""
    if beta != 0.75:
        return d.pow(-beta)
    root = d.rsqrt()
    return root.mul_(root.sqrt())


class _LocalResponseNorm(torch.autograd.Function):
    """Gives y and d; d is for the backward pass alone."""

    @staticmethod
    def forward(x: Tensor, size: int, alpha: float, beta: float, k: float) -> tuple[Tensor, Tensor]:
        d = _window(x.square(), size).mul_(alpha / size).add_(k)
        return x * _power(d, beta), d

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, ctx.size, alpha, ctx.beta, _ = inputs
        ctx.slope = 2 * alpha * ctx.beta / ctx.size
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _unused: Tensor) -> tuple[Tensor, None, None, None, None]:
        x, d = ctx.saved_tensors
        direct = gradient * _power(d, ctx.beta)
        around = _window((direct * x).div_(d), ctx.size)
        return direct.addcmul_(x, around, value=-ctx.slope), None, None, None, None
