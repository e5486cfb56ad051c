"""From each form of boxes to each other and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.annotated import HEIGHT, WIDTH, write_coco, write_masks
from sonde.cli.main import main
from sonde.data.contents import Content
from sonde.data.convert import FORMS, convert
from sonde.data.open import open_data
from sonde.errors import UsageError

Told = dict[tuple[str, str], list[tuple[list[float], str]]]


def told(content: Content) -> Told:
    """Part and picture → its boxes with their classes, in order."""
    found: Told = {}
    for part, examples in content.parts.items():
        for image, boxes, labels in examples.frame.select("image", "boxes", "labels").iter_rows():
            found[part, Path(image).stem] = list(zip(boxes, labels, strict=True))
    return found


def same(one: Told, other: Told) -> None:
    assert one.keys() == other.keys()
    for key, objects in one.items():
        assert [label for _, label in objects] == [label for _, label in other[key]]
        assert np.allclose([box for box, _ in objects], [box for box, _ in other[key]], atol=0.02)


@pytest.mark.parametrize("second", FORMS)
@pytest.mark.parametrize("first", FORMS)
def test_there_and_on(tmp_path: Path, first: str, second: str) -> None:
    original = open_data(write_coco(tmp_path / "set"))
    done = convert(original, first, tmp_path / "first")
    assert (done.files, done.objects) == (3, 3)
    between = open_data(tmp_path / "first")
    same(told(original), told(between))
    convert(between, second, tmp_path / "second")
    content = open_data(tmp_path / "second")
    same(told(original), told(content))
    assert content.examples.classes == ("cat", "dog") and not content.problems
    pixels = [np.asarray(examples.pictures.read(0)) for examples in (original.examples, content.examples) if examples.pictures is not None]
    assert (pixels[0] == pixels[1]).all()


def test_coco_keeps_everything(tmp_path: Path) -> None:
    original = open_data(write_coco(tmp_path / "set"))
    convert(original, "coco", tmp_path / "again")
    content = open_data(tmp_path / "again")
    for column in ("crowd", "area", "width", "height"):
        assert content.examples.frame[column].to_list() == original.examples.frame[column].to_list()
    pairs = zip(content.examples.frame["outlines"].to_list(), original.examples.frame["outlines"].to_list(), strict=True)
    for mine, theirs in pairs:
        assert [text and json.loads(text) for text in mine] == [text and json.loads(text) for text in theirs]


def test_what_a_form_has_no_room_for_is_said(tmp_path: Path) -> None:
    original = open_data(write_coco(tmp_path / "set"))
    assert convert(original, "coco", tmp_path / "coco").notes == ()
    assert convert(original, "voc", tmp_path / "voc").notes == (
        "2 outlines have no place in this form: their boxes are written",
        "1 crowds are marked as difficult",
    )
    assert convert(original, "csv", tmp_path / "csv").notes[1].startswith("1 crowds or difficult objects are written like any other")
    assert open_data(tmp_path / "voc").examples.frame["crowd"].to_list()[1] == [True]


def test_parts_and_names_that_two_pictures_share(tmp_path: Path) -> None:
    for part, shift in (("train", 0), ("test", 5)):
        write_coco(tmp_path / "set" / part, {"annotations.0.bbox": [4 + shift, 6, 10, 12]})
        (tmp_path / "set" / part / "instances.json").rename(tmp_path / "set" / f"instances_{part}.json")
    original = open_data(tmp_path / "set")
    for form in FORMS:
        done = convert(original, form, tmp_path / form)
        content = open_data(tmp_path / form)
        assert done.files == 6 and {part: len(rows) for part, rows in content.parts.items()} == {"train": 3, "test": 3}
        assert content.parts["train"].frame["boxes"].to_list()[0][0] == pytest.approx([4, 6, 14, 18], abs=0.01)
        assert content.parts["test"].frame["boxes"].to_list()[0][0] == pytest.approx([9, 6, 19, 18], abs=0.01)


def test_masks(tmp_path: Path) -> None:
    original = open_data(write_masks(tmp_path / "set"))
    convert(original, "voc", tmp_path / "voc")
    content = open_data(tmp_path / "voc")
    assert content.examples.classes == original.examples.classes and content.kind == "masks"
    assert content.examples.masks is not None and original.examples.masks is not None
    for row in range(4):
        assert (content.examples.masks.read(row) == original.examples.masks.read(row)).all()
    with Image.open(tmp_path / "voc" / "SegmentationClass" / "0.png") as image:
        assert image.mode == "P" and image.size == (WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="a class for each pixel cannot be written as yolo"):
        convert(original, "yolo", tmp_path / "yolo")


def test_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(write_coco(tmp_path / "set", {"annotations.1.bbox": [20, 2, 0, 6]}))
    assert main(["data", source, "--to-format", "voc"]) == 2
    assert "where is it to be written" in capsys.readouterr().err
    assert main(["data", source, "--to-format", "voc", "--to", str(tmp_path / "voc")]) == 0
    said = capsys.readouterr().out
    assert "3 pictures with 2 objects written as voc" in said and "annotation 11: the box (20, 2, 20, 8) has no width" in said
    assert main(["data", source, "--to-format", "voc", "--to", str(tmp_path / "voc")]) == 2
    assert "there is something here already" in capsys.readouterr().err
    wrong = str(write_coco(tmp_path / "wrong", {"annotations.1.category_id": 9}))
    assert main(["data", wrong, "--to-format", "csv", "--to", str(tmp_path / "csv")]) == 2
    assert "not among the categories" in capsys.readouterr().err and not (tmp_path / "csv").exists()
    assert main(["data", wrong, "--to-format", "csv", "--to", str(tmp_path / "csv"), "--on-error", "skip"]) == 0


def test_real_bccd_comes_back(sonde_data: Path, tmp_path: Path) -> None:
    original = open_data(sonde_data / "bccd")
    for form in ("voc", "yolo"):
        convert(original, form, tmp_path / form)
        same(told(original), told(open_data(tmp_path / form)))
