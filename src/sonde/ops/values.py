"""Whether a tensor has values, or is only counted with: on the device `meta`, or one of PyTorch's fake tensors, there are shapes alone."""

from __future__ import annotations

from torch import Tensor


def has_values(x: Tensor) -> bool:
    """False where a computation that looks at numbers, as choosing boxes does, has none to look at: what it costs is then left out."""
    return not x.is_meta and type(x).__name__ != "FakeTensor"
