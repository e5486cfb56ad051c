"""Batch normalisation whose statistics, scales and shifts no longer change: an affine map of each channel.

Detectors are trained with few large pictures a batch, too few for its statistics, so the ones of the pretrained body are kept (He et
al. 2016, "Deep residual learning", appendix A).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonde.nn.batch_norm import BatchNorm


class FrozenBatchNorm(nn.Module):
    """γ(x − μ)/√(σ² + ε) + β of (batch, features, …), in training as in evaluation. State keys: weight, bias, running_mean, running_var."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.features, self.eps = features, eps
        self.register_buffer("weight", torch.ones(features))
        self.register_buffer("bias", torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def extra_repr(self) -> str:
        return f"{self.features}, eps={self.eps}"

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


def freeze_norms(network: nn.Module, *, eps: float = 1e-5) -> None:
    """Put a `FrozenBatchNorm` in the place of every batch norm below `network`, with its numbers."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, BatchNorm):
                frozen = FrozenBatchNorm(child.features, eps=eps).to(child.running_mean.device)
                frozen.load_state_dict({key: value for key, value in child.state_dict().items() if key != "num_batches_tracked"})
                setattr(module, name, frozen)
