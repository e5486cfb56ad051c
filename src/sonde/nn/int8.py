"""Dense layers on whole numbers of 8 bits: weights rounded once, inputs anew in each call (Jacob et al. 2018, "Quantization and training of
neural networks for efficient integer-arithmetic-only inference", section 2).

    w ≈ s_row · round(w / s_row)          a scale for each output
    x ≈ s (round(x / s) + z)              a scale and a zero for each call, from its least and largest number

The product of whole numbers is exact; both roundings are the error. For prediction on a CPU; there is no gradient.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 255  # of inputs, 0 … 255
# Largest weight. Processors without instructions for these products add two of them in 16 bits, which 7 bits of weights cannot overflow.
LARGEST, LARGEST_IN_16_BITS = 127, 63


def is_available() -> bool:
    """Whether this PyTorch has the kernels: builds for x86 have."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.onednn, "qlinear_pointwise")


class Int8Linear(nn.Module):
    """What a torch.nn.Linear of float32 computes, on whole numbers."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.width, self.outputs = layer.in_features, layer.out_features
        largest = LARGEST if torch.cpu._is_vnni_supported() else LARGEST_IN_16_BITS
        w = layer.weight.detach().float()
        self.scale = (w.abs().amax(1) / largest).clamp(min=torch.finfo(torch.float32).tiny)
        whole = (w / self.scale[:, None]).round().clamp(-largest, largest).to(torch.int8)
        self.zero = torch.zeros(self.outputs, dtype=torch.int32)
        self.packed = torch.ops.onednn.qlinear_prepack(whole, None)  # in the order that the processor reads
        self.bias = None if layer.bias is None else layer.bias.detach().float()

    def forward(self, x: Float[Tensor, "*places width"]) -> Float[Tensor, "*places outputs"]:
        """NaN and infinity give NaN everywhere, as there is no scale."""
        if not x.numel():
            return x.new_zeros(*x.shape[:-1], self.outputs)
        least, largest = (float(end) for end in x.aminmax())
        least, largest = min(least, 0.0), max(largest, 0.0)  # 0 is a whole number of steps, so that zeros stay zeros
        step = (largest - least) / LEVELS
        if not math.isfinite(step):
            return x.new_full((*x.shape[:-1], self.outputs), math.nan)
        step = step or 1.0
        zero = round(-least / step)
        whole = x.mul(1 / step).add_(zero + 0.5).clamp_(0, LEVELS).to(torch.uint8)  # cutting after ½ was added is rounding
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole, step, zero, self.packed, self.scale, self.zero, self.bias, 1.0, 0, torch.float32, "none", [], "none"
        )
        return y


def to_int8(module: nn.Module) -> int:
    """Put an Int8Linear in the place of every dense layer inside of `module`; how many there were."""
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    for name, layer in layers:
        parent, _, last = name.rpartition(".")
        setattr(module.get_submodule(parent), last, Int8Linear(layer))
    return len(layers)
