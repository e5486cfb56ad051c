"""Batch normalisation (Ioffe & Szegedy 2015) that stays the same however many processes share the batch.

y = γ(x − μ)/√(σ² + ε) + β with mean and variance of each feature (batch, feature) or channel (batch, channel, …) over
the batch and all places, of all processes together; in evaluation μ and σ² are the running averages of training.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """For inputs (batch, features, …) of any number of further axes. State keys are those of `torch.nn.BatchNorm2d`.

    `momentum` (default 0.1): running ← (1 − momentum)·running + momentum·batch, the variance with n − 1. Processes
    exchange the sums in float64, on gloo as on NCCL, so that n of them with b examples each equal one with n·b. A
    process may have no examples. Raises ValueError in training where each feature has a single value in all. Without
    `scale` γ is a buffer of ones.
    """

    weight: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, features: int, *, eps: float = 1e-5, momentum: float = 0.1, scale: bool = True) -> None:
        super().__init__()
        self.features, self.eps, self.momentum = features, eps, momentum
        if scale:
            self.weight = nn.Parameter(torch.ones(features))
        else:
            self.register_buffer("weight", torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def extra_repr(self) -> str:
        return f"{self.features}, eps={self.eps}, momentum={self.momentum}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        self.num_batches_tracked += 1
        if not _shared():
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps)
        y, mean, variance, count = _SharedBatchNorm.apply(x, self.weight, self.bias, self.eps)
        if count < 2:
            raise ValueError(f"batch normalisation needs more than one value a channel in training, and got {int(count)} in all processes")
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), self.momentum)
        return y


def _shared() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _SharedBatchNorm(torch.autograd.Function):
    """Forward and backward over all processes: two sums, two square sums and a count travel, whatever the batch."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):  # type: ignore[no-untyped-def]
        axes = [axis for axis in range(x.ndim) if axis != 1]
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        n = x.numel() // x.shape[1] if x.shape[1] else 0
        if n:
            variance, mean = torch.var_mean(wide, axes, correction=0)
            mean, variance = mean.double(), variance.double()
        else:
            mean = variance = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
        # The local variance is taken about the local mean, and only float64 sums are added up: nothing cancels.
        sums = torch.cat([n * mean, n * (variance + mean * mean), mean.new_tensor([n])])
        dist.all_reduce(sums)
        channels = x.shape[1]
        count = sums[-1]
        mean = sums[:channels] / count
        variance = (sums[channels:-1] / count - mean * mean).clamp(min=0)
        inverse = torch.rsqrt(variance + eps)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = (weight.double() * inverse).to(wide.dtype)
        normal = (wide - mean.to(wide.dtype).view(shape)) * inverse.to(wide.dtype).view(shape)
        y = (normal * weight.to(wide.dtype).view(shape) + bias.to(wide.dtype).view(shape)).to(x.dtype)
        ctx.save_for_backward(normal, scale, count)
        ctx.axes, ctx.shape, ctx.parameter_dtype = axes, shape, weight.dtype
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx, dy: Tensor, *_unused: Tensor):  # type: ignore[no-untyped-def]
        normal, scale, count = ctx.saved_tensors
        wide = dy.to(normal.dtype)
        d_bias, d_weight = wide.sum(ctx.axes), (wide * normal).sum(ctx.axes)
        sums = torch.stack([d_bias, d_weight]).double()
        dist.all_reduce(sums)
        mean_dy, mean_dy_normal = (sums / count).to(normal.dtype)
        dx = scale.view(ctx.shape) * (wide - mean_dy.view(ctx.shape) - normal * mean_dy_normal.view(ctx.shape))
        return dx.to(dy.dtype), d_weight.to(ctx.parameter_dtype), d_bias.to(ctx.parameter_dtype), None
