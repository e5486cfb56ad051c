"""The losses of style transfer (Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks").

    content   mean (Y − X)²                                  between maps of the picture and of the content
    style     mean (G(Y) − G(X))²,  G(X) = X Xᵀ / (c·h·w)     X with a row a channel: which channels answer together, wherever
    smoothness  ½ (mean |x_{i+1,j} − x_{i,j}| + mean |x_{i,j+1} − x_{i,j}|)   total variation (Mahendran and Vedaldi 2015, section 3)
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "batch channel height width"]


def content_loss(maps: Maps, content: Maps) -> Float[Tensor, ""]:
    """The mean squared difference of two pictures' maps."""
    return (maps - content).square().mean()


def gram(maps: Maps) -> Float[Tensor, "batch channel channel"]:
    """X Xᵀ / (c·h·w) of each picture: products of channels, summed over all places."""
    x = maps.flatten(2)
    return x @ x.transpose(1, 2) / maps[0].numel()


def style_loss(maps: Maps, style: Float[Tensor, "batch channel channel"]) -> Float[Tensor, ""]:
    """The mean squared difference of the maps' Gram matrix and `style`, which is another picture's."""
    return (gram(maps) - style).square().mean()


def total_variation(picture: Maps) -> Float[Tensor, ""]:
    """How much neighbours differ, on average; 0 for a picture of one row and column."""
    down = (picture[:, :, 1:] - picture[:, :, :-1]).abs()
    right = (picture[..., 1:] - picture[..., :-1]).abs()
    return (down.sum() / max(down.numel(), 1) + right.sum() / max(right.numel(), 1)) / 2
