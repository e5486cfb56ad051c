"""Tables that name picture files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sonde.data.contents import Content
from sonde.data.open import open_data
from sonde.errors import DataError
from sonde.recipe import Data


def leaves(folder: Path, table: str, *pictures: str) -> Path:
    for place, name in enumerate(pictures):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), place).save(folder / name)
    (folder / "train.csv").write_text(table)
    return folder


def shades(content: Content) -> list[int]:
    examples = content.examples
    assert examples.pictures is not None
    return [int(examples.pictures.read(row)[0, 0, 0]) for row in range(len(examples))]


PICTURES = ("images/0.png", "images/1.png", "images/2.png")


@pytest.mark.parametrize("asked", [False, True])
def test_pictures_and_labels(tmp_path: Path, asked: bool) -> None:
    folder = leaves(tmp_path, "image,label\nimages/1.png,oak\nimages/0.png,elm\nimages/2.png,oak\n", *PICTURES)
    content = open_data(folder, Data(images="image" if asked else None))
    assert (content.kind, content.target) == ("images", "label")
    assert content.reason == "a table that names 3 pictures (column 'image')"
    assert content.examples.frame["label"].to_list() == ["oak", "elm", "oak"]
    assert content.examples.frame["image"][0] == "images/1.png"
    assert shades(content) == [1, 0, 2]
    assert len(content.files) == 4


def test_names_without_suffix_in_a_subfolder(tmp_path: Path) -> None:
    folder = leaves(tmp_path, "id,breed,age\n0,pug,1\n2,pug,2\n1,husky,3\n", "train/0.png", "train/1.png", "train/2.png")
    content = open_data(folder / "train.csv", Data(images="id", target=("breed",)))
    assert content.kind == "images"
    assert shades(content) == [0, 2, 1]
    assert content.examples.frame.columns == ["id", "breed", "age", "image"]
    assert content.target is None


def test_full_paths(tmp_path: Path) -> None:
    folder = leaves(tmp_path / "a", "", *PICTURES)
    (tmp_path / "list.csv").write_text("file,label\n" + "".join(f"{folder / name},{name[-5]}\n" for name in PICTURES))
    assert shades(open_data(tmp_path / "list.csv")) == [0, 1, 2]


def test_missing_pictures_are_named_by_line(tmp_path: Path) -> None:
    folder = leaves(tmp_path, "image,label\nimages/0.png,a\nimages/9.png,b\n,a\nimages/1.png,b\n", *PICTURES)
    first, second = open_data(folder).problems
    assert (first.level, first.where, first.example) == ("error", f"{folder}, line 3, column 'image'", 1)
    assert first.found == "the picture 'images/9.png' is not there"
    assert first.remedy == f"put it into {folder}, or remove the row; `--on-error skip` leaves it out"
    assert second.found == "'image' is missing"
    skipped = open_data(folder, Data(on_error="skip"))
    assert skipped.examples.frame["label"].to_list() == ["a", "b"]
    assert shades(skipped) == [0, 1]


def test_a_test_table_without_labels_is_left_aside(tmp_path: Path) -> None:
    folder = leaves(tmp_path, "image,label\nimages/0.png,a\nimages/1.png,b\n", *PICTURES)
    (folder / "test.csv").write_text("image\nimages/2.png\n")
    content = open_data(folder)
    assert (content.kind, list(content.parts), content.target) == ("images", ["all"], "label")


def test_class_folders_with_a_table_beside_them(tmp_path: Path) -> None:
    """A table that names no pictures says nothing about class folders."""
    folder = leaves(tmp_path, "name,count\ncat,2\ndog,2\n", "cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
    content = open_data(folder)
    assert content.reason == "2 class folders with 4 pictures"
    assert content.notes == ("1 file (train.csv): not pictures, left out",)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("picture", r"there is no column 'picture' with picture names\n  → did you mean 'picturs'\? \(--images\)"),
        ("picturs", r"column 'picturs' names no file that is there \(the first is 'x.png'\)\n  → put the pictures into"),
    ],
)
def test_what_is_refused(tmp_path: Path, column: str, message: str) -> None:
    folder = leaves(tmp_path, "picturs,label\nx.png,a\ny.png,b\n")
    with pytest.raises(DataError, match=message):
        open_data(folder, Data(images=column))
