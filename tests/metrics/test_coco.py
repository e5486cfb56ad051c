"""COCO's numbers, held against pycocotools on real annotations with perturbed detections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonde.metrics.coco import IOUS, Curves, curves, detection, truth

mask = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def coco(sonde_data: Path) -> dict[str, Any]:
    return json.loads((sonde_data / "coco_tiny" / "instances_val2017.json").read_text())


def perturbed(coco: dict[str, Any]) -> list[dict[str, Any]]:
    """Detections of three kinds: truths that are moved, some twice, some of another class; and boxes anywhere."""
    draw = np.random.default_rng(3)
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
    classes = [category["id"] for category in coco["categories"]]
    found = []
    for annotation in coco["annotations"]:
        for _ in range(int(draw.integers(0, 3))):
            x, y, w, h = annotation["bbox"]
            spread = 0.15 * min(w, h) * draw.random()
            box = np.array([x, y, w, h]) + draw.normal(0, spread, 4)
            box[2:] = np.maximum(box[2:], 1.0)
            label = annotation["category_id"] if draw.random() < 0.85 else int(draw.choice(classes))
            found.append({"image_id": annotation["image_id"], "category_id": label, "bbox": box.tolist(), "score": float(draw.random())})
    for image in coco["images"]:
        for _ in range(5):
            width, height = sizes[image["id"]]
            x, y = draw.random() * width * 0.8, draw.random() * height * 0.8
            box = [x, y, width * 0.2 * draw.random(), height * 0.2 * draw.random()]
            found.append({"image_id": image["id"], "category_id": int(draw.choice(classes)), "bbox": box, "score": float(draw.random())})
    return found


def floats(values: list[float]) -> list[float]:
    """Numbers of a JSON file, of which some are whole."""
    return [float(value) for value in values]


def reference(coco: dict[str, Any], found: list[dict[str, Any]], kind: str) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    store = COCO()
    store.dataset = json.loads(json.dumps(coco))
    store.createIndex()
    # Of results with boxes it takes the area of the box, even where masks are compared.
    left_out = "bbox" if kind == "segm" else "segmentation"
    results = [{name: value for name, value in one.items() if name != left_out} for one in found]
    evaluation = COCOeval(store, store.loadRes(results), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def ours(coco: dict[str, Any], found: list[dict[str, Any]], *, masks: bool) -> Curves:
    pictures = {image["id"]: number for number, image in enumerate(coco["images"])}
    labels = {category["id"]: number for number, category in enumerate(coco["categories"])}
    truths = [
        truth(
            pictures[one["image_id"]],
            labels[one["category_id"]],
            floats(one["bbox"]),
            float(one["area"]),
            crowd=bool(one["iscrowd"]),
            outline=one["segmentation"] if masks else None,
        )
        for one in coco["annotations"]
    ]
    detections = [
        detection(
            pictures[one["image_id"]],
            labels[one["category_id"]],
            floats(one["bbox"]),
            one["score"],
            outline=one.get("segmentation"),
            area=float(mask.area(one["segmentation"])) if masks else None,
        )
        for one in found
    ]
    sizes = [(image["width"], image["height"]) for image in coco["images"]]
    return curves(truths, detections, pictures=len(pictures), classes=len(labels), sizes=sizes if masks else None)


def agree(found: Curves, right: Any) -> None:
    stats = right.stats  # map, map-50, map-75, small, medium, large, recall 1, 10, 100
    assert found.average_precision() == pytest.approx(stats[0], abs=1e-4)
    assert found.average_precision(iou=0.5) == pytest.approx(stats[1], abs=1e-4)
    assert found.average_precision(iou=0.75) == pytest.approx(stats[2], abs=1e-4)
    assert found.average_precision(size="small") == pytest.approx(stats[3], abs=1e-4)
    assert found.average_precision(size="medium") == pytest.approx(stats[4], abs=1e-4)
    assert found.average_precision(size="large") == pytest.approx(stats[5], abs=1e-4)
    assert found.average_recall() == pytest.approx(stats[8], abs=1e-4)
    np.testing.assert_allclose(np.nan_to_num(found.precision, nan=-1.0), right.eval["precision"][..., 2], atol=1e-4)
    assert 0.1 < stats[0] < 0.9, "the detections are to be neither perfect nor useless"


def test_boxes_measure_as_pycocotools(coco: dict[str, Any]) -> None:
    assert sum(one["iscrowd"] for one in coco["annotations"]) > 5, "without crowds nothing is seen of them"
    found = perturbed(coco)
    agree(ours(coco, found, masks=False), reference(coco, found, "bbox"))


def test_masks_measure_as_pycocotools(coco: dict[str, Any]) -> None:
    """Masks that are the true ones moved by some pixels."""
    draw = np.random.default_rng(5)
    sizes = {image["id"]: (image["height"], image["width"]) for image in coco["images"]}
    found = []
    for one in coco["annotations"][::2]:
        outline, size = one["segmentation"], sizes[one["image_id"]]
        code = mask.frPyObjects(outline, *size)
        plane = mask.decode(mask.merge(code) if isinstance(code, list) else code)
        moved = np.roll(plane, draw.integers(-6, 7, 2), (0, 1))
        encoded = mask.encode(np.asfortranarray(moved))
        found.append(
            {
                "image_id": one["image_id"],
                "category_id": one["category_id"],
                "bbox": mask.toBbox(encoded).tolist(),
                "score": float(draw.random()),
                "segmentation": encoded | {"counts": encoded["counts"].decode()},
            }
        )
    agree(ours(coco, found, masks=True), reference(coco, found, "segm"))


def test_one_threshold_and_one_size_are_those_of_the_whole(coco: dict[str, Any]) -> None:
    found = perturbed(coco)
    whole = ours(coco, found, masks=False)
    pictures = {image["id"]: number for number, image in enumerate(coco["images"])}
    labels = {category["id"]: number for number, category in enumerate(coco["categories"])}
    truths = [
        truth(pictures[one["image_id"]], labels[one["category_id"]], floats(one["bbox"]), float(one["area"]), crowd=bool(one["iscrowd"]))
        for one in coco["annotations"]
    ]
    detections = [detection(pictures[one["image_id"]], labels[one["category_id"]], floats(one["bbox"]), one["score"]) for one in found]
    half = curves(truths, detections, pictures=len(pictures), classes=len(labels), ious=(0.5,), by_size=False)
    assert half.average_precision(iou=0.5) == whole.average_precision(iou=0.5)
    np.testing.assert_array_equal(half.precision[0, ..., 0], whole.precision[IOUS.index(0.5), ..., 0])


def test_nothing_to_find_is_no_number() -> None:
    found = curves([], [detection(0, 0, (0.0, 0.0, 4.0, 4.0), 0.9)], pictures=1, classes=2)
    assert np.isnan(found.average_precision())
    assert np.isnan(found.average_recall())


def test_nothing_found_is_zero() -> None:
    found = curves([truth(0, 1, (0.0, 0.0, 4.0, 4.0), 16.0)], [], pictures=1, classes=2)
    assert found.average_precision() == 0
    assert np.isnan(found.average_precision(size="large"))
