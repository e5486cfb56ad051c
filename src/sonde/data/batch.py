"""What a task sees of the data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Some examples on the device.

    `inputs` go to the model in the order of its `forward`: pictures as one uint8 or float tensor
    (batch, channel, height, width); tables as (numbers float32 (batch, number), categories int64 (batch, category)).
    They are raw: the saved model's first step normalises them. `targets`: int64 (batch,) class numbers, or float32
    (batch, output) values in their own units (0/1 for several labels), or None where they are unknown.
    `index` int64 (batch,): which examples of their part. `counts` are known without the model ("examples", …); `weights`
    float32 (batch,) where examples do not weigh the same.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor | None
    index: Tensor
    counts: dict[str, float]
    weights: Tensor | None = None
