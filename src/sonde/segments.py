"""Segmentations as a person uses them: a plane of class numbers for each picture, in the picture's own pixels.

A picture is looked at as in training, scaled onto the canvas. One that would not fit there at the scale of the training pictures is seen
through windows of the canvas's size at that scale, which overlap and are blended, so that things keep the size that they were learned at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.data.contents import Examples, Pictures
from sonde.data.prepare.images import with_channels
from sonde.data.prepare.scenes import ScenePreparation, extent, fit_within
from sonde.data.readers.mask_planes import VOID
from sonde.errors import UsageError
from sonde.metrics.segmentation import counted, segmentation_metrics
from sonde.ops.losses import NO_TARGET
from sonde.ops.sliding_window import sliding_window
from sonde.tasks.segmentation import share_columns

TOGETHER: Final = 4  # canvases that are predicted at once
ROOM: Final = 1.25  # of the canvas: a picture of up to so much more than it at the usual scale is rather scaled down a little
LARGEST_OVERLAP: Final = 0.9


@dataclass(frozen=True)
class Looking:
    """How pictures are looked at: whether large ones through `windows`, and which share of a window its neighbour shows again.

    Raises UsageError for an overlap that is no share from 0 to 0.9.
    """

    windows: bool = True
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if not (math.isfinite(self.overlap) and 0 <= self.overlap <= LARGEST_OVERLAP):
            what = f"an overlap of {self.overlap:g} is no share of a window from 0 to {LARGEST_OVERLAP:g}"
            raise UsageError(what, where="--overlap", remedy="for example --overlap 0.25")


@dataclass(frozen=True)
class Segments:
    """One picture: `pixels` uint8 (height, width, channel) as they were read, `plane` uint8 (height, width), the class of each."""

    name: str
    pixels: np.ndarray
    plane: np.ndarray
    windows: int = 1


def segments(
    predictors: Sequence[nn.Module], preparations: Sequence[ScenePreparation], examples: Examples, *, device: torch.device, looking: Looking | None = None
) -> Iterator[Segments]:
    """The pictures of `examples` one after the other.

    `predictors` take raw canvases uint8 (n, channel, height, width) and give logits (n, class, height, width); of several, the folds of one
    run, each with its preparation, probabilities are averaged. Raises DataError for a picture that cannot be read.
    """
    assert examples.pictures is not None
    looking = looking or Looking()
    for row in range(len(examples)):
        pixels = examples.pictures.read(row)
        found = [_probabilities(model, prep, pixels, device, looking) for model, prep in zip(predictors, preparations, strict=True)]
        size = (pixels.shape[0], pixels.shape[1])
        plane = answers([maps for maps, _ in found], size)
        yield Segments(examples.pictures.name(row), pixels, plane, found[0][1])


def _probabilities(model: nn.Module, prep: ScenePreparation, pixels: np.ndarray, device: torch.device, looking: Looking) -> tuple[Tensor, int]:
    """Probabilities (class, height, width) of the picture as it was prepared, and how many windows it took."""
    height, width = pixels.shape[:2]
    seen: list[int] = []

    @torch.no_grad()
    def predict(canvases: Tensor) -> Tensor:
        seen.append(len(canvases))
        return model(canvases.to(device)).float().softmax(1).cpu()

    if not (looking.windows and _is_large(prep, width, height)):
        canvas, scale = prep.place(pixels)
        tall, wide = extent(width, height, scale, prep.canvas)
        return predict(torch.from_numpy(canvas)[None])[0, :, :tall, :wide], 1
    tall, wide = max(1, round(height * prep.usual_scale)), max(1, round(width * prep.usual_scale))
    scaled = torch.from_numpy(fit_within(with_channels(pixels, prep.channels), (tall, wide)).copy())
    whole = torch.from_numpy(prep.ground())[:, None, None].expand(-1, max(tall, prep.canvas[0]), max(wide, prep.canvas[1])).contiguous()
    whole[:, :tall, :wide] = scaled
    maps = sliding_window(predict, whole, window=prep.canvas, overlap=looking.overlap, batch=TOGETHER)
    return maps[:, :tall, :wide], sum(seen)


def _is_large(prep: ScenePreparation, width: int, height: int) -> bool:
    """Whether a picture at the usual scale is clearly larger than the canvas."""
    return height * prep.usual_scale > ROOM * prep.canvas[0] or width * prep.usual_scale > ROOM * prep.canvas[1]


def answers(maps: Sequence[Tensor], size: tuple[int, int]) -> np.ndarray:
    """The likeliest class of each pixel, uint8 (height, width) = `size`, from probabilities (class, height, width) that are interpolated and averaged.

    Class by class, so that a large picture's probabilities never stand in memory together.
    """
    best, plane = torch.full(size, -1.0), torch.zeros(size, dtype=torch.uint8)
    for number in range(len(maps[0])):
        enlarged = [F.interpolate(each[None, number : number + 1], size=size, mode="bilinear", align_corners=False)[0, 0] for each in maps]
        value = enlarged[0] if len(enlarged) == 1 else torch.stack(enlarged).mean(0)
        plane.masked_fill_(value > best, number)
        best = torch.maximum(best, value)
    return plane.numpy()


def table(found: Iterable[Segments], classes: tuple[str, ...]) -> pl.DataFrame:
    """A row a picture: `name`, `prediction`, the class of the most pixels, and `share:<class>`, how much of the picture each covers."""
    names, shares = [], []
    for each in found:
        names.append(each.name)
        shares.append(np.bincount(each.plane.ravel(), minlength=len(classes)) / each.plane.size)
    columns = share_columns(np.array(shares).reshape(-1, len(classes)), classes)
    return pl.DataFrame({"name": pl.Series(names, dtype=pl.String), **columns})


def counts(found: Iterable[Segments], masks: Pictures, classes: int) -> Iterator[Tensor]:
    """Of each picture the pixels of each true class (row) by their answer, int64 (class, class). `masks` are the truth, picture by picture."""
    for row, each in enumerate(found):
        yield counted(torch.from_numpy(each.plane.astype(np.int64)), torch.from_numpy(truth(masks, row)), classes=classes)


def truth(masks: Pictures, row: int) -> np.ndarray:
    """Class numbers int64 (height, width), NO_TARGET where there is none."""
    plane = masks.read(row)[:, :, 0].astype(np.int64)
    plane[plane == VOID] = NO_TARGET
    return plane


def measures(table: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """mean-iou, pixel-accuracy and iou:<class> from the pixels of all pictures, (class, class)."""
    found = {name: metric for name, metric in segmentation_metrics(classes, final=True).items() if name != "loss"}
    return {name: metric.value(table.double().flatten()) for name, metric in found.items()}


def told(found: Iterable[Segments], listen: Callable[[Segments], Any]) -> Iterator[Segments]:
    """The same, each handed to `listen` as it passes."""
    for each in found:
        listen(each)
        yield each
