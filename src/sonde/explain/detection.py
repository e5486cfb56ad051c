"""What a detector finds, misses and invents: curves, counts, confusion, and pictures of the worst of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from PIL import Image

from sonde import detections
from sonde.data.contents import Examples
from sonde.data.drawing import Shown, colour_of
from sonde.detections import SURE
from sonde.explain.found import MISTAKES, Picture, pictures
from sonde.explain.held_out import HeldOut
from sonde.explain.objects import QUIET, close, corners, found_shown, pixels_of, small, true_shown
from sonde.metrics.coco import RECALLS, SIZES, Curves
from sonde.run import Run

SHOWN: Final = 8  # misses and false alarms
PAIRS: Final = 6  # pictures that are shown with the truth and the answer
CURVES: Final = 12  # classes whose curves are drawn
THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PICTURES: Final = ("missed", "invented", "seen")


def detection(run: Run, held: HeldOut, folder: Path, *, examples: bool) -> dict[str, Any]:
    """The key `detection` of explain.json; nothing where the data have gone. Without `examples` no pictures and no names."""
    if held.examples is None:
        return {}
    classes = [str(name) for name in run.target.values["classes"]]
    # Every picture has a row, also one in which nothing was found.
    numbers = held.rows["example"].unique().sort()
    of = held.examples.take(numbers.to_numpy())
    rows = held.rows.with_columns(numbers.search_sorted(held.rows["example"]).cast(pl.Int64).alias("picture"), pl.col("name").alias("image"))
    curves = detections.box_curves(rows, of, classes)
    seen = pictures(rows, of, classes)
    found: dict[str, Any] = {
        "classes": classes,
        "score": SURE,
        "pictures": len(of),
        "curves": _curves(curves, classes),
        "sizes": _sizes(curves, of),
        "counts": _counts(seen, classes, curves),
        "mistakes": {kind: sum(picture.kinds.count(kind) for picture in seen) for kind in MISTAKES},
        "confusion": _confusion(seen, classes),
        "thresholds": _thresholds(rows, of, classes),
        "facts": _facts(run, of),
    }
    if examples:
        names = rows.group_by("picture", maintain_order=True).first()["image"].to_list()
        found["missed"] = _missed(seen, of, classes, names, folder)
        found["invented"] = _invented(seen, of, classes, names, folder)
        found["seen"] = _seen(rows, of, classes, names, folder)
    return {"detection": found}


def _plain(value: float, digits: int = 4) -> float | None:
    return None if np.isnan(value) else round(value, digits)


def _curves(curves: Curves, classes: list[str]) -> list[dict[str, Any]]:
    """The precision at each recall, at an IoU of ½, of the classes with most to tell: the best and the worst where there are many."""
    order = sorted(range(len(classes)), key=lambda label: -np.nan_to_num(curves.average_precision(iou=0.5, label=label), nan=-1.0))
    known = [label for label in order if not np.isnan(curves.average_precision(iou=0.5, label=label))]
    chosen = known if len(known) <= CURVES else [*known[: CURVES // 2], *known[-CURVES // 2 :]]
    return [
        {
            "class": classes[label],
            "ap": _plain(curves.average_precision(iou=0.5, label=label)),
            "recall": RECALLS[::2].round(3).tolist(),
            "precision": curves.precision[0, ::2, label, 0].round(4).tolist(),
        }
        for label in chosen
    ]


def _sizes(curves: Curves, of: Examples) -> list[dict[str, Any]]:
    """Average precision by the area of objects."""
    area = of.frame["area"].explode().drop_nulls().to_numpy()
    crowd = of.frame["crowd"].explode().drop_nulls().to_numpy()
    limits = {"all": (0.0, np.inf), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}
    told = []
    for size in SIZES:
        low, high = limits[size]
        many = int(((area >= low) & (area < high) & ~crowd.astype(bool)).sum())
        values = {
            "map": curves.average_precision(size=size),
            "map-50": curves.average_precision(iou=0.5, size=size),
            "map-75": curves.average_precision(iou=0.75, size=size),
            "recall-100": curves.average_recall(size=size),
        }
        told.append({"size": size, "objects": many, **{name: _plain(value) for name, value in values.items()}})
    return told


def _counts(seen: list[Picture], classes: list[str], curves: Curves) -> list[dict[str, Any]]:
    """Class by class: how many there are, were found, were missed and invented, among detections that are sure enough."""
    told = []
    for label, name in enumerate(classes):
        there = sum(int((picture.true_labels == label).sum()) for picture in seen)
        said = sum(int((picture.labels == label).sum()) for picture in seen)
        right = sum(kind == "right" and int(own) == label for picture in seen for own, kind in zip(picture.labels, picture.kinds, strict=True))
        if there or said:
            ap, half = curves.average_precision(label=label), curves.average_precision(iou=0.5, label=label)
            told.append({"class": name, "objects": there, "detections": said, "right": right, "ap": _plain(ap), "ap-50": _plain(half)})
    return told


def _confusion(seen: list[Picture], classes: list[str]) -> dict[str, Any]:
    """What each true object was taken for, counts (class + 1, class + 1): the last row holds what nothing was, the last column what was missed."""
    counts = np.zeros((len(classes) + 1, len(classes) + 1), dtype=int)
    for picture in seen:
        for label, of in zip(picture.labels, picture.of, strict=True):
            counts[picture.true_labels[of] if of >= 0 else len(classes), label] += 1
        for place in picture.missed:
            counts[picture.true_labels[place], len(classes)] += 1
    kept = [label for label in range(len(classes)) if counts[label].any() or counts[:, label].any()]
    kept.append(len(classes))
    return {"classes": [*(classes[label] for label in kept[:-1]), "background"], "counts": counts[np.ix_(kept, kept)].tolist()}


def _thresholds(rows: pl.DataFrame, of: Examples, classes: list[str]) -> list[dict[str, Any]]:
    """What is found and invented where detections below a score are left out."""
    told = []
    for least in THRESHOLDS:
        seen = pictures(rows, of, classes, least=least)
        there, said = sum(len(picture.true_labels) for picture in seen), sum(len(picture.kinds) for picture in seen)
        right = sum(picture.kinds.count("right") for picture in seen)
        precision, recall = right / said if said else float("nan"), right / there if there else float("nan")
        told.append({"score": least, "detections": said, "right": right, "precision": _plain(precision), "recall": _plain(recall)})
    return told


def _facts(run: Run, of: Examples) -> dict[str, Any]:
    """The numbers that bound what can be found."""
    counts = of.frame["boxes"].list.len()
    values, preparation = run.target.values, run.preparation
    return {
        "canvas": list(preparation.canvas),
        "slots": values["slots"],
        "objects": int(counts.sum()),
        "most": int(counts.max() or 0),  # type: ignore[arg-type]
        "empty": int((counts == 0).sum()),
    }


def _missed(seen: list[Picture], of: Examples, classes: list[str], names: list[str], folder: Path) -> list[dict[str, Any]]:
    """The largest objects that were not found, each looked at closely."""
    every = [(picture, int(place)) for picture in seen for place in picture.missed]
    sizes = [float(np.prod(picture.true_boxes[place][2:] - picture.true_boxes[place][:2])) for picture, place in every]
    told: list[dict[str, Any]] = []
    for index in _spread([picture.number for picture, _ in every], np.argsort(np.negative(sizes), kind="stable")):
        picture, place = every[index]
        label = int(picture.true_labels[place])
        others = [Shown(corners(box), "", QUIET, dashed=True) for box in picture.boxes]
        marked = Shown(corners(picture.true_boxes[place]), "", colour_of(label))
        said = {"name": names[picture.number], "label": classes[label], "size": _extent(picture.true_boxes[place])}
        told.append(said | {"picture": close(of, picture.number, [marked, *others], folder / f"missed-{len(told)}.png")})
        if len(told) == SHOWN:
            break
    return told


def _invented(seen: list[Picture], of: Examples, classes: list[str], names: list[str], folder: Path) -> list[dict[str, Any]]:
    """The detections that the model was surest of and that are wrong, each looked at closely, true objects beside them."""
    every = [(picture, place) for picture in seen for place, kind in enumerate(picture.kinds) if kind != "right"]
    scores = [float(picture.scores[place]) for picture, place in every]
    told: list[dict[str, Any]] = []
    for index in _spread([picture.number for picture, _ in every], np.argsort(np.negative(scores), kind="stable")):
        picture, place = every[index]
        label, true = int(picture.labels[place]), int(picture.of[place])
        others = [Shown(corners(box), "", QUIET, dashed=True) for box in picture.true_boxes]
        marked = Shown(corners(picture.boxes[place]), "", colour_of(label))
        said = {"name": names[picture.number], "label": classes[label], "score": round(float(picture.scores[place]), 4), "kind": picture.kinds[place]}
        said |= {"truth": classes[int(picture.true_labels[true])] if true >= 0 else None}
        told.append(said | {"picture": close(of, picture.number, [marked, *others], folder / f"invented-{len(told)}.png")})
        if len(told) == SHOWN:
            break
    return told


def _spread(owners: list[int], order: np.ndarray) -> list[int]:
    """`order`, at most two of one picture first: one crowded picture is not to fill the page."""
    times: dict[int, int] = {}
    first: list[int] = []
    later: list[int] = []
    for index in order.tolist():
        times[owners[index]] = times.get(owners[index], 0) + 1
        (first if times[owners[index]] <= 2 else later).append(index)
    return first + later


def _seen(rows: pl.DataFrame, of: Examples, classes: list[str], names: list[str], folder: Path) -> list[dict[str, Any]]:
    """Some pictures, evenly over the part, with what there is at the left and what was found at the right."""
    chosen = np.unique(np.linspace(0, len(of) - 1, min(PAIRS, len(of))).astype(int))
    numbers = {name: number for number, name in enumerate(classes)}
    told = []
    for place, number in enumerate(chosen.tolist()):
        pixels = pixels_of(of, number)
        if pixels is None:
            continue
        sure = rows.filter((pl.col("picture") == number) & (pl.col("score") >= SURE))
        truth, answer = true_shown(of, number, numbers), found_shown(sure, numbers)
        sides = [small(pixels, shown) for shown in (truth, answer)]
        both = Image.new("RGB", (sides[0].width + 6 + sides[1].width, sides[0].height), (255, 255, 255))
        both.paste(sides[0], (0, 0))
        both.paste(sides[1], (sides[0].width + 6, 0))
        path = folder / f"seen-{place}.png"
        both.save(path, optimize=True)
        told.append({"name": names[number], "objects": len(truth), "found": len(answer), "picture": f"{folder.name}/{path.name}"})
    return told


def _extent(box: np.ndarray) -> list[int]:
    return [round(float(box[2] - box[0])), round(float(box[3] - box[1]))]
