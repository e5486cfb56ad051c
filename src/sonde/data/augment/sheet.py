"""A contact sheet of augmented pictures: some examples, each as it is and as several epochs of training would see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from sonde.data import augment
from sonde.data.assemble import Dataset
from sonde.data.augment.scene import Scene
from sonde.data.augment.scene_sheet import scene_augmented_sheet
from sonde.data.checks.sheet import SIDE, thumbnail, turns
from sonde.data.contents import SCENES
from sonde.data.prepare.images import ImagePreparation, fit_images
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.recipe import Recipe

ROWS, EPOCHS = 8, 6
PIXELS = 48  # of a side, up to which each is to be seen
FRAME, TINTS = (255, 90, 60), ((66, 135, 245), (245, 176, 66), (86, 190, 110), (190, 90, 200))


def augmented_sheet(recipe: Recipe, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Write the pictures to `folder`/figures; what they are, as the page wants it (report/data_section.py).

    Classes take turns. The pictures stand at the working size, with the draws of the recipe's seed: exactly what `train` would
    show the network in its first epochs, before normalisation.
    """
    if dataset.content.kind in SCENES:
        return scene_augmented_sheet(recipe, dataset, folder)
    names, seed = recipe.data.augment or (), recipe.training.seed
    train = dataset.parts["train"]
    preparation = fit_images(train, recipe.data)
    target = dataset.inferred.targets[0] if len(dataset.inferred.targets) == 1 else None
    shown = _Shown(train, preparation, target)
    steps, mix = augment.augmentation(names, seed=seed), augment.mixing(names, seed=seed)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for place in turns(shown.labels, ROWS):
        picture = shown.read(place)
        if picture is None:
            continue  # the check names those that cannot be decoded
        index, file = torch.tensor([shown.number(place)]), f"augmented-{len(rows)}"
        cells = [{"file": _save(picture, folder, f"{file}-0"), "label": shown.labels[place]}]
        for epoch in range(EPOCHS):
            seen, label = picture if steps is None else steps(picture, index, epoch), shown.labels[place]
            if mix is not None:
                other = int(mix.partners(index, epoch, len(train.index))[0])
                partner, number = shown.read(other), torch.tensor([shown.number(other)])
                if partner is not None:
                    partner = partner if steps is None else steps(partner, number, epoch)
                    seen, share = mix(seen, partner, index, epoch)
                    label = _mixed(label, shown.labels[other], float(share))
            cells.append({"file": _save(seen, folder, f"{file}-{epoch + 1}"), "label": label})
        rows.append({"label": shown.labels[place], "cells": cells})
        if len(rows) == ROWS:
            break
    return {"names": list(names), "seed": seed, "rows": rows}


@dataclass
class _Shown:
    """The training part's pictures and labels, by place."""

    train: Selection
    preparation: ImagePreparation
    target: str | None

    def __post_init__(self) -> None:
        frame, known = self.train.examples.frame, self.target is not None
        values = frame[self.target][self.train.index].to_list() if known and self.target in frame.columns else [""] * len(self.train.index)
        self.labels = ["" if value is None else str(value) for value in values]

    def number(self, place: int) -> int:
        return int(self.train.index[place])

    def read(self, place: int) -> torch.Tensor | None:
        """uint8 (1, channel, size, size), or None where it cannot be decoded."""
        try:
            (pictures,) = self.preparation.encode(self.train.examples, self.train.index[place : place + 1])
        except DataError:
            return None
        return torch.from_numpy(pictures)


def _mixed(label: str, other: str, share: float) -> str:
    return label if label == other or not label else f"{100 * share:.0f}\u00a0% {label} + {100 - 100 * share:.0f}\u00a0% {other}"


def paint(scene: Scene, row: int) -> Image.Image:
    """One picture of a scene as it is looked at: masks as tints over it, boxes as frames."""
    pixels = scene.pictures[row].detach().cpu().float().round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    if scene.masks is not None:
        mask, pixels = scene.masks[row].cpu().numpy(), np.repeat(pixels, 3 // pixels.shape[2], axis=2)
        tint = np.asarray(TINTS, dtype=np.float32)[(mask.astype(np.int64) - 1) % len(TINTS)]
        pixels = np.where((mask > 0)[..., None], 0.5 * pixels + 0.5 * tint, pixels).astype(np.uint8)
    image = thumbnail(pixels, SIDE)
    if scene.boxes is not None and scene.kept is not None:
        image, factor = image.convert("RGB"), image.width / scene.size[1]
        draw = ImageDraw.Draw(image)
        for left, top, right, bottom in (scene.boxes[row][scene.kept[row]] * factor).tolist():
            draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=FRAME)
    return image


def _save(picture: torch.Tensor, folder: Path, name: str) -> str:
    image = paint(Scene(picture), 0)
    # Photographs as JPEG, or a page would have no room for so many.
    file = f"figures/{name}.{'png' if max(picture.shape[2:]) <= PIXELS else 'jpg'}"
    image.save(folder / file, optimize=True, quality=90)
    return file
