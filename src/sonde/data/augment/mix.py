"""Mixup and CutMix: a picture with a part of another one, and both labels.

The loss is λ·L(y₁) + (1 − λ)·L(y₂). The partner is any example of the training part, drawn by hash and augmented as it is seen
in this epoch, so that neither batches nor processes decide who is mixed with whom. Of the two, the example itself
has the greater share, λ ≥ ½: pairs are drawn in both orders equally often, so this loses nothing, and the training
accuracy counts the label that most of the picture belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.erase import inside

Pictures = Num[Tensor, "batch channel height width"]
Shares = Float[Tensor, " batch"]


@dataclass(frozen=True)
class Mixup:
    """λx₁ + (1 − λ)x₂ with λ from Beta(`alpha`, `alpha`) (Zhang et al. 2018), float32."""

    alpha: float = strength(0.2, 0.01, 100)


@dataclass(frozen=True)
class CutMix:
    """A rectangle of the partner's pixels, 1 − λ of the area, with λ from Beta(`alpha`, `alpha`) (Yun et al. 2019).

    The rectangle has the picture's shape, its centre is anywhere, and it is cut at the border; λ is then the share that
    is left, in whole pixels.
    """

    alpha: float = strength(1.0, 0.01, 100)


@dataclass(frozen=True)
class Mixing:
    """Mixup, CutMix, or for each picture one of them by a coin."""

    mixup: Mixup | None
    cutmix: CutMix | None
    seed: int

    def partners(self, index: Int64[Tensor, " batch"], epoch: int, count: int) -> Int64[Tensor, " batch"]:
        """Which of `count` training examples is mixed into each of the examples `index`."""
        return Draws(self.seed, epoch, index).integers(at.PARTNER, count)

    def __call__(self, pictures: Pictures, others: Pictures, index: Int64[Tensor, " batch"], epoch: int) -> tuple[Pictures, Shares]:
        """The mixed pictures, and λ of each: the share of its own label."""
        draws = Draws(self.seed, epoch, index)
        shares = torch.ones(len(index), device=pictures.device)
        if not len(index):
            return pictures, shares
        pasted = draws.chance(at.EITHER, 0.5) if self.mixup and self.cutmix else torch.full_like(index, self.mixup is None, dtype=torch.bool)
        mixed = pictures
        if self.mixup:
            drawn = _greater(draws.beta(at.MIXTURE, self.mixup.alpha))
            shares = torch.where(pasted, shares, drawn)
            mixed = torch.lerp(others.float(), pictures.float(), shares[:, None, None, None])
        if self.cutmix:
            windows = torch.where(pasted[:, None], _windows(draws, self.cutmix.alpha, (pictures.shape[2], pictures.shape[3])), 0.0)
            size = pictures.shape[2] * pictures.shape[3]
            covered = (windows[:, 2:] - windows[:, :2]).prod(1)
            shares = torch.where(pasted, 1 - covered / size, shares)
            mixed = torch.where(inside(windows, (pictures.shape[2], pictures.shape[3]))[:, None], others.to(mixed), mixed)
        return mixed, shares


def _windows(draws: Draws, alpha: float, size: tuple[int, int]) -> Tensor:
    """Rectangles float32 (batch, 4) of 1 − λ of the area about a centre anywhere, in whole pixels and cut at the border."""
    height, width = size
    side = (1 - _greater(draws.beta(at.MIXTURE, alpha))).sqrt()
    across, down = (side * width).round(), (side * height).round()
    left = (draws.uniform(at.CUT_LEFT) * width - across / 2).round()
    top = (draws.uniform(at.CUT_TOP) * height - down / 2).round()
    right, bottom = (left + across).clamp(max=width), (top + down).clamp(max=height)
    return torch.stack([left.clamp(min=0), top.clamp(min=0), right, bottom], 1)


def _greater(share: Tensor) -> Tensor:
    return torch.maximum(share, 1 - share)
