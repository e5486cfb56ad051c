"""The losses of style transfer (Gatys, Ecker and Bethge 2016): what is shown, how it is painted, how smooth it is.

    content   mean (Y − X)²
    style     mean (G(Y) − G(X))²,  G(X) = X Xᵀ / (c·h·w), a row of X a channel
    smoothness  ½ (mean |x_{i+1,j} − x_{i,j}| + mean |x_{i,j+1} − x_{i,j}|)

All maps are (n, channel, height, width).
"""

from __future__ import annotations

import numpy as np

from sonde.scratch.tensor import Tensor, as_tensor


def content_loss(maps: Tensor | np.ndarray, content: Tensor | np.ndarray) -> Tensor:
    """The mean squared difference."""
    difference = as_tensor(maps) - as_tensor(content)
    return (difference * difference).mean()


def gram(maps: Tensor | np.ndarray) -> Tensor:
    """Products of channels, summed over all places: (n, channel, channel)."""
    maps = as_tensor(maps)
    n, channels, height, width = maps.shape
    x = maps.reshape(n, channels, height * width)
    return x @ x.transpose(0, 2, 1) / (channels * height * width)


def style_loss(maps: Tensor | np.ndarray, style: Tensor | np.ndarray) -> Tensor:
    """The mean squared difference of Gram matrices; `style` is one."""
    difference = gram(maps) - as_tensor(style)
    return (difference * difference).mean()


def total_variation(picture: Tensor | np.ndarray) -> Tensor:
    """How much neighbours differ, on average."""
    picture = as_tensor(picture)
    down = (picture[:, :, 1:] - picture[:, :, :-1]).abs()
    right = (picture[:, :, :, 1:] - picture[:, :, :, :-1]).abs()
    return (down.sum() / max(down.size, 1) + right.sum() / max(right.size, 1)) / 2
