"""Gaussian blur."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sonde.data.augment import draws as at
from sonde.data.augment.draws import Draws, strength
from sonde.data.augment.scene import Scene

LEAST = 0.1  # standard deviation in pixels; a blur of this leaves a picture as it is


@dataclass(frozen=True)
class Blur:
    """The share `chance` of the pictures is blurred, standard deviation 0.1 … `sigma` pixels (Chen et al. 2020, appendix A), float32.

    The weights of the pixels inside of the picture are made to add up to one, so borders do not darken.
    """

    sigma: float = strength(2.0, LEAST, 50)
    chance: float = strength(0.5, 0, 1)

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        x, (height, width) = scene.pictures.float(), scene.size
        sigma = draws.uniform(at.BLUR, LEAST, self.sigma)
        sigma = torch.where(draws.chance(at.BLURRED, self.chance), sigma, LEAST)
        # One matrix a picture and axis: a product with it is the whole convolution, whatever the deviation is.
        down, across = weights(sigma, height), weights(sigma, width)
        return scene.with_pictures((down[:, None] @ x @ across.mT[:, None]).clamp_(0, 255))


def weights(sigma: Tensor, size: int) -> Tensor:
    """(batch, size, size): row i has the Gaussian weights of all places for the new place i."""
    place = torch.arange(size, device=sigma.device, dtype=sigma.dtype)
    distance = (place[:, None] - place) / sigma[:, None, None]
    return (-0.5 * distance.square()).softmax(2)
