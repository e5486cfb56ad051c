"""Pictures with boxes in every form that is read, and from every place."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.annotated import COCO, HEIGHT, WIDTH, voc, voc_object, write_coco, write_pictures, write_voc
from sonde.data.contents import Content
from sonde.data.open import open_data
from sonde.recipe import Data

EXPECTED = [[[4, 6, 14, 18], [20, 2, 26, 8]], [[0, 0, 20, 30]], []]
LABELS = [["dog", "cat"], ["cat"], []]


def boxes(content: Content, part: str = "all") -> list[list[list[float]]]:
    return content.parts[part].frame["boxes"].to_list()  # type: ignore[index, no-any-return]


def test_coco(tmp_path: Path) -> None:
    content = open_data(write_coco(tmp_path))
    frame = content.examples.frame
    assert content.kind == "boxes" and content.target == "boxes"
    assert boxes(content) == EXPECTED and frame["labels"].to_list() == LABELS
    assert frame["crowd"].to_list() == [[False, False], [True], []]
    assert frame["area"].to_list() == [[110.5, 36.0], [600.0], []]  # where none is annotated, the box's
    assert frame["width"].to_list() == [WIDTH] * 3 and frame["height"].to_list() == [HEIGHT] * 3
    outlines = frame["outlines"].to_list()
    assert json.loads(outlines[0][0]) == [[4, 6, 14, 6, 14, 18, 4, 18]] and outlines[0][1] is None
    assert json.loads(outlines[1][0])["counts"] == [0, 600, 600]
    assert content.examples.classes == ("cat", "dog")  # by id
    assert content.reason == "COCO JSON with 3 objects in 3 pictures"
    assert content.examples.pictures is not None and content.examples.pictures.read(2).shape == (HEIGHT, WIDTH, 3)
    assert not content.problems


def test_coco_by_its_file_and_by_parts(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_pictures(tmp_path / f"{part}2017", "1.png", "2.png", "3.png", width=WIDTH if part == "train" else WIDTH + 1)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        table = {**COCO, "images": [image | {"width": WIDTH if part == "train" else WIDTH + 1} for image in COCO["images"]]}
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(table))
    (tmp_path / "annotations" / "person_keypoints_train2017.json").write_text(json.dumps(COCO))
    content = open_data(tmp_path)
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 3, "validation": 3}
    for part, wide in (("train", WIDTH), ("validation", WIDTH + 1)):  # of two pictures of one name the one in the part's own folder
        store = content.parts[part].pictures  # type: ignore[index]
        assert store is not None and store.read(0).shape[1] == wide
    alone = open_data(tmp_path / "annotations" / "instances_val2017.json")
    assert list(alone.parts) == ["all"] and len(alone.examples) == 3


def test_voc_with_lists(tmp_path: Path) -> None:
    objects = voc_object("dog", 5, 7, 14, 18) + voc_object("cat", 21, 3, 26, 8, difficult=1)
    texts = {stem: voc(f"{stem}.png", objects if stem == "a" else "") for stem in "abcd"}
    content = open_data(write_voc(tmp_path, texts, {"train": "a\nb\n", "val": "c\n", "trainval": "a\nb\nc\n"}))
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 2, "validation": 1}
    assert boxes(content, "train") == [EXPECTED[0], []]  # corners count from 1 and belong to the box
    assert content.examples.frame["crowd"].to_list() == [[False, True], []]
    assert content.examples.classes == ("cat", "dog")
    assert any("1 annotated pictures stand in no list" in note for note in content.notes)


def test_voc_that_counts_from_zero(tmp_path: Path) -> None:
    content = open_data(write_voc(tmp_path, {"a": voc("a.png", voc_object("x", 0, 0, 10, 10) + voc_object("x", 5, 7, 14, 18))}))
    assert boxes(content) == [[[0, 0, 10, 10], [5, 7, 14, 18]]]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "{},40,30,{},4,6,14,18"),
        ("image_path;label;x1;y1;x2;y2", "{};{};4;6;14;18"),
        ("ImageID,Class,x,y,w,h", "{},{},4,6,10,12"),
        ("Image ID,bbox_x,bbox_y,bbox_width,bbox_height,class_name", "{0},4,6,10,12,{1}"),
    ],
)
def test_tables_of_boxes(tmp_path: Path, header: str, row: str) -> None:
    write_pictures(tmp_path / "pictures", "a.png", "b.png")
    stem = "a" if "ID" in header else "a.png"  # some name pictures without their suffix
    (tmp_path / "boxes.csv").write_text(f"{header}\n{row.format(stem, 'dog')}\n")
    content = open_data(tmp_path / "boxes.csv")
    assert boxes(content) == [[[4, 6, 14, 18]]] and content.examples.frame["labels"].to_list() == [["dog"]]
    assert content.examples.frame["width"].to_list() == [WIDTH]
    assert open_data(tmp_path).kind == "boxes"


def test_tables_in_parts_and_a_picture_without_objects(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", "a.png", "b.png", "c.png")
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train_labels.csv").write_text(f"{head}a.png,40,30,dog,4,6,14,18\nb.png,40,30,,,,,\n")
    (tmp_path / "data" / "test_labels.csv").write_text(f"{head}c.png,40,30,dog,4,6,14,18\n")
    (tmp_path / "data" / "all_labels.csv").write_text(f"{head}c.png,40,30,dog,4,6,14,18\n")
    content = open_data(tmp_path)
    assert boxes(content, "train") == [[[4, 6, 14, 18]], []] and boxes(content, "test") == [[[4, 6, 14, 18]]]
    assert any("all_labels.csv" in note for note in content.notes)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "train: images/train\nnames: ['cat', \"dog\"]\nnc: 2\n"),
        ("data.yaml", "names:\n- cat\n- dog\nnc: 2\n"),
        ("data.yaml", "names:\n  0: cat\n  1: dog\n"),
        ("data.yaml", "nc: 2\nnames: [cat,\n  dog]\n"),
        ("classes.txt", "cat\ndog\n"),
    ],
)
def test_yolo(tmp_path: Path, file: str, text: str) -> None:
    for part in ("train", "val"):
        write_pictures(tmp_path / "images" / part, f"{part}1.png", f"{part}2.png")
        (tmp_path / "labels" / part).mkdir(parents=True)
        (tmp_path / "labels" / part / f"{part}1.txt").write_text("1 0.225 0.4 0.25 0.4\n0 0.5 0.2 0.75 0.2 0.75 0.4\n")
    (tmp_path / file).write_text(text)
    content = open_data(tmp_path)
    assert content.examples.classes == ("cat", "dog")
    assert list(content.parts) == ["train", "validation"]
    frame = content.examples.frame
    assert np.allclose(frame["boxes"].to_list()[0], [[4, 6, 14, 18], [20, 6, 30, 12]], atol=1e-4)
    assert json.loads(frame["outlines"].to_list()[0][1]) == [[20.0, 6.0, 30.0, 6.0, 30.0, 12.0]]  # a line of more numbers is a polygon
    assert frame["labels"].to_list() == [["dog", "cat"], []]  # a picture without labels has no objects
    assert open_data(tmp_path / "data.yaml").kind == "boxes" if file == "data.yaml" else True


def test_class_names_that_are_missing_are_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path, "a.png")
    (tmp_path / "a.txt").write_text("2 0.5 0.5 0.5 0.5\n")
    content = open_data(tmp_path)
    assert content.examples.classes == ("0", "1", "2") and content.examples.frame["labels"].to_list() == [["2"]]
    assert any("classes.txt" in note for note in content.notes)


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip", "tar beside"])
def test_archives_are_read_as_they_are(tmp_path: Path, form: str) -> None:
    made, place = write_coco(tmp_path / "made"), tmp_path / "place"
    place.mkdir()
    before = sorted(made.iterdir())
    if form == "zip":
        with zipfile.ZipFile(place / "set.zip", "w") as archive:
            for file in before:
                archive.write(file, f"set/{file.name}")
    else:
        with tarfile.open(place / ("pictures.tar" if form == "tar beside" else f"set.{form}"), "w:gz" if form == "tar.gz" else "w") as archive:
            for file in before:
                if form != "tar beside" or file.suffix == ".png":
                    archive.add(file, f"set/{file.name}")
    if form == "tar beside":
        (place / "instances.json").write_text((made / "instances.json").read_text())
    opened = place / "instances.json" if form == "tar beside" else next(place.iterdir())
    for source in (place, opened):
        content = open_data(source)
        assert boxes(content) == EXPECTED
        assert content.examples.pictures is not None and content.examples.pictures.read(0).shape == (HEIGHT, WIDTH, 3)
    assert len(list(place.iterdir())) == (2 if form == "tar beside" else 1)  # nothing was unpacked


def test_other_data_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"images": 1, "annotations": 2}, {"images": 2, "annotations": 3}]))
    assert open_data(tmp_path / "rows.json").kind == "table"
    (tmp_path / "t.csv").write_text("filename,class\na,b\nc,d\n")
    assert open_data(tmp_path / "t.csv").kind == "table"
    write_pictures(tmp_path / "folders", "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
    (tmp_path / "folders" / "cat" / "1.xml").write_text("<note>not an annotation</note>")
    assert open_data(tmp_path / "folders").kind == "images"


def test_real_sets(sonde_data: Path) -> None:
    raccoon = open_data(sonde_data / "raccoon")
    assert {part: len(rows) for part, rows in raccoon.parts.items()} == {"train": 160, "test": 40}
    assert sum(rows.frame["boxes"].list.len().sum() for rows in raccoon.parts.values()) == 217
    bccd = open_data(sonde_data / "bccd" / "BCCD.tar")
    assert {part: len(rows) for part, rows in bccd.parts.items()} == {"train": 205, "validation": 87, "test": 72}
    assert [problem.level for problem in bccd.problems] == ["warning", "warning"]
    assert "BloodImage_00338.xml, object 13 (RBC)" in bccd.problems[0].where
    assert bccd.problems[0].found == "the box (504, 337, 504, 337) has no width or no height; this object is left out"
    coco = open_data(sonde_data / "coco_tiny")
    counts = {part: int(rows.frame["boxes"].list.len().sum()) for part, rows in coco.parts.items()}
    assert counts == {"train": 705, "validation": 815} and len(coco.examples.classes) == 80
    crowds = {part: int(rows.frame["crowd"].explode().sum()) for part, rows in coco.parts.items()}
    assert crowds == {"train": 6, "validation": 11} and not coco.problems


def test_voc_and_tables_tell_the_same_of_raccoon(sonde_data: Path, tmp_path: Path) -> None:
    """The tables were made from the XML: their boxes differ by VOC's counting from 1 alone."""
    with tarfile.open(sonde_data / "raccoon" / "raccoon.tar") as archive:
        members = [member for member in archive.getmembers() if not member.name.endswith(".csv")]
        archive.extractall(tmp_path, members, filter="data")
    by_xml = open_data(tmp_path).examples.frame
    tables = open_data(sonde_data / "raccoon")
    corners = {name: value for part in tables.parts.values() for name, value in part.frame.select("image", "boxes").iter_rows()}
    assert len(corners) == by_xml.height == 200
    for name, value in by_xml.select("image", "boxes").iter_rows():
        assert (np.array(value) + [1, 1, 0, 0] == np.array(corners[name])).all()


def test_examples_that_are_wrong_are_left_out_when_asked(tmp_path: Path) -> None:
    write_coco(tmp_path, {"annotations.1.category_id": 99})
    assert [problem.level for problem in open_data(tmp_path).problems] == ["error"]
    content = open_data(tmp_path, Data(on_error="skip"))
    assert len(content.examples) == 2 and [problem.level for problem in content.problems] == ["warning"]
    assert content.problems[0].found.endswith("left out")
