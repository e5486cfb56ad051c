"""What is wrong with pictures, with files made in a test."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from data.checks.making import arrays, examine, files, images, none, one
from sonde.data.check import Findings
from sonde.data.contents import Content
from sonde.data.readers import pictures as reader
from sonde.errors import DataError


def picture(seed: int, *, height: int = 40, width: int = 40, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def plain(count: int = 6) -> dict[str, np.ndarray | bytes]:
    return {f"{'cat' if place % 2 else 'dog'}/{place}.png": picture(place) for place in range(count)}


def encoded(image: Image.Image, form: str = "PNG", exif: Image.Exif | None = None) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({} if exif is None else {"exif": exif}))
    return stream.getvalue()


def look(content: Content, *, deep: bool = True, **data: object) -> Findings:
    return examine(content, "classification", ("label",), deep=deep, **data)  # type: ignore[arg-type]


def test_good_pictures(tmp_path: Path) -> None:
    findings = look(images(files(tmp_path, plain(60))))
    assert findings.problems == ()
    assert findings.to_json()["pictures"] == {"count": 60, "sizes": [[40, 40, 60]], "modes": {"RGB": 60}, "thumbnails": []}
    assert findings.to_json()["classes"] == [{"name": "cat", "counts": {"all": 30}}, {"name": "dog", "counts": {"all": 30}}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"dear diary, this is no picture", "this is not a picture: it begins with 'dear diary"),
        (encoded(Image.fromarray(picture(1)))[:900], "truncated or damaged"),
    ],
)
def test_pictures_that_cannot_be_decoded(tmp_path: Path, content: bytes, words: str) -> None:
    findings = look(images(files(tmp_path, plain() | {"cat/bad.png": content})))
    problem = one(findings, words)
    assert problem.level == "error"
    assert problem.where == "cat/bad.png"
    assert problem.example == 6
    assert problem.remedy
    with pytest.raises(DataError, match=f"cat/bad.png: .*{words[:20]}"):
        findings.stop()
    assert one(look(images(files(tmp_path, plain() | {"cat/bad.png": content})), on_error="skip"), words).level == "warning"


def test_all_bad_pictures_are_listed(tmp_path: Path) -> None:
    bad = {f"cat/bad{place}.png": b"" for place in range(4)}
    assert [problem.where for problem in look(images(files(tmp_path, plain() | bad))).errors] == list(bad)


def test_decompression_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PIXELS", 1000)
    assert one(look(images(files(tmp_path, {"cat/0.png": picture(0)}))), "decompression bomb").level == "error"


def test_a_png_called_jpg_is_fine(tmp_path: Path) -> None:
    none(look(images(files(tmp_path, plain(40) | {"cat/misnamed.jpg": encoded(Image.fromarray(picture(99)))}))), "picture")


def test_ways_of_storing_pictures_are_said(tmp_path: Path) -> None:
    others = {
        "cat/grey.png": encoded(Image.fromarray(picture(70, channels=1))),
        "cat/alpha.png": encoded(Image.fromarray(picture(71)).convert("RGBA")),
        "cat/palette.png": encoded(Image.fromarray(picture(72)).quantize(16)),
        "cat/print.jpg": encoded(Image.fromarray(picture(73)).convert("CMYK"), "JPEG"),
    }
    findings = look(images(files(tmp_path, plain() | others)))
    problem = one(findings, "stored in different ways")
    assert problem.level == "note"
    assert "6 RGB, 1 grey, 1 with transparency, 1 with a palette, 1 CMYK" in problem.found
    assert "cat/grey.png, cat/alpha.png, cat/palette.png, cat/print.jpg" in problem.found
    assert findings.to_json()["pictures"]["modes"] == {"RGB": 6, "L": 1, "RGBA": 1, "P": 1, "CMYK": 1}


def test_rotation_by_exif_is_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.fromarray(picture(50, height=20, width=40)), "JPEG", exif)
    findings = look(images(files(tmp_path, plain() | {"cat/turned.jpg": turned})))
    assert "1 picture lying on the side by the camera's note (EXIF): cat/turned.jpg" in one(findings, "EXIF").found
    assert [20, 40, 1] in findings.to_json()["pictures"]["sizes"]


def test_sizes_far_apart_tiny_and_stretched_pictures(tmp_path: Path) -> None:
    odd = {"cat/icon.png": picture(80, height=8, width=8), "cat/strip.png": picture(81, height=30, width=300)}
    findings = look(images(files(tmp_path, plain() | odd)))
    assert one(findings, "under 16 pixels").found == "1 picture under 16 pixels where the others have about 40: cat/icon.png"
    assert "cat/strip.png" in one(findings, "times as long as wide").found
    assert "from 8×8 to 300×30 pixels" in one(findings, "sizes from").found


def test_small_pictures_are_not_tiny_where_all_are_small() -> None:
    rng = np.random.default_rng(0)
    none(look(images(arrays(rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), ["0", "1"] * 30))), "under 16")


def test_blank_pictures(tmp_path: Path) -> None:
    problem = one(look(images(files(tmp_path, plain() | {"cat/white.png": np.full((40, 40, 3), 255, np.uint8)}))), "of one colour")
    assert problem.level == "warning"
    assert problem.found.endswith("cat/white.png")


@pytest.mark.parametrize("deep", [True, False])
def test_a_picture_under_two_classes(tmp_path: Path, deep: bool) -> None:
    problem = one(look(images(files(tmp_path, plain() | {"cat/again.png": picture(2)})), deep=deep), "more than one class")
    assert problem.level == "warning"
    assert problem.found == "1 picture stands under more than one class: dog/2.png = cat/again.png"
    assert "right class" in problem.remedy


@pytest.mark.parametrize("deep", [True, False])
def test_copies_in_a_class(tmp_path: Path, deep: bool) -> None:
    problem = one(look(images(files(tmp_path, plain() | {"dog/again.png": picture(2), "dog/more.png": picture(2)})), deep=deep), "copies")
    assert problem.found == "2 pictures are copies of another one of its class: dog/2.png = dog/again.png = dog/more.png"


@pytest.mark.parametrize("deep", [True, False])
def test_pictures_in_training_and_test_both(tmp_path: Path, deep: bool) -> None:
    train = files(tmp_path / "train", plain(60))
    test = files(tmp_path / "test", {"dog/new.png": picture(200), "cat/new.png": picture(201), "dog/old.png": picture(4)})
    findings = look(images(train, test=test), deep=deep)
    problem = one(findings, "in the training part too")
    assert problem.level == "warning"
    assert problem.where == "leaves (test part)"
    assert problem.found == "1 picture of 3 in the test part stands in the training part too: dog/4.png = dog/old.png"
    none(findings, "of its class")


def test_the_same_pixels_in_other_bytes_are_a_copy(tmp_path: Path) -> None:
    again = encoded(Image.fromarray(picture(2)), "BMP")
    content = images(files(tmp_path, plain() | {"cat/again.bmp": again}))
    assert "dog/2.png = cat/again.bmp" in one(look(content), "more than one class").found
    none(look(content, deep=False), "class")


def test_pictures_in_memory_are_compared_across_a_drawn_split() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (100, 8, 8, 1), dtype=np.uint8)
    pixels[95] = pixels[5]
    content = images(arrays(pixels, ["0", "1"] * 50))
    cut = {"train": range(80), "validation": range(80, 90), "test": range(90, 100)}
    for deep in (True, False):
        findings = examine(content, "classification", ("label",), deep=deep, cut=cut)
        assert one(findings, "in the test part").found.endswith("digits[5] = digits[95]")
        assert findings.to_json()["pictures"]["sizes"] == [[8, 8, 100]]


def test_nothing_is_decoded_when_training_starts(tmp_path: Path) -> None:
    findings = look(images(files(tmp_path, plain() | {"cat/bad.png": b"no picture"})), deep=False)
    none(findings, "not a picture")
    assert findings.to_json()["pictures"]["sizes"] == [[40, 40, 6]]


def test_class_folders_that_differ_between_parts(tmp_path: Path) -> None:
    train, test = files(tmp_path / "a", plain(60)), files(tmp_path / "b", {"bird/0.png": picture(300)})
    problem = one(look(images(train, test=test)), "'bird'")
    assert problem.level == "error"
    assert problem.where == "leaves (test part), bird/0.png"
    assert problem.remedy == "give the parts the same class folders"


def test_a_class_with_one_picture(tmp_path: Path) -> None:
    problem = one(look(images(files(tmp_path, plain(60) | {"eel/0.png": picture(300)}))), "one picture")
    assert problem.level == "error"
    assert problem.found == "class 'eel' has one picture: it can be learned from or measured on, not both"


def test_columns_beside_pictures_are_left_out(tmp_path: Path) -> None:
    examples = files(tmp_path, plain())
    frame = examples.frame.with_columns(camera=pl.lit("a"))
    columns = look(images(type(examples)(frame, examples.pictures))).to_json()["columns"]
    assert [(column["name"], column["role"]) for column in columns] == [("image", "left-out"), ("label", "target"), ("camera", "left-out")]


def test_copies_among_very_many_files_are_left_to_the_deep_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonde.data.checks.look.READ", 5)
    content = images(files(tmp_path, plain() | {"cat/again.png": picture(2)}))
    findings = look(content, deep=False)
    none(findings, "more than one class")
    assert "copies among the pictures were not looked for" in findings.notes[0]
    assert one(look(content), "more than one class")
