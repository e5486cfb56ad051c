"""Branches side by side: each sees the same input, and their channels are put behind one another (an Inception block).

A branch is written as rows (width, kernel), one a convolution with batch norm and ReLU. A kernel is a number or (height, width), with
padding that keeps the size; or "halve" (3×3, stride 2, no padding), "valid" (3×3, no padding), "mean" and "inner mean" (1×1 after 3×3
means, with zeros or with nothing beyond the edge).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.nn.convolution_norm import ConvolutionNorm
from sonde.nn.sizes import scaled

Row = tuple[int, int | tuple[int, int] | Literal["halve", "valid", "mean", "inner mean"]]


class Branches(nn.ModuleDict):
    """(batch, channel, height, width) to (batch, Σ out, height', width'), branches in order. State keys are the branches' names."""

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        return torch.cat([branch(x) for branch in self.values()], dim=1)


class Paths(nn.ModuleDict):
    """The same where the layers of all branches have names of their own, and two branches may begin with the same layers.

    `paths` are the branches in order, each as the names of its layers; a layer always follows the same one.
    """

    def __init__(self, layers: Mapping[str, nn.Module], paths: Sequence[Sequence[str]]) -> None:
        super().__init__(layers)
        self.paths = tuple(tuple(path) for path in paths)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height_out width_out"]:
        done: dict[str, Tensor] = {}
        for path in self.paths:
            y = x
            for name in path:
                if name not in done:
                    done[name] = self[name](y)
                y = done[name]
        return torch.cat([done[path[-1]] for path in self.paths], dim=1)


def layer(channels: int, row: Row, scale: float) -> ConvolutionNorm:
    """The convolution of a row, its width times `scale`."""
    width, kernel = scaled(row[0], scale), row[1]
    if kernel in ("halve", "valid"):
        return ConvolutionNorm(channels, width, 3, stride=2 if kernel == "halve" else 1, valid=True)
    if kernel in ("mean", "inner mean"):
        return ConvolutionNorm(channels, width, 1, mean="padded" if kernel == "mean" else "inside")
    assert not isinstance(kernel, str)
    return ConvolutionNorm(channels, width, kernel)


def chain(channels: int, rows: Sequence[Row], scale: float) -> nn.Sequential:
    """The convolutions of a branch, one after the other; keys `0.…`, `1.…`."""
    widths = [channels, *(scaled(width, scale) for width, _ in rows)]
    return nn.Sequential(*(layer(before, row, scale) for before, row in zip(widths, rows, strict=False)))


def paths(channels: int, table: Sequence[Mapping[str, Row]], scale: float, *, pooled: bool = False) -> Paths:
    """Branches from tables of named rows; `pooled` adds one of 3×3 maxima with stride 2."""
    layers: dict[str, nn.Module] = {}
    for branch in table:
        before = channels
        for name, row in branch.items():
            if name not in layers:
                layers[name] = layer(before, row, scale)
            before = scaled(row[0], scale)
    names = [tuple(branch) for branch in table]
    if pooled:
        layers["pool"] = nn.MaxPool2d(3, 2)
        names.append(("pool",))
    return Paths(layers, names)
