"""Tables that belong together: parts by name, columns and types that must agree."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from sonde.data.open import open_data
from sonde.data.readers.table_parts import part_of, read_tables, with_part
from sonde.errors import DataError
from sonde.recipe import Data


def write(folder: Path, **files: str) -> dict[str, Path]:
    paths = {}
    for part, text in files.items():
        paths[part] = folder / f"{part}.csv"
        paths[part].write_text(text)
    return paths


def test_parts(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,b\n1,x\n2,y\n", validation="b,a\nx,3\n", test="a,b\n4,y\n")
    content = read_tables(paths, Data(), origin=tmp_path)  # type: ignore[arg-type]
    assert content.reason == "a table of 4 rows and 2 columns in train, validation, test"
    assert content.parts["validation"].frame.to_dict(as_series=False) == {"a": [3], "b": ["x"]}
    assert content.target is None


@pytest.mark.parametrize("data", [Data(), Data(target=("price",))])
def test_a_test_file_without_answers_is_left_aside(tmp_path: Path, data: Data) -> None:
    paths = write(tmp_path, train="id,a,price\n1,5,10\n2,6,11\n", test="id,a\n3,7\n")
    content = read_tables(paths, data, origin=tmp_path)  # type: ignore[arg-type]
    assert list(content.parts) == ["all"]
    assert content.target == (None if data.target else "price")
    assert content.notes == ("test.csv has no column 'price', which is to be predicted: it is left for `sonde predict`",)


def test_missing_columns_are_errors(tmp_path: Path) -> None:
    paths = write(tmp_path, train="age,size,y\n1,5,10\n2,6,11\n", test="Age,y\n3,7\n")
    problems = read_tables(paths, Data(target=("y",)), origin=tmp_path).problems  # type: ignore[arg-type]
    assert [(p.level, p.where, p.found) for p in problems] == [
        ("error", str(paths["test"]), f"column 'age' of {paths['train']} is missing here"),
        ("error", str(paths["test"]), f"column 'size' of {paths['train']} is missing here"),
    ]
    assert problems[0].remedy == f"is it 'Age'? Name it as in {paths['train']}"
    assert problems[1].remedy == "add it, or leave it out of both with --drop size"


def test_columns_that_are_not_used_may_be_missing(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,b,y\n1,5,10\n2,6,11\n", test="a,y\n3,7\n")
    content = read_tables(paths, Data(target=("y",), drop=("b",)), origin=tmp_path)  # type: ignore[arg-type]
    assert content.problems == ()
    assert content.parts["test"].frame.to_dict(as_series=False) == {"a": [3], "b": [None], "y": [7]}


def test_more_columns_are_noted(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,y\n1,10\n2,11\n", test="a,y,z\n3,7,8\n")
    content = read_tables(paths, Data(), origin=tmp_path)  # type: ignore[arg-type]
    assert content.notes == ("test.csv has columns that the training table lacks, which are left out: z",)


def test_text_where_the_training_table_has_numbers(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,y\n1,10\n2,11\n", test="a,y\n3,7\nthree,8\n4,9\n")
    (problem,) = read_tables(paths, Data(), origin=tmp_path).problems  # type: ignore[arg-type]
    assert (problem.level, problem.example) == ("error", 1)
    assert problem.where == f"{paths['test']}, line 3, column 'a'"
    assert problem.found == "'three' is text, where the training table has numbers"
    skipped = read_tables(paths, Data(on_error="skip"), origin=tmp_path)  # type: ignore[arg-type]
    assert skipped.parts["test"].frame.to_dict(as_series=False) == {"a": [3, 4], "y": [7, 9]}


def test_types_are_those_of_the_training_table(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,b,c,d\n1.5,x,7,1\n2.5,y,8,2\n", test="a,b,c,d\n3,1,NA,2.5\n")
    frame = read_tables(paths, Data(), origin=tmp_path).parts["test"].frame  # type: ignore[arg-type]
    assert frame.schema == {"a": pl.Float64, "b": pl.String, "c": pl.Int64, "d": pl.Float64}
    assert frame.row(0) == (3.0, "1", None, 2.5)


def test_full_stops_of_a_test_file(tmp_path: Path) -> None:
    """Adult's test labels end in a full stop, its training labels do not."""
    paths = write(tmp_path, train="n,income\n1,<=50K\n2,>50K\n", test="n,income\n3,<=50K.\n4,>50K.\n")
    content = read_tables(paths, Data(), origin=tmp_path)  # type: ignore[arg-type]
    assert content.parts["test"].frame["income"].to_list() == ["<=50K", ">50K"]
    assert content.notes == ("test.csv: the full stop after every 'income' was taken off, as the training table has none",)


