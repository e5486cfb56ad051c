"""The doctor on pictures with boxes and masks: what is said beyond single boxes, the page, and the sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.annotated import HEIGHT, WIDTH, picture, write_coco, write_mask, write_masks, write_pictures
from sonde.cli.main import main
from sonde.data.assemble import assemble
from sonde.data.check import Findings, check
from sonde.data.checks.scene_sheet import legend, outlined, scaled, scene_sheet, tinted
from sonde.data.open import open_data
from sonde.data.outlines import encode_runs
from sonde.recipe import Recipe


def examined(path: Path, *, deep: bool = True, **data: object) -> Findings:
    """What the doctor finds."""
    recipe = Recipe().replace(data={"path": str(path), **data})
    dataset = assemble(recipe)
    return check(dataset.content, recipe.data, inferred=dataset.inferred, parts=dataset.parts, deep=deep)


def found(findings: Findings, words: str) -> list[str]:
    return [f"{problem.level}: {problem.where}: {problem.found} → {problem.remedy}" for problem in findings.problems if words in problem.found]


def many(folder: Path, rows: list[str], pictures: int = 12) -> Path:
    """Pictures 0 … and a table of boxes; the validation and test parts are drawn from them."""
    write_pictures(folder / "images", *(f"{number}.png" for number in range(pictures)))
    (folder / "boxes.csv").write_text("filename,class,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")
    return folder


def test_pictures_without_objects_train_and_are_counted(tmp_path: Path) -> None:
    many(tmp_path, [f"{number}.png,a,1,1,9,9" if number % 2 else f"{number}.png,,,,," for number in range(12)])
    findings = examined(tmp_path)
    assert not findings.errors
    (said,) = found(findings, "in the train part have no object")
    assert said.startswith("note: ") and "pictures of 8 in the" in said and "learns to find nothing" in said
    nothing = many(tmp_path / "nothing", [f"{number}.png,,,,," for number in range(12)])
    assert found(examined(nothing), "no picture of the train part has an object")[0].startswith("error")


def test_more_objects_than_slots_are_said_with_the_pictures(tmp_path: Path) -> None:
    many(tmp_path, [f"{number}.png,a,{x},1,{x + 5},9" for number in range(12) for x in (1, 9, 17)[: 1 + 2 * (number == 4)]])
    findings = examined(tmp_path, slots=2, validation=0, test=1)
    (said,) = found(findings, "more than 2 objects")
    assert said.startswith("warning") and "1 picture has more than 2 objects, up to 3: the largest 2 are kept" in said
    assert "4.png" in said and "--set data.slots=3" in said
    assert not found(examined(tmp_path), "more than")


def test_classes_that_training_lacks(tmp_path: Path) -> None:
    folder = tmp_path
    write_coco(folder / "train", {"categories.2.all": {"id": 9, "name": "owl"}})
    write_coco(folder / "test", {"annotations.0.category_id": 9, "categories.2.all": {"id": 9, "name": "owl"}})
    for part in ("train", "test"):
        (folder / part / "instances.json").rename(folder / f"instances_{part}.json")
    findings = examined(folder, validation=0)
    assert found(findings, "1 class occurs in other parts alone: 'owl'")[0].startswith("warning")
    classes = {entry["name"]: entry["counts"] for entry in findings.figures["classes"]}
    assert classes["owl"] == {"train": 0, "test": 1} and classes["cat"] == {"train": 2, "test": 2}
    assert findings.figures["objects"] == pytest.approx({"least": 0, "median": 1, "most": 2, "side": 0.3028}, abs=1e-3)


def test_a_picture_of_another_size_than_annotated(tmp_path: Path) -> None:
    write_coco(tmp_path)
    picture(5, 50, 30).save(tmp_path / "2.png")
    (said,) = found(examined(tmp_path, validation=0, test=1), "its annotation says")
    assert said.startswith("error") and "2.png: the picture has 50 × 30 pixels, and its annotation says 40 × 30" in said


def test_unreadable_masks_and_pictures_are_named(tmp_path: Path) -> None:
    write_masks(tmp_path, count=8)
    (tmp_path / "classes.txt").write_text("left\nright\n")
    plane = np.zeros((HEIGHT, WIDTH))
    plane[3, 4] = 77
    write_mask(tmp_path / "masks" / "5.png", plane)
    (tmp_path / "images" / "6.png").write_bytes((tmp_path / "images" / "6.png").read_bytes()[:900])
    findings = examined(tmp_path)
    assert found(findings, "the value 77 at x 4, y 3 stands for no class")[0].startswith("error")
    assert any("6.png" in problem.where for problem in findings.errors)
    skipped = examined(tmp_path, on_error="skip")
    assert not skipped.errors and found(skipped, "stands for no class")[0].startswith("warning")
    shown = {entry["name"]: sum(entry["counts"].values()) for entry in findings.figures["classes"]}
    assert shown == {"left": 7, "right": 7}  # pictures that show each


def test_sheets_show_every_class(tmp_path: Path) -> None:
    content = open_data(write_coco(tmp_path / "boxes"))
    sheet = scene_sheet(content, tmp_path / "out", count=2)
    assert [entry["label"] for entry in sheet] == ["no object", "1 cat; 1 crowd or difficult (dashed)"]
    assert all((tmp_path / "out" / entry["file"]).is_file() for entry in sheet)
    masks = scene_sheet(open_data(write_masks(tmp_path / "masks")), tmp_path / "out2")
    assert masks[0]["label"] == "0 50 %, 1 50 %" and len(masks) == 4
    assert [entry["name"] for entry in legend(("a", "b"))] == ["a", "b"]


def test_drawing_parts() -> None:
    plane = np.array([[0, 255], [1, 1]])
    tint = tinted(np.full((2, 2, 1), 100, dtype=np.uint8), plane)
    assert tint.shape == (2, 2, 3) and (tint[0, 1] == 70).all() and (tint[1, 0] == tint[1, 1]).all() and (tint[0, 0] != tint[1, 0]).any()
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    assert (outlined(square, (4, 4), 0.5)[:2, :2]).all() and outlined(square, (4, 4), 0.5).sum() == 4
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :4] = True
    assert outlined(encode_runs(mask), (4, 4), 0.5).sum() == 4
    assert scaled(np.zeros((30, 40, 3), dtype=np.uint8), 400, 300, side=200).shape == (150, 200, 3)


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_the_page(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_coco(tmp_path / "set") if kind == "boxes" else write_masks(tmp_path / "set", count=8)
    page = tmp_path / "page.html"
    assert main(["data", str(source), "--out", str(page), "--augment", "flip,affine:0:0.1:0.2:0"]) == 0
    text = page.read_text()
    assert "data:image/jpeg" in text and "What the network sees" in text and "epoch 6" in text
    assert ("Objects per class" if kind == "boxes" else "Pictures per class") in text
    said = capsys.readouterr().out
    assert ("detection of boxes" if kind == "boxes" else "segmentation of mask") in said
    assert main(["data", str(source), "--out", str(page), "--augment", "mixup"]) == 2
    assert "mixup mixes two pictures in one" in capsys.readouterr().err
