"""What a task sees of the data."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sonde.ops.losses import NO_TARGET

__all__ = ["NO_TARGET", "Batch"]


@dataclass(frozen=True)
class Batch:
    """Some examples on the device.

    `inputs` go to the model in the order of its `forward`: pictures as one uint8 or float tensor
    (batch, channel, height, width); tables as (numbers float32 (batch, number), categories int64 (batch, category));
    sentences as (tokens int64 (batch, length), lengths int64 (batch,)); a window of running text as (tokens,).
    They are raw: the saved model's first step normalises them. `targets`: int64 (batch,) class numbers, or float32
    (batch, output) values in their own units (0/1 for several labels), int64 (batch, length) tokens or tags, NO_TARGET
    where there is none, or None where they are unknown.
    `index` int64 (batch,): which examples of their part. `counts` are known without the model ("examples", …); `weights`
    float32 (batch,) where examples do not weigh the same. Where two examples are mixed in one (data/augment/mix.py), `targets`
    are those of the one with the greater share, `shares` float32 (batch,) ≥ ½ is that share, `partners` are the other's targets.
    `masks` int16 (batch, height, width) of pictures with outlined objects: 0 nothing, k + 1 the object in slot k of `targets`.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor | None
    index: Tensor
    counts: dict[str, float]
    weights: Tensor | None = None
    partners: Tensor | None = None
    shares: Tensor | None = None
    masks: Tensor | None = None

    def labels(self) -> list[tuple[Tensor, Tensor | None]]:
        """(targets, weights) whose losses are added up: one pair, or for mixed examples two, of weight λ and 1 − λ.

        Raises ValueError where the targets are unknown.
        """
        if self.targets is None:
            raise ValueError("these examples have no targets, so there is no loss")
        if self.partners is None or self.shares is None:
            return [(self.targets, self.weights)]
        rest = 1 - self.shares
        if self.weights is None:
            return [(self.targets, self.shares), (self.partners, rest)]
        return [(self.targets, self.weights * self.shares), (self.partners, self.weights * rest)]