def test_a_part_without_header_takes_the_training_files_names(tmp_path: Path) -> None:
    paths = write(tmp_path, train="a,y\n1,10\n2,11\n", test="3,7\n4,8\n")
    content = read_tables(paths, Data(), origin=tmp_path)  # type: ignore[arg-type]
    assert content.parts["test"].frame["a"].to_list() == [3, 4]
    assert content.problems == ()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train.csv", "train"),
        ("test.csv.gz", "test"),
        ("houses_valid.tsv", "validation"),
        ("dev.tsv", "validation"),
        ("test-houses.csv", "test"),
        ("SICK_train.txt", "train"),
        ("houses.csv", None),
        ("contest.csv", None),
        ("training of animals.csv", "train"),
    ],
)
def test_parts_by_name(name: str, part: str | None) -> None:
    assert part_of(Path(name)) == part


def test_data_and_test_files_belong_together(tmp_path: Path) -> None:
    (tmp_path / "adult.data").touch()
    (tmp_path / "adult.test").touch()
    assert part_of(tmp_path / "adult.data") == "train"
    assert part_of(tmp_path / "adult.test") == "test"
    assert part_of(tmp_path / "other.data") is None


def test_the_first_table_must_be_readable(tmp_path: Path) -> None:
    paths = write(tmp_path, train="", test="a,y\n3,7\n")
    with pytest.raises(DataError, match=r"train.csv: the file is empty"):
        read_tables(paths, Data(), origin=tmp_path)  # type: ignore[arg-type]


def pictures(folder: Path, *names: str) -> Path:
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), place).save(folder / name)
    return folder


CLASSES = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")


def test_parts_given_by_path(tmp_path: Path) -> None:
    paths = write(tmp_path, one="a,b,y\n1,x,0\n2,y,1\n", two="b,a,y\nx,3,NA\n")
    one, two = open_data(paths["one"]), open_data(paths["two"])
    content = with_part(with_part(one, "test", two, Data()), "validation", two, Data())
    assert list(content.parts) == ["train", "validation", "test"]
    assert content.parts["test"].frame.schema == one.examples.frame.schema
    assert content.parts["test"].frame.row(0) == (3, "x", None)
    assert content.fingerprint not in (one.fingerprint, two.fingerprint)
    assert content.files == (paths["one"], paths["two"], paths["two"])


def test_parts_of_pictures_given_by_path(tmp_path: Path) -> None:
    """Classes are compared between the two; what is odd in each alone is not said."""
    one = open_data(pictures(tmp_path / "one", *CLASSES))
    two = open_data(pictures(tmp_path / "two", "a/1.png", "c/1.png", "c/2.png"))
    assert [problem.found for problem in two.problems] == ["class 'a' has one picture only"]
    content = with_part(one, "test", two, Data())
    test = content.parts["test"]
    assert test.pictures is not None
    assert (test.pictures.name(0), test.frame["image"][0]) == ("two/a/1.png", "two/a/1.png")
    assert [problem.found for problem in content.problems] == [
        "the test part has no picture of b",
        "the test part has 2 pictures of 'c', a class that the training part lacks",
    ]
    assert with_part(one, "test", two, Data(on_error="skip")).parts["test"].frame["label"].to_list() == ["a"]


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    paths = write(tmp_path, one="a,b,y\n1,x,0\n2,y,1\n", two="a,b\n1,x\n2,y\n")
    table, bare = open_data(paths["one"]), open_data(paths["two"])
    for data in (Data(), Data(target=("y",))):
        with pytest.raises(DataError, match=r"two.csv: there is no column to measure by \(y\)\n  → give --test data with it"):
            with_part(table, "test", bare, data)
    images = open_data(pictures(tmp_path / "pets", *CLASSES))
    with pytest.raises(DataError, match=r"one.csv: this is of kind table, and .*pets is of kind images\n  → give data of one kind to --test"):
        with_part(images, "test", table, Data())
