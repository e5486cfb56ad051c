"""Detections in the pixels of their pictures: sizes of every kind, masks, folds, COCO's form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from sonde import detections
from sonde.data.assemble import every
from sonde.data.contents import Examples
from sonde.data.open import open_data
from sonde.data.outlines import decode_runs
from sonde.data.prepare.scene_targets import encode_boxes, fit_boxes
from sonde.data.prepare.scenes import ScenePreparation, fit_scenes
from sonde.data.split import Selection
from sonde.metrics.detection import BOX
from sonde.recipe import Data

# Landscape, upright, square, a strip, tiny: (width, height) and the boxes (left, top, width, height) in them.
SIZES = [(640, 480), (333, 500), (101, 101), (1000, 37), (16, 9)]
BOXES = [[(10, 20, 300, 200), (600, 440, 40, 40)], [(0, 0, 333, 500)], [], [(900, 1, 99, 35)], [(2.5, 1.25, 7, 6)]]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """A set in COCO's form with pictures of many sizes."""
    folder = tmp_path_factory.mktemp("sizes")
    images, annotations = [], []
    for number, ((width, height), boxes) in enumerate(zip(SIZES, BOXES, strict=True), start=1):
        Image.new("RGB", (width, height), (90, 120, 40)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        for x, y, w, h in boxes:
            polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": 1 + len(annotations) % 2, "bbox": [x, y, w, h]}
            annotations.append({**one, "area": w * h, "iscrowd": 0, "segmentation": [polygon]})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return open_data(folder, Data()).examples


@pytest.fixture(scope="module")
def prepared(examples: Examples) -> tuple[ScenePreparation, dict[str, Any], Tensor]:
    """The preparation, the fitted target, and predictions that are the truths, sure by halves."""
    selection = Selection(examples, every(examples))
    preparation = fit_scenes(selection, Data())
    values = fit_boxes(selection, preparation, most=10)
    targets, _ = encode_boxes(values, examples.frame)
    found = torch.zeros(len(examples), 4, BOX)
    for picture, rows in enumerate(torch.from_numpy(targets)):
        there = rows[rows[:, 4] >= 0]
        found[picture, : len(there)] = torch.cat([there[:, :5], torch.tensor([0.9, 0.4])[: len(there), None]], 1)
    return preparation, values, found


def in_pictures(prepared: tuple[ScenePreparation, dict[str, Any], Tensor], examples: Examples) -> Tensor:
    preparation, _, found = prepared
    return detections.in_original(found, detections.scales(preparation, examples), examples)


def test_boxes_come_back_to_the_pixels_of_pictures_of_any_size(prepared: Any, examples: Examples) -> None:
    own = in_pictures(prepared, examples)
    for picture, boxes in enumerate(BOXES):
        expected = [[x, y, x + w, y + h] for x, y, w, h in boxes]
        # The largest of a picture stand first in the targets; both orders are by size here.
        found = own[picture, : len(boxes), :4]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32).view(-1, 4), atol=2e-3, rtol=1e-5)


def test_a_row_an_object_and_one_for_a_picture_without(prepared: Any, examples: Examples) -> None:
    own = in_pictures(prepared, examples)
    rows = detections.rows(own, examples, [f"{n}.png" for n in range(1, 6)], ("cat", "dog"))
    assert rows.columns == ["picture", "image", "label", "score", "left", "top", "right", "bottom"]
    assert rows["picture"].to_list() == [0, 0, 1, 2, 3, 4]
    assert rows["score"].to_list() == pytest.approx([0.9, 0.4, 0.9, None, 0.9, 0.9])
    assert rows.row(3) == (2, "3.png", None, None, None, None, None, None)
    sure = detections.rows(own, examples, [""] * 5, ("cat", "dog"), least=0.5)
    assert sure["picture"].to_list() == [0, 1, 2, 3, 4]


def test_boxes_beyond_a_picture_are_cut_to_it(prepared: Any, examples: Examples) -> None:
    preparation, _, found = prepared
    wide = found.clone()
    wide[0, 0, :4] = torch.tensor([-50.0, -50.0, 9000.0, 9000.0])
    own = detections.in_original(wide, detections.scales(preparation, examples), examples)
    assert own[0, 0, :4].tolist() == [0, 0, 640, 480]


def test_what_lies_beside_the_picture_is_none_of_its_objects(prepared: Any, examples: Examples) -> None:
    preparation, _, found = prepared
    beside = found.clone()
    beside[3, 0, :4] = torch.tensor([10.0, 100.0, 60.0, 140.0])  # the strip is 12 pixels high on the canvas
    own = detections.in_original(beside, detections.scales(preparation, examples), examples)
    assert detections.rows(own, examples, [""] * 5, ("cat", "dog"))["label"].to_list()[-2:] == [None, "cat"]


