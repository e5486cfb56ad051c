"""The filters of an image model's first layer, as pictures of what each of them answers to most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sonde.nn.stages import is_in, stages_of


@dataclass(frozen=True)
class FirstLayer:
    """The weights of the first layer, (filter, channel, height, width), and its name in the network."""

    name: str
    weight: Tensor


def first_layer(network: nn.Module, *, channels: int, size: int) -> FirstLayer | None:
    """The first weights, from input to output, that meet the picture itself; None where they cannot be drawn.

    A convolution's are (filter, channel, height, width). Those of a dense layer that reads all pixels of (channel, size, size)
    are cut into the same form.
    """
    state = network.state_dict()
    for prefixes in stages_of(network).values():
        for name, weight in state.items():
            if not is_in(name, prefixes) or not weight.is_floating_point():
                continue
            layer = name.rpartition(".")[0]
            if weight.ndim == 4 and weight.shape[1] == channels:
                return FirstLayer(layer, weight.float())
            if weight.ndim == 2 and weight.shape[1] == channels * size * size:
                return FirstLayer(layer, weight.float().view(-1, channels, size, size))
    return None


def pictures(weight: Tensor) -> Tensor:
    """Filters as uint8 (filter, 1 or 3, height, width): grey is 0, and each filter is scaled by its largest weight.

    Of other than 1 or 3 channels the mean is drawn.
    """
    if weight.shape[1] not in (1, 3):
        weight = weight.mean(1, keepdim=True)
    largest = weight.abs().flatten(1).amax(1).clamp(min=torch.finfo(weight.dtype).tiny)
    shown = 127.5 * (1 + weight / largest[:, None, None, None])
    return shown.round().to(torch.uint8)
