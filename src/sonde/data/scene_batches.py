"""Pictures with boxes or masks as a batch has them: seen through the augmentation of an epoch, and how much there is to learn in each."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sonde.data.augment.scene import Scene
from sonde.data.batch import NO_TARGET
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.columns import Scene as Kind
from sonde.ops.boxes import BOTTOM, CLASS, CROWD, EMPTY, LEFT, SCALE

VOID = 255  # how columns of bytes write NO_TARGET


class Taken(NamedTuple):
    """Some rows of columns."""

    inputs: tuple[Tensor, ...]
    targets: Tensor | None
    masks: Tensor | None = None


@runtime_checkable
class SceneAugment(Protocol):
    """An augmentation that moves boxes and masks along (data/augment)."""

    def scene(self, scene: Scene, index: Tensor, epoch: int) -> Scene:
        """The scene as the examples `index` are seen in `epoch`."""
        ...


def seen(taken: Taken, kind: Kind, augment: SceneAugment | None, numbers: Tensor, epoch: int) -> Taken:
    """The examples `numbers` as the model is given them: augmented, and labels of pixels as int64 with NO_TARGET.

    A box of which too little is left in sight (augment/scene.py) becomes an empty slot, and its pixels in the map of instances 0.
    """
    pictures, targets, masks = taken.inputs[0], taken.targets, taken.masks
    if targets is None:
        return taken
    if kind == "masks":
        if augment is not None:
            scene = augment.scene(Scene(pictures, masks=targets, outside=VOID), numbers, epoch)
            assert scene.masks is not None
            pictures, targets = scene.pictures, scene.masks
        labels = targets.long()
        return Taken((pictures, *taken.inputs[1:]), torch.where(labels == VOID, NO_TARGET, labels))
    if augment is None:
        return taken
    before = Scene(pictures, targets[..., LEFT : BOTTOM + 1], targets[..., CLASS] >= 0, masks)
    scene = augment.scene(before, numbers, epoch)
    assert scene.boxes is not None and scene.kept is not None
    emptied = torch.zeros_like(targets)
    emptied[..., CLASS], emptied[..., SCALE] = EMPTY, targets[..., SCALE]
    moved = torch.cat([scene.boxes, targets[..., CLASS:]], -1)
    targets = torch.where(scene.kept[..., None], moved, emptied)
    masks = scene.masks
    if masks is not None:
        owns = torch.cat([torch.zeros_like(scene.kept[:, :1]), scene.kept], 1)
        masks = torch.where(owns.gather(1, masks.flatten(1).long()).view_as(masks), masks, 0)
    return Taken((scene.pictures, *taken.inputs[1:]), targets, masks)


def boxes_of(columns: Columns, index: np.ndarray) -> Scene:
    """The boxes of the examples `index` on empty pictures of their size: for augmentations to be tried on."""
    assert columns.targets is not None
    targets = columns.targets[torch.from_numpy(index)]
    pictures = torch.zeros(len(index), 1, *columns.inputs[0].shape[2:])
    return Scene(pictures, targets[..., LEFT : BOTTOM + 1], targets[..., CLASS] >= 0)


def amounts(targets: Tensor, kind: Kind) -> dict[str, list[float]]:
    """How much there is to learn in each picture: `objects` that are real and no crowds, or `pixels` with a class."""
    if kind == "masks":
        return {"pixels": (targets != NO_TARGET).flatten(1).sum(1).double().tolist()}
    return {"objects": ((targets[..., CLASS] >= 0) & (targets[..., CROWD] == 0)).sum(1).double().tolist()}
