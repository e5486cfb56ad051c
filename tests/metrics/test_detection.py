"""Measures of detections as tensors: COCO's on real boxes, Pascal VOC's against its definition, gathered over batches and processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sonde.metrics.coco import curves, detection, truth
from sonde.metrics.detection import detection_metrics
from sonde.metrics.rows import RowMetric
from sonde.metrics.voc import voc_average_precision

EMPTY = [0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0]


def targets_of(pictures: list[list[list[float]]], scales: list[float], slots: int) -> Tensor:
    """Targets (picture, slot, 8) of objects (left, top, right, bottom, class, crowd, area)."""
    rows = [[[*one, scale] for one in [*objects, *[EMPTY] * (slots - len(objects))]] for objects, scale in zip(pictures, scales, strict=True)]
    return torch.tensor(rows)


def predictions_of(pictures: list[list[list[float]]], most: int) -> Tensor:
    """Predictions (picture, most, 6) of (left, top, right, bottom, class, score), sorted by score."""
    rows = [[*sorted(found, key=lambda one: -one[5]), *[[0.0] * 6] * (most - len(found))] for found in pictures]
    return torch.tensor(rows)


def drawn(seed: int, *, pictures: int = 30, classes: int = 3, crowds: bool = True) -> tuple[Tensor, Tensor]:
    """Random objects, and detections around them, some of them twice and some of another class."""
    draw = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(pictures):
        objects, there = [], []
        for _ in range(int(draw.integers(0, 6))):
            x, y = draw.uniform(0, 200, 2)
            w, h = draw.uniform(10, 150, 2)
            label = float(draw.integers(classes))
            objects.append([x, y, x + w, y + h, label, float(crowds and draw.random() < 0.2), w * h])
            for _ in range(int(draw.integers(0, 4))):
                box = np.array([x, y, x + w, y + h]) + draw.normal(0, 6, 4)
                box = np.concatenate([np.minimum(box[:2], box[2:] - 1), box[2:]])
                there.append([*box.tolist(), label if draw.random() < 0.8 else float(draw.integers(classes)), float(draw.random())])
        truths.append(objects)
        found.append(there)
    return predictions_of(found, 20), targets_of(truths, [1.0] * pictures, 6)


def by_definition(predictions: Tensor, targets: Tensor, label: int, points: str) -> float:
    """AP of one class as the challenge's text has it, one detection after the other."""
    listed = []
    positives = 0
    for picture in range(len(targets)):
        rows = targets[picture][targets[picture, :, 4] == label].double()
        positives += int((rows[:, 5] == 0).sum())
        found = predictions[picture]
        listed += [(float(one[5]), picture, one[:4].double()) for one in found if one[5] > 0 and one[4] == label]
    taken: set[tuple[int, int]] = set()
    right: list[int] = []
    for _, picture, box in sorted(listed, key=lambda one: -one[0]):
        rows = targets[picture][targets[picture, :, 4] == label].double()
        best, slot = 0.0, -1
        for number, row in enumerate(rows):
            wide = max(0.0, float(min(box[2], row[2]) - max(box[0], row[0])))
            high = max(0.0, float(min(box[3], row[3]) - max(box[1], row[1])))
            whole = float((box[2] - box[0]) * (box[3] - box[1]) + (row[2] - row[0]) * (row[3] - row[1])) - wide * high
            if wide * high / whole > best:
                best, slot = wide * high / whole, number
        if best < 0.5:
            right.append(0)
        elif rows[slot, 5] > 0:
            continue
        else:
            right.append(int((picture, slot) not in taken))
            taken.add((picture, slot))
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(right) + 1), hits / positives
    if points == "11":
        return float(np.mean([max(precision[hits * 10 >= tenth * positives], default=0.0) for tenth in range(11)]))
    area, before = 0.0, 0.0
    for step in range(len(right)):
        area += (recall[step] - before) * max(precision[step:])
        before = recall[step]
    return float(area)


