"""A dense layer that predicts through oneDNN on a CPU.

torch.nn.Linear multiplies by MKL in float32, which on some processors leaves a fifth of the speed of oneDNN's kernels unused. Results differ in
the last bits; wherever there are gradients, or something looks at the single operations (exporting, counting), the layer is PyTorch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

_HAS_KERNEL = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
ROWS = 64  # of fewer the order that weights are brought into costs more than the product


@torch.library.custom_op("sonde::linear", mutates_args=(), schema="(Tensor x, Tensor weight, Tensor? bias) -> Tensor")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X Wᵀ + b by oneDNN, one operation to a compiler: its own rules for oneDNN's operation want weights that never change again."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


@linear.register_fake
def _shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight))


class Dense(nn.Linear):
    """torch.nn.Linear, faster where it predicts in float32 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """From (…, columns in) → (…, columns out)."""
        if not _HAS_KERNEL or torch.compiler.is_exporting() or torch.is_grad_enabled() or not (x.is_cpu and self.weight.is_cpu):
            return super().forward(x)
        plain = x.dtype == self.weight.dtype == torch.float32 and x.numel() >= ROWS * self.in_features
        if not plain or torch.is_autocast_enabled("cpu") or _looked_at():
            return super().forward(x)
        return linear(x, self.weight, self.bias)


def _looked_at() -> bool:
    """Whether something follows the single operations of an eager call."""
    if torch.compiler.is_compiling():
        return False
    return torch.jit.is_tracing() or _get_current_dispatch_mode() is not None  # type: ignore[attr-defined]
