"""Class folders: what is a part, what a class, and what is said of odd ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sonde.data.readers.class_folders import lay_out, read_class_folders
from sonde.errors import DataError


def make(root: Path, *names: str) -> Path:
    """Small pictures (or texts, by the suffix) at these places."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in (".jpg", ".png", ".JPG"):
            Image.new("RGB", (2, 2), "red").save(file, "PNG")
        else:
            file.write_text("text")
    return root


def twice(*classes: str) -> list[str]:
    return [f"{name}/{number}.jpg" for name in classes for number in (1, 2)]


def test_class_folders(tmp_path: Path) -> None:
    content = read_class_folders(make(tmp_path / "pets", *twice("dog", "cat")))
    assert (content.kind, content.name, content.target, content.reason) == ("images", "pets", "label", "2 class folders with 4 pictures")
    examples = content.parts["all"]
    assert examples.frame["image"].to_list() == ["pets/cat/1.jpg", "pets/cat/2.jpg", "pets/dog/1.jpg", "pets/dog/2.jpg"]
    assert examples.frame["label"].to_list() == ["cat", "cat", "dog", "dog"]
    assert examples.pictures is not None
    assert examples.pictures.name(2) == "pets/dog/1.jpg"
    assert examples.pictures.read(2).shape == (2, 2, 3)
    assert content.problems == ()
    assert content.notes == ()


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "VAL"])
def test_parts(tmp_path: Path, validation: str) -> None:
    names = [f"{part}/{name}" for part in ("train", validation, "test") for name in twice("a", "b")]
    content = read_class_folders(make(tmp_path, *names))
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 4, "validation": 4, "test": 4}
    assert content.reason == "2 class folders with 12 pictures in train, validation, test"


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    content = read_class_folders(make(tmp_path, *twice("train", "car", "bus")))
    assert content.parts["all"].frame["label"].unique().sort().to_list() == ["bus", "car", "train"]


def test_shared_folders_are_looked_through() -> None:
    layout = lay_out([f"data/flowers/train/{name}" for name in twice("a", "b")] + ["README.txt"])
    assert [label for _, label in layout.rows["all"]] == ["a", "a", "b", "b"]


def test_files_that_do_not_belong_are_noted(tmp_path: Path) -> None:
    content = read_class_folders(make(tmp_path, *twice("a", "b"), "a/notes.txt", "top.jpg", ".hidden/3.jpg", "__MACOSX/a/1.jpg", "a/.DS_Store"))
    assert content.notes == ("1 file (top.jpg) in no class folder, left out", "1 file (a/notes.txt): not pictures, left out")
    assert len(content.parts["all"]) == 4


def test_folders_beside_the_parts_are_left_out(tmp_path: Path) -> None:
    names = [f"{part}/{name}" for part in ("train", "test", "extra") for name in twice("a", "b")]
    content = read_class_folders(make(tmp_path, *names))
    assert content.notes == ("folder extra (4 pictures) is no part of the data and is left out",)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_class_with_one_picture(tmp_path: Path, on_error: Literal["stop", "skip"]) -> None:
    """It can be read, so it is not skipped: whoever predicts from this folder wants all pictures."""
    content = read_class_folders(make(tmp_path, *twice("cat", "dog"), "ox/1.jpg"), on_error=on_error)
    (problem,) = content.problems
    assert (problem.level, problem.where, problem.found) == ("error", f"{tmp_path}/ox", "class 'ox' has one picture only")
    assert problem.remedy == "add pictures of it or remove the folder"
    assert len(content.parts["all"]) == 5


def test_one_class_only(tmp_path: Path) -> None:
    (problem,) = read_class_folders(make(tmp_path, *twice("cat"))).problems
    assert (problem.level, problem.found) == ("error", "there is only one class, 'cat'")


def test_class_folders_that_differ_between_train_and_test(tmp_path: Path) -> None:
    train = [f"train/{name}" for name in twice("cat", "dog", "cow")]
    make(tmp_path, *train, *[f"test/{name}" for name in twice("cat", "dogs")])
    content = read_class_folders(tmp_path)
    assert [(p.level, p.where, p.found) for p in content.problems] == [
        ("warning", str(tmp_path), "the test part has no picture of cow, dog"),
        ("error", f"{tmp_path}/test/dogs", "the test part has 2 pictures of 'dogs', a class that the training part lacks"),
    ]
    assert content.problems[1].remedy == "is it 'dog'? Rename the folder, or remove it"
    skipped = read_class_folders(tmp_path, on_error="skip")
    assert [p.level for p in skipped.problems] == ["warning", "warning"]
    assert skipped.parts["test"].frame["label"].to_list() == ["cat", "cat"]


def test_pictures_without_class_folders(tmp_path: Path) -> None:
    content = read_class_folders(make(tmp_path, "1.jpg", "2.jpg"))
    assert content.target is None
    assert content.parts["all"].frame.columns == ["image"]
    assert content.reason == "2 pictures without class folders"
    assert content.notes[0].startswith("the pictures are in no class folders, so they have no labels; to train")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/x.txt"], r"there is no picture here, only 1 file \(a/x.txt\)\n  → put pictures into one folder a class"),
        (["train/1.jpg", "test/2.jpg"], r"test/ and train/ hold pictures directly, with no class folders in them\n  → sort them into class folders"),
    ],
)
def test_what_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_class_folders(make(tmp_path, *names))


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", *twice("cat"))
    make(tmp_path / "pets", *twice("dog"))
    (tmp_path / "pets" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (tmp_path / "pets" / "dog" / "again").symlink_to(tmp_path / "pets")
    assert len(read_class_folders(tmp_path / "pets").parts["all"]) == 4


def test_the_fingerprint_follows_the_bytes_not_the_place(tmp_path: Path) -> None:
    one, other = (read_class_folders(make(tmp_path / name / "pets", *twice("a", "b"))).fingerprint for name in ("here", "there"))
    assert one == other
    (tmp_path / "here/pets/a/1.jpg").write_bytes(b"changed")
    assert read_class_folders(tmp_path / "here/pets").fingerprint != one


NAMES = st.lists(st.sampled_from(["train", "test", "a", "b", "x.jpg", "y.png", "z.txt", ".hidden", "val"]), min_size=1, max_size=5).map("/".join)


@settings(deadline=None, max_examples=100)
@given(st.lists(NAMES, unique=True, max_size=12))
def test_every_picture_is_placed_once(names: list[str]) -> None:
    """Whatever the folders, each picture is in one part, outside, or in a folder that is said to be unused."""
    layout = lay_out(names)
    pictures = {place for place, name in enumerate(names) if name.endswith((".jpg", ".png")) and ".hidden" not in name.split("/")}
    placed = [place for rows in layout.rows.values() for place, _ in rows]
    outside = {place for place, _ in layout.outside}
    assert len(placed) == len(set(placed))
    assert set(placed) | outside <= pictures
    assert len(pictures) == len(set(placed) | outside) + sum(layout.unused.values())