@pytest.mark.parametrize("points", ["all", "11"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_voc_is_its_definition(points: str, seed: int) -> None:
    predictions, targets = drawn(seed)
    found = voc_average_precision(predictions, targets, classes=3, points=points)
    expected = [by_definition(predictions, targets, label, points) for label in range(3)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    assert 0.2 < found.mean() < 0.95


def test_voc_by_hand() -> None:
    """Two truths; right, false, right: precisions 1, ½, ⅔ at recalls ½, ½, 1: the area is ½ + ½·⅔; at 11 points (6 + 5·⅔)/11."""
    targets = targets_of([[[0.0, 0.0, 10.0, 10.0, 0.0, 0.0, 100.0], [50.0, 0.0, 60.0, 10.0, 0.0, 0.0, 100.0]]], [1.0], 2)
    found = [[0.0, 0.0, 10.0, 10.0, 0.0, 0.9], [30.0, 30.0, 40.0, 40.0, 0.0, 0.8], [50.0, 0.0, 60.0, 10.0, 0.0, 0.7]]
    predictions = predictions_of([found], 4)
    assert voc_average_precision(predictions, targets, classes=1).item() == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert voc_average_precision(predictions, targets, classes=1, points="11").item() == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_a_truth_found_twice_counts_once_and_a_difficult_one_not_at_all() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    twice = predictions_of([[[*box, 0.0, 0.9], [*box, 0.0, 0.8]]], 2)
    there = targets_of([[[*box, 0.0, 0.0, 100.0]]], [1.0], 1)
    order = [[*box, 0.0, 0.0, 100.0], [50.0, 50.0, 60.0, 60.0, 0.0, 1.0, 100.0]]
    difficult = targets_of([order], [1.0], 2)
    beside = predictions_of([[[50.0, 50.0, 60.0, 60.0, 0.0, 0.9], [*box, 0.0, 0.8]]], 2)
    assert voc_average_precision(twice, there, classes=1).item() == 1.0  # the second comes after all is found
    assert voc_average_precision(beside, difficult, classes=1).item() == 1.0
    assert voc_average_precision(beside, there, classes=1).item() == 0.5


def test_a_class_without_a_truth_has_no_number() -> None:
    predictions, targets = drawn(0, classes=2)
    found = voc_average_precision(predictions, targets, classes=4)
    assert found.isnan().tolist() == [False, False, True, True]
    assert voc_average_precision(torch.zeros(2, 3, 6), targets[:2] * 0 - 1, classes=2).isnan().all()


def measures(predictions: Tensor, targets: Tensor, classes: tuple[str, ...], *, final: bool = True) -> dict[str, float]:
    return {name: metric.of(predictions, targets) for name, metric in detection_metrics(final, classes).items()}


@pytest.fixture(scope="module")
def real(sonde_data: Path) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """coco_tiny's truths on a canvas of 320 pixels, and detections around them."""
    coco = json.loads((sonde_data / "coco_tiny" / "instances_val2017.json").read_text())
    labels = {category["id"]: number for number, category in enumerate(coco["categories"])}
    draw = np.random.default_rng(1)
    truths, found, scales = [], [], []
    for image in coco["images"]:
        scale = 320 / max(image["width"], image["height"])
        objects, there = [], []
        for one in coco["annotations"]:
            if one["image_id"] != image["id"]:
                continue
            x, y, w, h = (value * scale for value in one["bbox"])
            label = float(labels[one["category_id"]])
            objects.append([x, y, x + w, y + h, label, float(one["iscrowd"]), float(one["area"])])
            if draw.random() < 0.9:
                shift = draw.normal(0, 0.08 * min(w, h), 4)
                there.append([*(np.array([x, y, x + w, y + h]) + shift).tolist(), label, float(draw.random())])
        truths.append(objects)
        found.append(there)
        scales.append(scale)
    return predictions_of(found, max(map(len, found))), targets_of(truths, scales, max(map(len, truths))), coco


def test_coco_measures_of_tensors_are_those_of_the_annotations(real: tuple[Tensor, Tensor, dict[str, Any]]) -> None:
    """Boxes go back to original pixels, so that small, medium and large mean what COCO means."""
    predictions, targets, coco = real
    labels = {category["id"]: number for number, category in enumerate(coco["categories"])}
    pictures = {image["id"]: number for number, image in enumerate(coco["images"])}
    truths = [
        truth(pictures[one["image_id"]], labels[one["category_id"]], [float(x) for x in one["bbox"]], float(one["area"]), crowd=bool(one["iscrowd"]))
        for one in coco["annotations"]
    ]
    detections = [
        detection(picture, int(label), [left / s, top / s, (right - left) / s, (bottom - top) / s], score)
        for picture, rows in enumerate(predictions.double().tolist())
        for left, top, right, bottom, label, score in rows
        if score > 0
        for s in [float(targets[picture, 0, 7])]
    ]
    right = curves(truths, detections, pictures=len(pictures), classes=len(labels))
    found = measures(predictions, targets, tuple(map(str, labels)))
    expected = {
        "map": right.average_precision(),
        "map-50": right.average_precision(iou=0.5),
        "map-75": right.average_precision(iou=0.75),
        "map-small": right.average_precision(size="small"),
        "map-medium": right.average_precision(size="medium"),
        "map-large": right.average_precision(size="large"),
        "recall-100": right.average_recall(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert found["map-small"] != pytest.approx(found["map-large"], abs=0.01)
    assert "ap-50:0" not in found, "eighty classes are too many to name"


def test_before_the_end_there_is_map_50_and_it_is_the_same_number() -> None:
    predictions, targets = drawn(4)
    early = measures(predictions, targets, ("a", "b", "c"), final=False)
    late = measures(predictions, targets, ("a", "b", "c"))
    assert list(early) == ["map-50"]
    assert next(iter(late)) == "map-50"
    assert early["map-50"] == late["map-50"]
    assert np.mean([late[f"ap-50:{name}"] for name in "abc"]) == pytest.approx(late["map-50"], abs=1e-12)


def test_measures_follow_their_tensors() -> None:
    """What is kept of one evaluation is not taken for another's."""
    metrics = detection_metrics(True, ("a", "b", "c"))
    first, second = drawn(5), drawn(6)
    of_first = metrics["map"].of(*first)
    of_second = metrics["map"].of(*second)
    assert metrics["map"].of(*first) == of_first
    assert of_first != of_second
    assert metrics["map"].of(first[0], second[1][: len(first[0])]) != of_first


def test_rows_that_were_filled_up_change_nothing() -> None:
    """Parts gathered together are filled up with NaN to one width."""
    predictions, targets = drawn(7)
    wide = torch.cat([predictions, torch.full((len(predictions), 3, 6), torch.nan)], 1)
    more = torch.cat([targets, torch.full((len(targets), 2, 8), torch.nan)], 1)
    assert measures(wide, more, ("a", "b", "c")) == measures(predictions, targets, ("a", "b", "c"))


def test_all_are_measures_of_rows_and_better_when_higher() -> None:
    for metric in detection_metrics(True, ("a", "b")).values():
        assert isinstance(metric, RowMetric)
        assert metric.better == "higher"
