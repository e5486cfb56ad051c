"""Detections as a person reads them: a row an object, in pixels of the original picture; and as COCO's files have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sonde.data.contents import Examples
from sonde.data.outlines import decode_runs, encode_runs
from sonde.metrics.coco import Annotation, Curves, curves, detection, truth
from sonde.metrics.detection import BOX
from sonde.ops.boxes import CLASS, SCORE, iou, to_original
from sonde.ops.fusion import TOGETHER, fuse
from sonde.ops.paste import paste_masks

# What a picture's rows tell of each object. A picture without any has one row, in which they are missing.
SCHEMA: Final = {"label": pl.String, "score": pl.Float64, "left": pl.Float64, "top": pl.Float64, "right": pl.Float64, "bottom": pl.Float64}
CORNERS: Final = ("left", "top", "right", "bottom")
SURE: Final = 0.3  # the least score of what is drawn and listed where nothing else is asked for
LEAST_MASKED: Final = 0.05  # objects less sure than this get no outline: nearly all of them are none, and each takes a millisecond
CHUNK: Final = 64  # pictures whose overlaps are held at once
PASTED: Final = 32 * 2**20  # pixels of masks that are pasted at a time


def scales(preparation: Any, examples: Examples) -> Tensor:
    """Prepared pixels per original pixel of each picture, float32 (picture,)."""
    sides = examples.frame.select("width", "height").rows()
    return torch.tensor([preparation.scale(width, height) for width, height in sides], dtype=torch.float32)


def in_original(predictions: Tensor, scale: Tensor, examples: Examples) -> Tensor:
    """Predictions with their boxes in pixels of the original pictures `examples`, cut to them."""
    predictions = predictions.cpu()
    width, height = (torch.from_numpy(examples.frame[side].to_numpy().astype(np.float32)) for side in ("width", "height"))
    boxes = to_original(predictions[..., :4], scale, height=height, width=width)
    return torch.cat([boxes, predictions[..., 4:]], -1)


def rows(predictions: Tensor, examples: Examples, names: Sequence[str], classes: Sequence[str], *, least: float = 0.0) -> pl.DataFrame:
    """A row for each object of predictions in original pixels, those of a score above 0 and of at least `least` that have an area.

    Columns: `picture` (its number among `examples`), `image` (its name), `label`, `score`, `left`, `top`, `right`, `bottom`, and for masks `outline`: a
    run-length code as JSON. Pictures stand in order, the surest object first.
    """
    kept = (predictions[..., SCORE] > 0) & (predictions[..., SCORE] >= least)
    # What lay on the canvas beside the picture has nothing left of it.
    kept &= (predictions[..., 2:4] > predictions[..., :2]).all(-1)
    picture = kept.nonzero()[:, 0].numpy()
    some = predictions[..., :BOX][kept].double().numpy()
    columns: dict[str, Any] = {"picture": picture, "label": [classes[int(number)] for number in some[:, 4]], "score": some[:, SCORE]}
    columns |= {name: some[:, place] for place, name in enumerate(CORNERS)}
    schema: dict[str, Any] = {"picture": pl.Int64} | SCHEMA
    if predictions.shape[-1] > BOX:
        columns["outline"] = _outlines(predictions, kept, examples)
        schema["outline"] = pl.String
    found = pl.DataFrame(columns, schema=schema)
    whole = pl.DataFrame({"picture": np.arange(len(examples)), "image": list(names)}, schema={"picture": pl.Int64, "image": pl.String})
    return whole.join(found, on="picture", how="left", maintain_order="left_right")


def _outlines(predictions: Tensor, kept: Tensor, examples: Examples) -> list[str | None]:
    """The outline of each kept object, None of those that are too unsure to have one."""
    found: list[str | None] = []
    sides = examples.frame.select("width", "height").rows()
    for some, chosen, (width, height) in zip(predictions, kept, sides, strict=True):
        objects = some[chosen]
        sure = objects[objects[:, SCORE] >= LEAST_MASKED]
        # Rows are sorted by score, so the sure ones come first.
        found += [json.dumps(encode_runs(mask), separators=(",", ":")) for mask in masks_of(sure, height=height, width=width)]
        found += [None] * (len(objects) - len(sure))
    return found


def masks_of(objects: Tensor, *, height: int, width: int) -> np.ndarray:
    """The masks of objects (object, 6 + side²) in original pixels, bool (object, height, width): where the probability is above ½."""
    side = round((objects.shape[1] - BOX) ** 0.5)
    if not len(objects):
        return np.zeros((0, height, width), dtype=bool)
    pieces = objects.split(max(1, PASTED // (height * width)))
    return np.concatenate(
        [(paste_masks(piece[:, BOX:].unflatten(1, (side, side)), piece[:, :4], height=height, width=width) > 0.5).numpy() for piece in pieces]
    )


def fused(found: Sequence[Tensor], scale: Sequence[Tensor], *, most: int | None = None) -> Tensor:
    """What several detectors found in the same pictures, on the first one's canvas (ops/fusion.py).

    `scale` has for each detector its prepared pixels per original pixel (picture,). Masks are the means of those whose boxes overlap the fused one
    by more than the threshold of the fusion, weighted by score. `most` rows a picture, default as many as the first gave.
    """
    same = [each.cpu().clone() for each in found]
    for rows_, factor in zip(same, scale, strict=True):
        rows_[..., :4] *= (scale[0] / factor)[:, None, None]
    boxes = fuse([rows_[..., :BOX] for rows_ in same], most=most or found[0].shape[1])
    if found[0].shape[-1] == BOX:
        return boxes
    pieces = zip(boxes.split(CHUNK), torch.cat(same, 1).split(CHUNK), strict=True)
    return torch.cat([boxes, torch.cat([_fused_masks(*piece) for piece in pieces])], -1)


def _fused_masks(boxes: Tensor, given: Tensor) -> Tensor:
    """(picture, most, side²): the mean mask of the rows `given` around each of `boxes`, else that of the nearest."""
    overlap = iou(boxes[..., :4], given[..., :4]) * (boxes[..., None, CLASS] == given[..., None, :, CLASS])
    nearest = torch.zeros_like(overlap).scatter_(2, overlap.argmax(2, keepdim=True), 1.0)
    weights = (overlap > TOGETHER) * given[..., None, :, SCORE]
    weights = torch.where(weights.sum(2, keepdim=True) > 0, weights, nearest)
    return weights @ given[..., BOX:] / weights.sum(2, keepdim=True)


def measured_masks(found: pl.DataFrame, examples: Examples, classes: Sequence[str]) -> dict[str, float]:
    """mask-map, mask-map-50 and mask-map-75: COCO's average precision by the overlap of outlines in original pixels.

    `found` are the rows of these `examples`. The true outlines are those that the data have, polygons or run-length codes; an object without one has its box's.
    """
    if "outline" not in found.columns or "outlines" not in examples.frame.columns:
        return {}
    numbers = {name: number for number, name in enumerate(classes)}
    there = found.filter(pl.col("outline").is_not_null())
    detections = []
    for picture, label, score, left, top, right, bottom, outline in there.select("picture", *SCHEMA, "outline").rows():
        code = json.loads(outline)
        area = float(decode_runs(code).sum())
        detections.append(detection(picture, numbers[label], (left, top, right - left, bottom - top), score, outline=code, area=area))
    truths = true_objects(examples, classes)
    sizes = examples.frame.select("width", "height").rows()
    of = curves(truths, detections, pictures=len(examples), classes=len(classes), sizes=sizes)
    return {"mask-map": of.average_precision(), "mask-map-50": of.average_precision(iou=0.5), "mask-map-75": of.average_precision(iou=0.75)}


def true_objects(examples: Examples, classes: Sequence[str]) -> list[Annotation]:
    """The objects that the data know of, of the classes that the model knows, in original pixels."""
    numbers = {name: number for number, name in enumerate(classes)}
    found = []
    columns = ("boxes", "labels", "crowd", "area", "outlines")
    for picture, objects in enumerate(examples.frame.select(columns).iter_rows()):
        for (left, top, right, bottom), label, crowd, area, outline in zip(*objects, strict=True):
            if label in numbers:
                box = (left, top, right - left, bottom - top)
                polygon = [[left, top, right, top, right, bottom, left, bottom]] if outline is None else json.loads(outline)
                found.append(truth(picture, numbers[label], box, float(area), crowd=bool(crowd), outline=polygon))
    return found


def box_curves(found: pl.DataFrame, examples: Examples, classes: Sequence[str]) -> Curves:
    """COCO's evaluation of the rows of these `examples`."""
    numbers = {name: number for number, name in enumerate(classes)}
    there = found.filter(pl.col("label").is_not_null())
    detections = [
        detection(picture, numbers[label], (left, top, right - left, bottom - top), score)
        for picture, label, score, left, top, right, bottom in there.select("picture", *SCHEMA).rows()
    ]
    return curves(true_objects(examples, classes), detections, pictures=len(examples), classes=len(classes))


