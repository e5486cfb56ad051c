"""Number formats of the forward and backward pass (Micikevicius et al. 2018, "Mixed precision training").

bf16 has float32's range and needs nothing more. fp16 spans 6.104e-5 (smallest normal) to 65504: the loss is scaled so
that small gradients do not vanish, and a step whose gradients overflowed is left out while the scale is halved.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from sonde.errors import DeviceError

Precision = Literal["float32", "float64", "bf16", "fp16"]
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: Precision, device: torch.device) -> None:
    """DeviceError where the device cannot compute in this format."""
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DeviceError("this GPU has no bf16", where="--precision", remedy="use --precision fp16 or float32")
    if precision == "float64" and device.type == "mps":
        raise DeviceError("mps has no float64", where="--precision", remedy="use --precision float32 or --device cpu")


def default_precision(device: torch.device) -> Precision:
    """bf16 on GPUs that have it; float32 elsewhere, as CPUs without matrix units run bf16 several times slower."""
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which the forward pass runs."""
    if precision in _AUTOCAST:
        return torch.autocast(device.type, dtype=_AUTOCAST[precision])
    return nullcontext()


def scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """Loss scaling, for fp16 alone."""
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None


def working_dtype(precision: Precision) -> torch.dtype:
    """The format that weights are kept in."""
    return torch.float64 if precision == "float64" else torch.float32