def with_masks(found: Tensor, value: float = 1.0) -> Tensor:
    return torch.cat([found, torch.full((*found.shape[:2], 28 * 28), value)], -1)


def test_whole_masks_are_outlines_of_their_boxes(prepared: Any, examples: Examples) -> None:
    own = with_masks(in_pictures(prepared, examples))
    rows = detections.rows(own, examples, [""] * 5, ("cat", "dog"))
    mask = decode_runs(json.loads(rows["outline"][0]))
    assert mask.shape == (480, 640)
    # Interpolation rounds the corners off by a few pixels.
    assert mask[20:220, 10:310].mean() > 0.998
    assert mask[20:220, 10:310].sum() == mask.sum()
    assert mask[20:220, 160].all()
    assert mask[120, 10:310].all()


def test_unsure_objects_have_no_outline(prepared: Any, examples: Examples) -> None:
    own = with_masks(in_pictures(prepared, examples))
    own[0, 1, 5] = detections.LEAST_MASKED / 2
    rows = detections.rows(own, examples, [""] * 5, ("cat", "dog"))
    assert rows["outline"].is_null().to_list() == [False, True, False, True, False, False]


def test_masks_are_measured_by_the_outlines_of_the_data(prepared: Any, examples: Examples) -> None:
    own = in_pictures(prepared, examples)
    good = detections.rows(with_masks(own), examples, [""] * 5, ("cat", "dog"))
    found = detections.measured_masks(good, examples, ("cat", "dog"))
    assert found["mask-map-50"] == pytest.approx(1.0, abs=1e-6)
    assert found["mask-map"] > 0.9
    half = with_masks(own)
    half[..., BOX:].unflatten(-1, (28, 28))[..., 12:] = 0.0  # less than half of each mask: the boxes are right, the outlines are not
    bad = detections.rows(half, examples, [""] * 5, ("cat", "dog"))
    assert detections.measured_masks(bad, examples, ("cat", "dog"))["mask-map-50"] == 0
    assert detections.measured_masks(good.drop("outline"), examples, ("cat", "dog")) == {}


def test_folds_are_fused_on_the_first_ones_canvas() -> None:
    """Two detectors that see a picture at other scales; what one alone found counts for half."""
    first = torch.tensor([[[10.0, 10.0, 30.0, 30.0, 1.0, 0.8], [60.0, 60.0, 90.0, 90.0, 0.0, 0.6]]])
    second = torch.tensor([[[20.0, 20.0, 60.0, 60.0, 1.0, 0.4], [0.0] * 6]])
    fused = detections.fused([first, second], [torch.tensor([0.5]), torch.tensor([1.0])])
    assert fused.shape == first.shape
    torch.testing.assert_close(fused[0, 0], torch.tensor([10.0, 10.0, 30.0, 30.0, 1.0, 0.6]))
    torch.testing.assert_close(fused[0, 1], torch.tensor([60.0, 60.0, 90.0, 90.0, 0.0, 0.3]))


def test_fused_masks_are_means_by_score() -> None:
    one, other = torch.tensor([[[10.0, 10.0, 30.0, 30.0, 1.0, 0.75]]]), torch.tensor([[[10.0, 10.0, 30.0, 30.0, 1.0, 0.25]]])
    fused = detections.fused([with_masks(one, 1.0), with_masks(other, 0.0)], [torch.ones(1), torch.ones(1)])
    torch.testing.assert_close(fused[0, 0, BOX:], torch.full((784,), 0.75))


def test_coco_numbers_pictures_by_their_files_names_or_their_places() -> None:
    def numbers(*names: str) -> list[int]:
        return list(detections.image_ids(pl.DataFrame({"picture": np.arange(len(names)), "image": names})).values())

    assert numbers("a/000000532481.jpg", "b/17.png") == [532481, 17]
    assert numbers("a/17.jpg", "b/cat.png") == [1, 2]
    assert numbers("a/17.jpg", "b/17.png") == [1, 2], "two pictures would have one number"


def test_results_in_cocos_form(prepared: Any, examples: Examples) -> None:
    rows = detections.rows(in_pictures(prepared, examples), examples, [f"{n}.png" for n in range(1, 6)], ("cat", "dog"))
    found = detections.coco_results(rows, ("cat", "dog"))
    assert len(found) == 5
    assert found[1] == {"image_id": 1, "category_id": 2, "bbox": pytest.approx([600, 440, 40, 40], abs=0.01), "score": pytest.approx(0.4)}
