"""Small sets of annotated pictures, written in a test in every form."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Three pictures of 40 × 30 (width × height), the last one without objects.
WIDTH, HEIGHT = 40, 30
COCO: dict[str, Any] = {
    "images": [{"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT} for number in (1, 2, 3)],
    "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
    "annotations": [
        {
            "id": 10,
            "image_id": 1,
            "category_id": 7,
            "bbox": [4, 6, 10, 12],
            "area": 110.5,
            "iscrowd": 0,
            "segmentation": [[4, 6, 14, 6, 14, 18, 4, 18]],
        },
        {"id": 11, "image_id": 1, "category_id": 3, "bbox": [20, 2, 6, 6], "iscrowd": 0},
        {
            "id": 12,
            "image_id": 2,
            "category_id": 3,
            "bbox": [0, 0, 20, 30],
            "iscrowd": 1,
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 600, 600]},
        },
    ],
}


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A picture of noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def write_pictures(folder: Path, *names: str, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Pictures of noise under these names."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed, width, height).save(folder / name)


def write_coco(folder: Path, changes: Mapping[str, Any] | None = None, *, name: str = "instances.json") -> Path:
    """The set above as COCO; `changes` are (list, place, key) → value, the key None for a whole entry."""
    table = copy.deepcopy(COCO)
    for path, value in (changes or {}).items():
        where, place, key = path.split(".")
        if key == "all":
            table[where].append(value)
        else:
            table[where][int(place)][key] = value
    write_pictures(folder, "1.png", "2.png", "3.png")
    (folder / name).write_text(json.dumps(table))
    return folder


def voc(name: str, objects: str, width: int = WIDTH, height: int = HEIGHT) -> str:
    """One annotation of Pascal VOC."""
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>JPEGImages</folder><filename>{name}</filename>{size}{objects}</annotation>"


def voc_object(label: str, xmin: object, ymin: object, xmax: object, ymax: object, *, difficult: int = 0) -> str:
    """One object of Pascal VOC."""
    box = f"<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>"
    return f"<object><name>{label}</name><difficult>{difficult}</difficult>{box}</object>"


def write_voc(folder: Path, annotations: Mapping[str, str], lists: Mapping[str, str] | None = None) -> Path:
    """`annotations` by stem, with pictures; `lists` are the files of ImageSets/Main."""
    write_pictures(folder / "JPEGImages", *(f"{stem}.png" for stem in annotations))
    (folder / "Annotations").mkdir(parents=True, exist_ok=True)
    for stem, text in annotations.items():
        (folder / "Annotations" / f"{stem}.xml").write_text(text)
    for name, text in (lists or {}).items():
        (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return folder


def write_mask(path: Path, values: np.ndarray) -> None:
    """A mask: a plane of numbers, or of colours (height, width, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def write_masks(folder: Path, count: int = 4, *, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """images/ and masks/ of two classes, left and right halves."""
    for number in range(count):
        write_pictures(folder / "images", f"{number}.png", width=width, height=height)
        plane = np.zeros((height, width))
        plane[:, width // 2 :] = 1
        write_mask(folder / "masks" / f"{number}.png", plane)
    return folder
