"""Pictures with boxes or masks as the first epochs of training would see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sonde.data import augment
from sonde.data.assemble import Dataset
from sonde.data.checks.scene_sheet import tinted
from sonde.data.checks.sheet import turns
from sonde.data.drawing import Shown, colour_of, draw
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.scenes import fit_scenes
from sonde.data.prepare.target import Target, fit_target
from sonde.data.readers.mask_planes import VOID
from sonde.data.scene_batches import SceneAugment, Taken, boxes_of, seen
from sonde.errors import DataError
from sonde.ops.boxes import BOTTOM, CLASS, CROWD, LEFT
from sonde.recipe import Recipe

ROWS, EPOCHS, SIDE = 6, 6, 240


def scene_augmented_sheet(recipe: Recipe, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """As `augmented_sheet`, of pictures with places in them: on the prepared canvas, with the draws of the recipe's seed.

    Raises RecipeError where a step leaves none of some picture's boxes, as before training.
    """
    names, seed, train = recipe.data.augment or (), recipe.training.seed, dataset.parts["train"]
    preparation = fit_scenes(train, recipe.data)
    target = fit_target(dataset.inferred.task, {}, train, dataset.inferred.targets, data=recipe.data, scenes=preparation)
    steps = augment.augmentation(names, seed=seed)
    if dataset.content.kind == "boxes" and steps is not None:
        few = train.index[: augment.TRIED]
        tried = build_columns(preparation, target, train.examples.take(few), on_error="skip")
        read = np.flatnonzero(tried.valid)
        steps.check_boxes(boxes_of(tried, read), torch.from_numpy(few[read]))
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for place in turns([""] * len(train.index), ROWS):
        number = train.index[place : place + 1]
        try:
            columns = build_columns(preparation, target, train.examples.take(number))
        except DataError:
            continue  # the check names those that cannot be read
        files = [_save(_painted(columns, None, number, 0, target), folder, f"augmented-{len(rows)}-0")]
        for epoch in range(EPOCHS):
            files.append(_save(_painted(columns, steps, number, epoch, target), folder, f"augmented-{len(rows)}-{epoch + 1}"))
        rows.append({"label": "", "cells": [{"file": file, "label": ""} for file in files]})
        if len(rows) == ROWS:
            break
    return {"names": list(names), "seed": seed, "rows": rows}


def _painted(columns: Columns, steps: SceneAugment | None, number: Any, epoch: int, target: Target) -> Image.Image:
    """The one example of `columns` as an epoch sees it, with its places drawn."""
    assert columns.scene is not None
    taken = Taken(columns.inputs, columns.targets, columns.masks)
    found = seen(taken, columns.scene, steps, torch.from_numpy(number), epoch)
    assert found.targets is not None
    pixels = found.inputs[0][0].float().round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    if columns.scene == "masks":
        plane = torch.where(found.targets[0] < 0, VOID, found.targets[0]).byte().numpy()
        return Image.fromarray(tinted(pixels, plane))
    objects = []
    for slot, row in enumerate(found.targets[0].tolist()):
        if row[CLASS] >= 0:
            left, top, right, bottom = row[LEFT : BOTTOM + 1]
            mask = None if found.masks is None else (found.masks[0] == slot + 1).numpy()
            objects.append(Shown((left, top, right, bottom), "", colour_of(int(row[CLASS])), mask, dashed=row[CROWD] > 0))
    return draw(pixels, objects, least=SIDE)


def _save(image: Image.Image, folder: Path, name: str) -> str:
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.save(folder / f"figures/{name}.jpg", optimize=True, quality=88)
    return f"figures/{name}.jpg"