def image_ids(found: pl.DataFrame) -> dict[int, int]:
    """COCO's number of each picture of the rows: what its file is called by where all are called by numbers (`000000532481.jpg`), else its place, from 1."""
    named = found.select("picture", "image").unique(maintain_order=True).rows()
    stems = [PurePath(str(image)).stem for _, image in named]
    numbered = all(stem.isdecimal() for stem in stems) and len({int(stem) for stem in stems}) == len(stems)
    return {picture: int(stem) if numbered else picture + 1 for (picture, _), stem in zip(named, stems, strict=True)}


def coco_results(found: pl.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The rows as COCO's list of results: image_id, category_id (the class's number, from 1), bbox (left, top, width, height), score.

    Of masks also segmentation, a run-length code.
    """
    numbers, ids = {name: number for number, name in enumerate(classes, start=1)}, image_ids(found)
    results = []
    for row in found.filter(pl.col("label").is_not_null()).iter_rows(named=True):
        box = [row["left"], row["top"], row["right"] - row["left"], row["bottom"] - row["top"]]
        result = {
            "image_id": ids[row["picture"]],
            "category_id": numbers[row["label"]],
            "bbox": [round(value, 3) for value in box],
            "score": round(row["score"], 6),
        }
        results.append(result | ({"segmentation": json.loads(row["outline"])} if row.get("outline") else {}))
    return results
