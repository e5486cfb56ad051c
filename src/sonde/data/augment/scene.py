"""What an augmentation changes together: pictures, and the boxes and masks that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Integer, Num
from torch import Tensor

VISIBLE = 0.25  # a box of which a step leaves a smaller share in sight is dropped


@dataclass(frozen=True)
class Scene:
    """Some pictures and what is known about places in them.

    `pictures` uint8 or float in 0…255. `boxes` are (left, top, right, bottom) in pixels from the top left corner, so that
    the whole picture is (0, 0, width, height); rows are padded, and `kept` says which boxes are there (a box that is
    not is all zeros). `masks` are labels of pixels; what comes in from beyond the picture is labelled `outside`.
    """

    pictures: Num[Tensor, "batch channel height width"]
    boxes: Float[Tensor, "batch box 4"] | None = None
    kept: Bool[Tensor, "batch box"] | None = None
    masks: Integer[Tensor, "batch height width"] | None = None
    outside: int = 0

    def __post_init__(self) -> None:
        if (self.boxes is None) != (self.kept is None):
            raise ValueError("boxes come with `kept`, which says which of them are there")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pictures.shape[2], self.pictures.shape[3]

    def with_pictures(self, pictures: Tensor) -> Scene:
        """The same places with other colours."""
        return replace(self, pictures=pictures)

    def take(self, rows: Tensor) -> Scene:
        """Some of the pictures, in the order `rows`."""

        def some(values: Tensor | None) -> Tensor | None:
            return None if values is None else values.index_select(0, rows)

        return Scene(self.pictures.index_select(0, rows), some(self.boxes), some(self.kept), some(self.masks), self.outside)


def cut(boxes: Tensor, kept: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Boxes cut at the picture's border, and which are kept: those of which at least the share `VISIBLE` is left."""
    height, width = size
    limit = boxes.new_tensor([width, height, width, height])
    inside = torch.minimum(boxes.clamp(min=0), limit)
    return _keep(inside, kept & (area(inside) >= VISIBLE * area(boxes)) & (area(inside) > 0))


def hide(boxes: Tensor, kept: Tensor, window: Tensor) -> Tensor:
    """Which boxes (batch, box, 4) stay in sight where `window` (batch, 4) of each picture is covered."""
    low = torch.maximum(boxes[..., :2], window[:, None, :2])
    high = torch.minimum(boxes[..., 2:], window[:, None, 2:])
    covered = (high - low).clamp(min=0).prod(-1)
    return kept & (area(boxes) - covered >= VISIBLE * area(boxes))


def area(boxes: Tensor) -> Tensor:
    """Width times height of boxes (…, 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _keep(boxes: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(kept[..., None], boxes, 0.0), kept
