"""The ground behind something blurred, from a mask of what is to stay sharp."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter

STRENGTH: Final = 1 / 40  # standard deviation of the blur, of the picture's longer side
SOFT: Final = 1 / 400  # and of the transition at the mask's edge


def blur_background(
    pixels: UInt8[np.ndarray, "height width channel"], keep: Bool[np.ndarray, "height width"], *, strength: float = STRENGTH
) -> UInt8[np.ndarray, "height width channel"]:
    """The picture (1 or 3 channels), blurred where `keep` is false. `strength`: standard deviation as a share of the longer side.

    Only the ground is averaged, so that the colours of what stays sharp do not bleed into it: blurred ground ÷ blurred mask of the ground.
    """
    if keep.all():
        return pixels.copy()
    side = max(pixels.shape[:2])
    ground = ~keep
    share = _blurred(ground.astype(np.float32) * 255, strength * side)[..., None]
    colours = np.stack([_blurred(pixels[:, :, channel] * ground, strength * side) for channel in range(pixels.shape[2])], 2)
    smooth = np.where(share > 0.5, colours * 255 / np.maximum(share, 0.5), pixels)
    edge = _blurred(keep.astype(np.float32) * 255, SOFT * side)[..., None] / 255
    return np.round(edge * pixels + (1 - edge) * smooth).clip(0, 255).astype(np.uint8)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Values in 0 … 255 after a Gaussian blur, float32."""
    plane = Image.fromarray(np.round(values).astype(np.uint8))
    return np.asarray(plane.filter(ImageFilter.GaussianBlur(sigma)), dtype=np.float32)
