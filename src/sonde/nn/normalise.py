"""Normalisation as the first step of the saved model, so that it goes wherever the model goes.

The numbers come from the fitted preprocessing as plain lists:

    {"kind": "images", "mean": [per channel, on the 0…1 scale], "std": […]}
    {"kind": "table",  "mean": […], "std": […], "log": [false, …], "indicators": [3, 7], "clip": 10.0 or None}
    {"kind": "series", "mean": m, "std": s}
    {"kind": "tokens"}

In a table every list has one entry a column of numbers; `log` columns pass through sign(x)·log(1 + |x|) first, and
their mean and std are those of the result. NaN stands for a missing value.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sonde.errors import UsageError


def normaliser(normalisation: dict[str, Any]) -> nn.Module:
    """The module for these numbers. It maps raw inputs to as many network inputs: forward(*inputs) -> tuple."""
    kind = normalisation["kind"]
    if kind == "images":
        return NormaliseImages(normalisation["mean"], normalisation["std"])
    if kind == "tokens":
        return Tokens()
    if kind == "series":
        return NormaliseSeries(float(_only(normalisation["mean"])), float(_only(normalisation["std"])))
    if kind == "table":
        columns = len(normalisation["mean"])
        return NormaliseTable(
            normalisation["mean"],
            normalisation["std"],
            log=normalisation.get("log", [False] * columns),
            indicators=normalisation.get("indicators", []),
            clip=normalisation.get("clip"),
        )
    raise ValueError(f"normalisation of kind {kind!r}: known are images, series, table and tokens")


class NormaliseImages(nn.Module):
    """(x/255 − mean)/std per channel, for uint8 or floating-point pictures (batch, channel, height, width) in 0…255.

    Raises UsageError for pictures of another number of channels: one would be taken for as many as there are means.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.channels = len(mean)
        means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(_safe(std), dtype=torch.float64)
        # One product and one sum, of numbers made once: a small network's step is short enough to feel two more.
        self.register_buffer("scale", (1 / (255 * stds)).float().view(-1, 1, 1))
        self.register_buffer("shift", (-means / stds).float().view(-1, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        if images.shape[1] != self.channels:
            raise UsageError(
                f"the model reads pictures of {self.channels} {'channel' if self.channels == 1 else 'channels'}, and got a batch of shape "
                f"{tuple(images.shape)}",
                where="(batch, channel, height, width)",
                remedy=f"give {self.channels} on the second axis; `Run.predict` takes pictures in any form, and files",
            )
        return (torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale),)


class Tokens(nn.Module):
    """Numbers of pieces, lengths and masks, which pass as they are."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return inputs


class NormaliseSeries(nn.Module):
    """(x − mean)/std of a window (batch, lag), with one mean and std for all its days."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std if std > 0 else 1.0))

    def forward(self, window: Tensor) -> tuple[Tensor]:
        return ((window.to(self.mean.dtype) - self.mean) / self.std,)


class NormaliseTable(nn.Module):
    """Numbers (batch, column) → (batch, column + indicator), missing ones (NaN) at their mean; categories pass through.

    `log`: which columns are compressed by sign(x)·log(1 + |x|) first. `indicators`: columns that get a further column,
    1 where the value is missing, else 0, appended in this order. `clip`: farthest distance from the mean, in standard
    deviations (None: any), so that one wild value does not wreck the output.
    """

    mean: Tensor
    std: Tensor
    log: Tensor
    indicators: Tensor

    def __init__(self, mean: list[float], std: list[float], *, log: list[bool], indicators: list[int], clip: float | None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(_safe(std), dtype=torch.float32))
        self.register_buffer("log", torch.tensor(log, dtype=torch.bool))
        self.register_buffer("indicators", torch.tensor(indicators, dtype=torch.int64))
        self.clip = clip
        self._logs, self._indicates = any(log), bool(indicators)

    def forward(self, numbers: Tensor, *categories: Tensor) -> tuple[Tensor, ...]:
        x = numbers.to(self.mean.dtype)
        if self._logs:
            x = torch.where(self.log, x.sign() * x.abs().log1p(), x)
        z = (x - self.mean) / self.std
        if self.clip is not None:
            z = z.clamp(-self.clip, self.clip)
        missing = z.isnan()
        z = torch.where(missing, 0.0, z)
        if self._indicates:
            z = torch.cat([z, missing[:, self.indicators].to(z.dtype)], dim=1)
        return (z, *categories)


def _safe(std: list[float]) -> list[float]:
    """A constant column has a standard deviation of 0 and is only centred."""
    return [s if s > 0 else 1.0 for s in std]


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value
