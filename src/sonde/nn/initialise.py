"""First weights, and what they do to the size of signals on the way up and of gradients on the way down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Initialisation = Literal["normal", "xavier-normal", "xavier-uniform", "he-normal", "he-uniform", "default"]


@torch.no_grad()
def initialise(weight: Tensor, how: Initialisation) -> None:
    """Draw `weight` (out, in) or (out, in, *kernel) anew, in place, from the global generator.

    normal           standard deviation 0.01
    xavier-normal    standard deviation √(2/(n_in + n_out)); Glorot & Bengio 2010
    xavier-uniform   ±√(6/(n_in + n_out))
    he-normal        standard deviation √(2/n_in); He et al. 2015, for ReLU
    he-uniform       ±√(6/n_in)
    default          ±1/√n_in, as torch does

    n_in and n_out count the kernel's places.
    """
    fan_in = weight[0].numel()
    fan_out = weight.shape[0] * weight[0, 0].numel()
    if how == "normal":
        weight.normal_(0, 0.01)
    elif how == "xavier-normal":
        weight.normal_(0, math.sqrt(2 / (fan_in + fan_out)))
    elif how == "xavier-uniform":
        _uniform(weight, math.sqrt(6 / (fan_in + fan_out)))
    elif how == "he-normal":
        weight.normal_(0, math.sqrt(2 / fan_in))
    elif how == "he-uniform":
        _uniform(weight, math.sqrt(6 / fan_in))
    elif how == "default":
        _uniform(weight, 1 / math.sqrt(fan_in))
    else:
        raise ValueError(f"there is no initialisation {how!r}")


def _uniform(weight: Tensor, limit: float) -> None:
    weight.uniform_(-limit, limit)


@torch.no_grad()
def initialise_bilinear(weight: Tensor, *, groups: int = 1) -> None:
    """Set `weight` (channel, channel/groups, k, k) of a transposed convolution, in place, so that each channel enlarges itself by bilinear interpolation.

    Along an axis w[a] = 1 − |a − (k − 1)/2|/f with f = ⌈k/2⌉ (Long et al. 2015, FCN, section 3.3); stride s goes with k = 2s − s mod 2.
    Raises ValueError for a kernel that is not square, and for numbers of channels in and out that differ.
    """
    channels, out, height, width = weight.shape
    if height != width or channels != out * groups or groups not in (1, channels):
        raise ValueError(f"a bilinear start of {tuple(weight.shape)} with {groups} group(s): as many channels out as in, and a square kernel, are needed")
    triangle = 1 - (torch.arange(width, dtype=weight.dtype, device=weight.device) - (width - 1) / 2).abs() / ((width + 1) // 2)
    kernel = torch.outer(triangle, triangle)
    weight.zero_()
    if groups == 1:
        weight.diagonal(dim1=0, dim2=1).copy_(kernel[..., None].expand(-1, -1, channels))
    else:
        weight.copy_(kernel.expand_as(weight))


def initialise_relu_network(network: nn.Module, *, last: nn.Module) -> None:
    """He's normal weights for every convolution and dense layer, biases 0, and standard deviation 0.01 for layer `last`.

    The papers before 2015 drew from N(0, 0.01²), at which the signal of a deep plain network dies out: VGG's authors had to begin
    with the weights of a shallower net. He's keep its variance whatever the width (He et al. 2015, section 2.2), and small last
    weights start the loss at ln(classes).
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            initialise(module.weight, "normal" if module is last else "he-normal")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class LayerVariance:
    """Variance of a linear or convolutional layer's output, and of the gradient that arrives there."""

    name: str
    forward: float
    backward: float


def variance_report(model: nn.Module, *inputs: Tensor) -> list[LayerVariance]:
    """The variances in order of calling, for a gradient of independent normal numbers at the model's output.

    One forward and one backward pass; gradients and weights are left as they were. A layer called twice stands there
    with its last call.
    """
    outputs: dict[str, Tensor] = {}
    names = {module: name for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))}
    handles = [module.register_forward_hook(lambda m, _in, out: outputs.__setitem__(names[m], out)) for module in names]
    try:
        with torch.enable_grad():
            result = model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(result, list(outputs.values()), torch.randn_like(result))
    return [
        LayerVariance(name, forward=_variance(output), backward=_variance(gradient))
        for (name, output), gradient in zip(outputs.items(), gradients, strict=True)
    ]


def _variance(x: Tensor) -> float:
    return float(x.detach().double().var(correction=0))
