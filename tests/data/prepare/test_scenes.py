"""Pictures on a canvas, rows of boxes, planes of classes and maps of instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from data.annotated import HEIGHT, WIDTH, picture, write_coco, write_masks
from sonde.data.assemble import assemble
from sonde.data.open import open_data
from sonde.data.prepare import columns as module
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.fit import fit_preparation, load_preparation, save_preparation
from sonde.data.prepare.scene_targets import crowded, encode_boxes, encode_instances
from sonde.data.prepare.scenes import ScenePreparation, fit_scenes
from sonde.data.prepare.target import Target, fit_target
from sonde.data.readers.as_kind import as_kind
from sonde.data.split import Selection
from sonde.errors import DataError
from sonde.ops.boxes import AREA, BOTTOM, CLASS, CROWD, LEFT, SCALE
from sonde.recipe import Data, Recipe


def prepared(folder: Path, data: Data | None = None) -> tuple[ScenePreparation, Target, Any]:
    """The fitted preparation and target of everything at a path."""
    data = Data() if data is None else data
    content = open_data(folder, data)
    train = Selection(content.examples, np.arange(len(content.examples)))
    task, column = ("detection", "boxes") if content.kind == "boxes" else ("segmentation", "mask")
    preparation = fit_preparation(content, train, data, task=task, targets=(column,))
    assert isinstance(preparation, ScenePreparation)
    return preparation, fit_target(task, {}, train, (column,), data=data, scenes=preparation), content


def columns(folder: Path, data: Data | None = None) -> Columns:
    preparation, target, content = prepared(folder, data)
    return build_columns(preparation, target, content.examples)


def test_the_canvas_holds_all_training_pictures(tmp_path: Path) -> None:
    write_coco(tmp_path)
    preparation, _, _ = prepared(tmp_path)
    assert preparation.longer == WIDTH and preparation.canvas == (32, 64)
    assert preparation.sizes == {"channels": 3, "size": 64, "canvas": (32, 64)}
    preparation, _, _ = prepared(tmp_path, Data(size=80))
    assert preparation.longer == 80 and preparation.canvas == (64, 96)  # 80 × 60
    assert preparation.usual_scale == preparation.scale(WIDTH, HEIGHT) == 2.0
    assert preparation.scale(10, 1000) == 64 / 1000  # what would not fit becomes smaller
    assert preparation.scale(60, 60) == 64 / 60


def test_pictures_stand_at_the_top_left_and_the_rest_is_the_mean(tmp_path: Path) -> None:
    preparation, _, content = prepared(write_coco(tmp_path))
    (inputs,) = preparation.encode(content.examples)
    assert inputs.shape == (3, 3, 32, 64) and inputs.dtype == np.uint8
    original = np.asarray(picture(1)).transpose(2, 0, 1)
    assert (inputs[1, :, :HEIGHT, :WIDTH] == original).all()
    mean = np.round(np.array(preparation.mean) * 255).astype(np.uint8)
    assert (inputs[1, :, HEIGHT:, :] == mean[:, None, None]).all() and (inputs[1, :, :, WIDTH:] == mean[:, None, None]).all()
    placed, scale = preparation.place(np.asarray(picture(1)))
    assert (placed == inputs[1]).all() and scale == 1.0


def test_rows_of_boxes(tmp_path: Path) -> None:
    found = columns(write_coco(tmp_path), Data(size=80))
    targets = found.targets
    assert targets is not None and targets.dtype == torch.float32 and targets.shape == (3, 2, 8) and found.scene == "boxes"
    assert targets[0].tolist() == [[8, 12, 28, 36, 1, 0, 110.5, 2], [40, 4, 52, 16, 0, 0, 36, 2]]
    assert targets[1].tolist() == [[0, 0, 40, 60, 0, 1, 600, 2], [0, 0, 0, 0, -1, 0, 0, 2]]  # a crowd, and an empty slot
    assert targets[2, :, CLASS].tolist() == [-1, -1] and targets[2, :, SCALE].tolist() == [2, 2]  # a picture without objects trains
    assert found.valid.all()


def test_maps_of_instances(tmp_path: Path) -> None:
    found = columns(write_coco(tmp_path))
    masks = found.masks
    assert masks is not None and masks.dtype == torch.int16 and masks.shape == (3, 32, 64)
    assert (masks[0, 6:18, 4:14] == 1).all() and int((masks[0] > 0).sum()) == 120  # slot 0; slot 1 has no outline
    assert (masks[1, :HEIGHT, 15 : 20 + 15] == masks[1, 0, 15]).any() and int((masks[1] == 1).sum()) == 600
    assert not masks[2].any()


def test_of_overlapping_objects_the_smaller_one_owns_a_pixel() -> None:
    square = "[[0,0,20,0,20,20,0,20]]", "[[5,5,10,5,10,10,5,10]]"
    frame = pl.DataFrame(
        {
            "boxes": [[[0.0, 0.0, 20.0, 20.0], [5.0, 5.0, 10.0, 10.0]]],
            "area": [[400.0, 25.0]],
            "crowd": [[False, False]],
            "outlines": [list(square)],
            "width": [32],
            "height": [32],
        }
    )
    values = {"slots": 2, "canvas": [32, 32], "longer": 32}
    mask = encode_instances(values, frame)[0]
    assert (mask[5:10, 5:10] == 2).all() and int((mask == 1).sum()) == 400 - 25
    reversed_lists = [pl.col(name).list.reverse() for name in ("boxes", "area", "crowd", "outlines")]
    assert (encode_instances(values, frame.with_columns(reversed_lists))[0][5:10, 5:10] == 1).all()


def test_of_more_objects_than_slots_the_largest_are_kept_and_crowds_last() -> None:
    sides = [3.0, 9.0, 1.0, 20.0, 5.0]
    frame = pl.DataFrame(
        {
            "boxes": [[[0.0, 0.0, side, side] for side in sides], [[1.0, 1.0, 2.0, 2.0]]],
            "labels": [["x"] * 5, ["x"]],
            "area": [[side**2 for side in sides], [1.0]],
            "crowd": [[False, False, False, True, False], [False]],
            "width": [32, 32],
            "height": [32, 32],
        }
    )
    values = {"classes": ["x"], "slots": 3, "canvas": [32, 32], "longer": 32}
    array, problems = encode_boxes(values, frame)
    assert not problems and array[0, :, BOTTOM].tolist() == [9, 5, 3] and array[1, :, CLASS].tolist() == [0, -1, -1]
    assert crowded(frame, 3) == [(0, 5)] and crowded(frame, 5) == []


def test_a_class_that_the_model_does_not_know_is_an_error(tmp_path: Path) -> None:
    _, target, content = prepared(write_coco(tmp_path))
    renamed = content.examples.frame.with_columns(pl.col("labels").list.eval(pl.element().str.replace("dog", "wolf")))
    with pytest.raises(DataError, match="the class 'wolf' is none that the model was made for"):
        target.encode(renamed)


def test_planes_of_classes(tmp_path: Path) -> None:
    found = columns(write_masks(tmp_path))
    targets = found.targets
    assert targets is not None and found.scene == "masks" and targets.dtype == torch.uint8 and targets.shape == (4, 32, 64)
    assert (targets[0, :HEIGHT, :20] == 0).all() and (targets[0, :HEIGHT, 20:WIDTH] == 1).all()
    assert (targets[0, HEIGHT:] == 255).all() and (targets[0, :, WIDTH:] == 255).all()
    _, target, _ = prepared(tmp_path)
    assert target.values["counts"] == [4 * 20 * HEIGHT, 4 * 20 * HEIGHT] and target.outputs == 2 and target.values["kind"] == "mask"


def test_a_picture_of_another_size_than_its_annotation(tmp_path: Path) -> None:
    write_coco(tmp_path)
    preparation, target, content = prepared(tmp_path)
    picture(1, 50, 30).save(tmp_path / "2.png")
    with pytest.raises(DataError, match="the picture has 50 × 30 pixels, and its annotation says 40 × 30"):
        build_columns(preparation, target, content.examples)
    kept = build_columns(preparation, target, content.examples, on_error="skip")
    assert kept.valid.tolist() == [True, False, True]
    picture(1, HEIGHT, WIDTH).save(tmp_path / "2.png")
    with pytest.raises(DataError, match="seen upright as 30 × 40"):
        build_columns(preparation, target, content.examples)


def test_it_is_saved_and_read_back(tmp_path: Path) -> None:
    for name, write in (("boxes", write_coco), ("masks", write_masks)):
        preparation, target, _ = prepared(write(tmp_path / name))  # type: ignore[operator]
        save_preparation(preparation, target, tmp_path / "saved")
        again, values = load_preparation(tmp_path / "saved")
        assert again == preparation and values == target


@pytest.mark.parametrize("write", [write_coco, write_masks])
def test_columns_in_files_are_those_in_memory(tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 1)  # a row at a time
    preparation, target, content = prepared(write(tmp_path / "set"))
    plain = build_columns(preparation, target, content.examples)
    for _ in range(2):  # written, then found
        mapped = build_columns(preparation, target, content.examples, cache=tmp_path / "cache", fingerprint="f", memory_limit=1)
        assert mapped.mapped and mapped.scene == plain.scene
        assert (mapped.inputs[0] == plain.inputs[0]).all() and (mapped.targets == plain.targets).all()  # type: ignore[union-attr]
        assert plain.masks is None if mapped.masks is None else (mapped.masks == plain.masks).all()  # type: ignore[union-attr]


def test_new_pictures_without_annotations(tmp_path: Path) -> None:
    write_coco(tmp_path)
    preparation, target, _ = prepared(tmp_path)
    content = as_kind(open_data([str(tmp_path / "1.png"), str(tmp_path / "3.png")]), "boxes")
    assert content.kind == "boxes" and content.examples.frame.columns == ["image", "width", "height"]
    assert content.examples.frame["width"].to_list() == [WIDTH, WIDTH] and target.columns == ("boxes",)
    (inputs,) = preparation.encode(content.examples)
    assert inputs.shape == (2, 3, 32, 64)


def test_parts_and_folds_of_both_kinds(tmp_path: Path) -> None:
    write_masks(tmp_path / "masks", count=8)
    for fold in range(1, 5):
        dataset = assemble(Recipe().replace(data={"path": str(tmp_path / "masks"), "folds": 4, "fold": fold}))
        assert dataset.inferred.task == "segmentation" and len(dataset.parts["test"]) == 2
    first, again = (assemble(Recipe().replace(data={"path": str(tmp_path / "masks")})) for _ in range(2))
    assert {part: rows.index.tolist() for part, rows in first.parts.items()} == {part: rows.index.tolist() for part, rows in again.parts.items()}
    assert {part: len(rows) for part, rows in first.parts.items()} == {"train": 6, "validation": 1, "test": 1}
    write_coco(tmp_path / "other")
    write_coco(tmp_path / "set")
    tested = assemble(Recipe().replace(data={"path": str(tmp_path / "set"), "test": str(tmp_path / "other"), "validation": 1}))
    assert tested.inferred.task == "detection" and {part: len(rows) for part, rows in tested.parts.items()} == {"train": 2, "validation": 1, "test": 3}


def test_a_test_set_with_other_classes_is_refused(tmp_path: Path) -> None:
    write_coco(tmp_path / "set")
    write_coco(tmp_path / "other", {"categories.0.name": "wolf"})
    with pytest.raises(DataError, match=r"there are classes that .*set lacks: wolf"):
        assemble(Recipe().replace(data={"path": str(tmp_path / "set"), "test": str(tmp_path / "other")}))


def test_areas_stay_in_original_pixels(tmp_path: Path) -> None:
    small, large = (columns(write_coco(tmp_path / str(size)), Data(size=size)).targets for size in (40, 160))
    assert small is not None and large is not None
    assert (small[..., AREA] == large[..., AREA]).all() and (small[..., LEFT] * 4 == large[..., LEFT]).all()
    assert (small[..., CROWD] == large[..., CROWD]).all()


def test_no_picture_can_be_read(tmp_path: Path) -> None:
    write_coco(tmp_path)
    content = open_data(tmp_path)
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of 3 training pictures can be decoded"):
        fit_scenes(Selection(content.examples, np.arange(3)), Data())
