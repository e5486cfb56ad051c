"""Weights and pictures by a formula that has nothing to do with how models are initialised, so that other code can repeat it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import torch
from torch import Tensor

from sonde.ops.random import uniform

# A prime number of values, so that no layer's rows repeat.
_VALUES = 65_537


def values(name: str, count: int) -> Tensor:
    """`count` float64 values in [−1, 1): one table of draws by hash, from a place that the name's CRC-32 says, over and over."""
    table = 2 * uniform(0, 0, torch.arange(_VALUES), 0).double() - 1
    start = zlib.crc32(name.encode()) % _VALUES
    return table.roll(-start).repeat(math.ceil(count / _VALUES))[:count]


def weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A state dict in float64. With u from `values`:

    running_var                     1 + u/2
    running_mean and all biases     u/10
    other vectors (scales of norms) 1 + u/10
    counters                        1
    all else                        u·√(6/n_in), which keeps the variance behind a ReLU
    """
    state = {}
    for name, shape in shapes.items():
        u = values(name, math.prod(shape)).view(shape)
        if name.endswith("running_var"):
            state[name] = 1 + u / 2
        elif name.endswith(("running_mean", "bias")):
            state[name] = u / 10
        elif name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1)
        elif len(shape) == 1:
            state[name] = 1 + u / 10
        else:
            state[name] = u * math.sqrt(6 / math.prod(shape[1:]))
    return state


def pictures(count: int, size: int) -> Tensor:
    """`count` pictures of 3 channels and `size`×`size` pixels, float64 in [−2, 2)."""
    return 2 * values("pictures", count * 3 * size * size).view(count, 3, size, size)
