"""What is wrong with annotated pictures: each with its place, what was found and what to do; and what stops training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.annotated import COCO, HEIGHT, WIDTH, picture, voc, voc_object, write_coco, write_mask, write_masks, write_pictures, write_voc
from sonde.cli.main import main
from sonde.data.open import open_data
from sonde.errors import DataError
from sonde.recipe import Data

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "where", "found", "remedy"),
    [
        ({"annotations.0.bbox": [4, 6, -10, 12]}, "image 1, annotation 10", "(4, 6, -6, 18) has a negative size", "exchange the two corners"),
        ({"annotations.0.bbox": [4, NAN, 10, 12]}, "image 1, annotation 10", "(4, nan, 14, nan) is not four numbers", "mend it"),
        ({"annotations.0.bbox": [4, 6, 10]}, "image 1, annotation 10", "is not four numbers", "mend it"),
        ({"annotations.0.bbox": ["a", 6, 10, 12]}, "image 1, annotation 10", "is not four numbers", "mend it"),
        ({"annotations.0.bbox": [50, 6, 10, 12]}, "image 1, annotation 10", "(50, 6, 60, 18) lies outside its picture of 40 × 30 pixels", "another picture's"),
        ({"annotations.1.category_id": 99}, "image 1, annotation 11", "its class is not among the categories", "add the category"),
        ({"images.1.file_name": "gone.png"}, "image 2", "the picture 'gone.png' is not there", "put it beside the annotations"),
        ({"images.1.id": 1}, "image 1", "two images have the id 1: '1.png' and '2.png'", "give each an id of its own"),
        (
            {"annotations.2.segmentation": {"size": [30, 40], "counts": [0, 600, 599]}},
            "image 2, annotation 12",
            "the run-length code counts 1,199 pixels, and its picture of 30×40 has 1,200",
            "mend or delete it",
        ),
        (
            {"annotations.2.segmentation": {"size": [40, 30], "counts": [0, 600, 600]}},
            "image 2, annotation 12",
            "the run-length code is of a picture of 30 × 40 pixels, and this one has 40 × 30",
            "mend or delete it",
        ),
        ({"annotations.0.segmentation": [[1, 2, 3, 4]]}, "image 1, annotation 10", "at least three corners", "mend or delete it"),
        ({"annotations.0.segmentation": "x"}, "image 1, annotation 10", "no list of polygons", "mend or delete it"),
    ],
)
def test_errors_that_a_skip_leaves_out(tmp_path: Path, changes: dict[str, Any], where: str, found: str, remedy: str) -> None:
    write_coco(tmp_path, changes)
    errors = [problem for problem in open_data(tmp_path).problems if problem.level == "error"]
    assert len(errors) == 1 and errors[0].example is not None
    assert f"instances.json, {where}" in errors[0].where
    assert found in errors[0].found and remedy in errors[0].remedy and "--on-error skip" in errors[0].remedy
    skipped = open_data(tmp_path, Data(on_error="skip"))
    assert len(skipped.examples) == 2 and all(problem.level != "error" for problem in skipped.problems)


@pytest.mark.parametrize(
    ("changes", "level", "where", "found", "objects"),
    [
        ({"annotations.1.bbox": [20, 2, 0, 6]}, "warning", "annotation 11", "has no width or no height; this object is left out", 2),
        ({"annotations.1.image_id": 77}, "warning", "annotation 11", "it belongs to image 77, and there is no such image; left out", 2),
        ({"annotations.1.id": 10}, "warning", "annotation 10", "two annotations have the id 10; both are kept, as they differ", 3),
        ({"annotations.3.all": COCO["annotations"][1]}, "warning", "annotation 11", "have the id 11 and are the same; the second is left out", 3),
        ({"annotations.1.bbox": [36, 2, 10, 6]}, "note", "annotation 11", "1 box reaches beyond the picture by more than a pixel", 3),
    ],
)
def test_warnings_that_name_file_and_object(tmp_path: Path, changes: dict[str, Any], level: str, where: str, found: str, objects: int) -> None:
    content = open_data(write_coco(tmp_path, changes))
    (problem,) = content.problems
    assert problem.level == level and where in problem.where and "instances.json" in problem.where and found in problem.found
    assert int(content.examples.frame["boxes"].list.len().sum()) == objects


def test_boxes_are_cut_at_the_border(tmp_path: Path) -> None:
    content = open_data(write_coco(tmp_path, {"annotations.1.bbox": [36, -2, 10, 6], "annotations.0.bbox": [4, 6, 10, 24.5]}))
    assert content.examples.frame["boxes"].to_list()[0] == [[4, 6, 14, HEIGHT], [36, 0, WIDTH, 4]]
    assert len(content.problems) == 1  # half a pixel needs no word


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"annotations": [], "categories": []}, "there are no images in it"),
        ({"images": [], "annotations": [], "categories": []}, "there are no images in it"),
        ({"images": COCO["images"], "categories": COCO["categories"]}, "there are no annotations in it"),
        (COCO | {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "category 1 is 'b' here and 'a' before"),
        (COCO | {"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "two categories are called 'a'"),
        (COCO | {"categories": [{"name": "a"}]}, "category 1 of the list lacks a number id or a name"),
        (COCO | {"images": [{"id": 1}]}, "it lacks an id or a file_name"),
    ],
)
def test_what_cannot_be_used_at_all(tmp_path: Path, table: dict[str, Any], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set.json").write_text(json.dumps(table))
    with pytest.raises(DataError) as caught:
        open_data(tmp_path / "set.json")
    assert found in str(caught.value) and "set.json" in str(caught.value)
    assert main(["data", str(tmp_path / "set.json")]) == 2
    said = capsys.readouterr()
    assert found in said.out + said.err and "Traceback" not in said.err


def test_broken_json_and_xml(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"images": [], "annotations": [')
    with pytest.raises(DataError, match="this is not valid JSON"):
        open_data(tmp_path / "a.json")
    folder = write_voc(tmp_path / "voc", {"a": voc("a.png", voc_object("x", 2, 2, 9, 9)), "b": "<annotation><object>"})
    (problem,) = [problem for problem in open_data(folder).problems if problem.level == "error"]
    assert "b.xml" in problem.where and "not valid XML" in problem.found


def test_voc_problems(tmp_path: Path) -> None:
    wrong = {
        "a": voc("a.png", voc_object("x", 5, 5, 5, 5) + voc_object("x", 2, 2, 9, 9)),
        "b": voc("b.png", voc_object("x", 9, 2, 2, 9)),
        "c": voc("c.png", voc_object("", 2, 2, 9, 9)),
        "d": voc("d.png", voc_object("x", "two", 2, 9, 9)),
    }
    content = open_data(write_voc(tmp_path, wrong, {"train": "a\nb\nc\nd\n", "val": "e\n"}))
    found = {(Path(problem.where.split(",")[0]).stem, problem.level): problem for problem in content.problems}
    assert "object 1 (x)" in found["a", "warning"].where and "no width or no height" in found["a", "warning"].found
    assert "negative size" in found["b", "error"].found
    assert "its class is not among the categories" in found["c", "error"].found
    assert "is not four numbers" in found["d", "error"].found
    assert any("names 'e', which has no annotation" in problem.found for problem in content.problems)


def test_yolo_problems(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", "a.png", "b.png", "c.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    for stem, text in (("a", "0 0.5 0.5 0.2 0.2\n5 0.5 0.5 0.2 0.2\n"), ("b", "0 0.5 0.5 0.2 0.2\nfour words stand here\n"), ("gone", "0 0.5 0.5 0.2 0.2\n")):
        (tmp_path / "labels" / f"{stem}.txt").write_text(text)
    content = open_data(tmp_path)
    errors = {problem.where: problem.found for problem in content.problems if problem.level == "error"}
    assert any(where.endswith("a.txt, line 2") and "the class '5' is not among the categories" in found for where, found in errors.items())
    assert any(where.endswith("b.txt, line 2") and "is not `class x y width height`" in found for where, found in errors.items())
    assert any(where.endswith("gone.txt") and "is not there" in found for where, found in errors.items())


def test_table_problems(tmp_path: Path) -> None:
    write_pictures(tmp_path, "a.png", "b.png")
    rows = ["filename,class,xmin,ymin,xmax,ymax", "a.png,x,1,1,9,9", ",x,1,1,9,9", "gone.png,x,1,1,9,9", "b.png,x,1,1,nine,9"]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    errors = {problem.where.rpartition("boxes.csv, ")[2]: problem.found for problem in open_data(tmp_path / "boxes.csv").problems}
    assert errors["line 3"] == "the row names no picture"
    assert errors["line 4"] == "the picture 'gone.png' is not there"
    assert errors["line 5, line 5"].endswith("is not four numbers")


def test_a_picture_that_is_a_mere_line(tmp_path: Path) -> None:
    write_coco(tmp_path, {"images.0.width": 5000, "images.0.height": 1})
    picture(0, 5000, 1).save(tmp_path / "1.png")
    errors = [problem for problem in open_data(tmp_path).problems if problem.level == "error" and "pixels: scaled" in problem.found]
    assert errors[0].found == "the picture is 5000 × 1 pixels: scaled down as a whole, nothing of it would be left"
    assert len(open_data(tmp_path, Data(on_error="skip")).examples) == 2


def test_pairs_of_pictures_and_masks(tmp_path: Path) -> None:
    write_masks(tmp_path)
    content = open_data(tmp_path)
    assert content.kind == "masks" and content.target == "mask" and content.examples.classes == ("0", "1")
    assert content.examples.masks is not None
    assert (content.examples.masks.read(0)[:, : WIDTH // 2] == 0).all() and (content.examples.masks.read(0)[:, WIDTH // 2 :] == 1).all()


def test_masks_of_another_size_and_missing_ones(tmp_path: Path) -> None:
    write_masks(tmp_path)
    write_mask(tmp_path / "masks" / "1.png", np.zeros((HEIGHT, WIDTH + 1)))
    (tmp_path / "masks" / "2.png").unlink()
    found = {problem.example: problem for problem in open_data(tmp_path).problems}
    assert found[1].found.startswith("the mask has 41 × 30 pixels, and its picture") and found[1].found.endswith("has 40 × 30")
    assert found[1].where.endswith("1.png") and found[2].found == "the mask is not there"
    assert len(open_data(tmp_path, Data(on_error="skip")).examples) == 2


def test_unknown_values_and_colours_are_named_with_their_place(tmp_path: Path) -> None:
    write_masks(tmp_path / "numbers")
    (tmp_path / "numbers" / "classes.txt").write_text("left\nright\n")
    plane = np.zeros((HEIGHT, WIDTH))
    plane[7, 5] = plane[9, 1] = 9
    write_mask(tmp_path / "numbers" / "masks" / "1.png", plane)
    content = open_data(tmp_path / "numbers")
    assert content.examples.classes == ("left", "right") and content.examples.masks is not None
    with pytest.raises(DataError, match=r"masks/1.png: the value 9 at x 5, y 7 stands for no class \(2 pixels"):
        content.examples.masks.read(1)
    write_masks(tmp_path / "colours")
    (tmp_path / "colours" / "label_colors.txt").write_text("0 0 0 void\n64 128 64 grass\n255 0 0\tred thing\n")
    for number in range(4):
        colours = np.zeros((HEIGHT, WIDTH, 3))
        colours[:, 20:] = (64, 128, 64)
        write_mask(tmp_path / "colours" / "masks" / f"{number}.png", colours)
    colours[3, 2] = (1, 2, 3)
    write_mask(tmp_path / "colours" / "masks" / "3.png", colours)
    content = open_data(tmp_path / "colours")
    assert content.examples.classes == ("grass", "red thing") and content.examples.masks is not None
    assert set(np.unique(content.examples.masks.read(0))) == {0, 255}
    with pytest.raises(DataError, match=r"3.png: the colour \(1, 2, 3\) at x 2, y 3 stands for no class"):
        content.examples.masks.read(3)


def test_the_doctor_and_train_stop_with_2_and_skip_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(tmp_path / "set", {"annotations.0.bbox": [50, 6, 10, 12]})
    for command in (["data", str(tmp_path / "set")], ["train", str(tmp_path / "set"), "--out", str(tmp_path / "run")]):
        assert main(command) == 2
        said = capsys.readouterr()
        assert "lies outside its picture" in said.out + said.err and "Traceback" not in said.err
    assert main(["data", str(tmp_path / "set"), "--on-error", "skip"]) == 0


def test_masks_in_voc_palette_and_binary_masks(tmp_path: Path) -> None:
    write_pictures(tmp_path / "voc" / "JPEGImages", "a.png", "b.png")
    plane = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    plane[:5], plane[5:9] = 15, 255
    for stem in "ab":
        (tmp_path / "voc" / "SegmentationClass").mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(plane)
        image.putpalette(list(range(256)) * 3)
        image.save(tmp_path / "voc" / "SegmentationClass" / f"{stem}.png")
    (tmp_path / "voc" / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "voc" / "ImageSets" / "Segmentation" / "train.txt").write_text("a\n")
    (tmp_path / "voc" / "ImageSets" / "Segmentation" / "val.txt").write_text("b\n")
    content = open_data(tmp_path / "voc")
    assert list(content.parts) == ["train", "validation"] and content.examples.classes[15] == "person" and content.examples.masks is not None
    assert set(np.unique(content.examples.masks.read(0))) == {0, 15, 255}
    write_masks(tmp_path / "binary", count=2)
    for number in range(2):
        write_mask(tmp_path / "binary" / "masks" / f"{number}.png", np.where(np.arange(WIDTH) < 9, 255, 0) * np.ones((HEIGHT, 1)))
    binary = open_data(tmp_path / "binary")
    assert binary.examples.classes == ("background", "foreground") and binary.examples.masks is not None
    assert binary.examples.masks.read(0)[0, 0] == 1


def test_values_without_a_class(tmp_path: Path) -> None:
    write_masks(tmp_path)
    content = open_data(tmp_path, Data(void=(1,)))
    assert content.examples.classes == ("0",) and content.examples.masks is not None
    assert set(np.unique(content.examples.masks.read(0))) == {0, 255}


def test_camvid(sonde_data: Path) -> None:
    content = open_data(sonde_data / "camvid")
    assert {part: len(rows) for part, rows in content.parts.items()} == {"train": 100, "test": 40}
    assert len(content.examples.classes) == 11 and content.examples.classes[0] == "sky"
    assert content.examples.masks is not None and content.examples.masks.read(0).shape == (360, 480, 1)
