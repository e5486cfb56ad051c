"""What is at this path? Every kind of source, and what is said where nothing can be read."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pandas
import polars as pl
import pytest
from PIL import Image

from sonde.data.contents import Content
from sonde.data.open import known_sets, open_data
from sonde.data.readers import bundled
from sonde.errors import DataError

CSV = "a,b,y\n1,x,0\n2,y,1\n3,x,0\n"


def sizes(content: Content) -> dict[str, int]:
    return {part: len(examples) for part, examples in content.parts.items()}


def pictures(folder: Path, *names: str) -> Path:
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), place).save(folder / name)
    return folder


CLASSES = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")


def test_a_file_a_folder_and_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "houses.csv").write_text(CSV)
    for source in (tmp_path / "houses.csv", str(tmp_path / "houses.csv")):
        content = open_data(source)
        assert (content.kind, content.name, content.origin, content.target) == ("table", "houses", str(source), None)
        assert content.files == (tmp_path / "houses.csv",)
    assert sizes(open_data(tmp_path)) == {"all": 3}
    monkeypatch.chdir(tmp_path)
    assert open_data("houses.csv").fingerprint == content.fingerprint
    assert open_data(".").name == tmp_path.name


def test_memory(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2], "y": ["p", "q"]})
    for source in (frame, frame.lazy(), pandas.DataFrame({"a": [1, 2], "y": ["p", "q"]}), [{"a": 1, "y": "p"}, {"a": 2, "y": "q"}]):
        content = open_data(source)
        assert content.kind == "table"
        assert content.examples.frame.equals(frame)
        assert content.fingerprint == open_data(frame).fingerprint
    assert open_data((np.zeros((4, 2)), [0, 1, 0, 1])).target == "y"
    assert open_data({"x": np.zeros((4, 2)), "y": [0, 1, 0, 1]}).target == "y"
    assert open_data(np.arange(5.0)).kind == "series"
    assert open_data(np.zeros((4, 3, 3))).kind == "images"


def test_a_frame_and_its_targets() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    content = open_data((frame, pandas.Series([0.5, 1.5], name="price")))
    assert (content.target, content.examples.frame.columns) == ("price", ["a", "b", "price"])
    assert open_data((frame, [1, 0])).target == "y"
    with pytest.raises(DataError, match=r"the data: x has 2 rows and y 3\n  → give one target for each row of x"):
        open_data((frame, [1, 0, 1]))
    with pytest.raises(DataError, match=r"the data: x has a column 'a' already"):
        open_data((frame, pandas.Series([1, 2], name="a")))


def test_pictures_for_prediction(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    one = open_data(tmp_path / "1.png")
    assert (one.kind, one.target, one.reason, sizes(one)) == ("images", None, "a picture", {"all": 1})
    both = open_data([str(tmp_path / "1.png"), str(tmp_path / "2.png")])
    assert both.examples.frame["image"].to_list() == [str(tmp_path / "1.png"), str(tmp_path / "2.png")]
    assert sizes(open_data(tmp_path)) == {"all": 2}
    with pytest.raises(DataError, match=r"3.png: there is no such file"):
        open_data([tmp_path / "1.png", tmp_path / "3.png"])


def test_folders_by_what_lies_in_them(tmp_path: Path) -> None:
    assert open_data(pictures(tmp_path / "folders", *CLASSES)).reason == "2 class folders with 4 pictures"
    with tarfile.open(tmp_path / "pets.tar", "w") as archive:
        archive.add(tmp_path / "folders", "pets")
    assert open_data(tmp_path / "pets.tar").reason == "2 class folders with 4 pictures, in an archive"
    (tmp_path / "archived").mkdir()
    (tmp_path / "pets.tar").rename(tmp_path / "archived/pets.tar")
    (tmp_path / "archived/README.md").write_text("x")
    assert open_data(tmp_path / "archived").name == "archived"
    (tmp_path / "arrays").mkdir()
    np.savez(tmp_path / "arrays/a.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    assert open_data(tmp_path / "arrays").target == "y"
    (tmp_path / "tables").mkdir()
    for name in ("train.csv", "validation.csv", "test.csv"):
        (tmp_path / "tables" / name).write_text(CSV)
    (tmp_path / "tables/sample_submission.csv").write_text("id,y\n1,0\n")
    assert sizes(open_data(tmp_path / "tables")) == {"train": 3, "validation": 3, "test": 3}


def test_the_bundled_sets() -> None:
    digits = open_data("digits")
    assert (digits.kind, digits.target, sizes(digits)) == ("images", "label", {"all": 1797})
    assert digits.examples.pictures is not None
    first = digits.examples.pictures.read(0)
    assert (first.shape, first.dtype, int(first.max())) == ((8, 8, 1), np.uint8, 239)
    assert digits.examples.frame["label"].unique().sort().to_list() == list("0123456789")
    expected = {"iris": (150, 5, "species"), "wine": (178, 14, "grower"), "breast-cancer": (569, 31, "diagnosis"), "diabetes": (442, 11, "progression")}
    for name, (rows, width, target) in expected.items():
        content = open_data(name)
        assert (content.kind, content.examples.frame.shape, content.target) == ("table", (rows, width), target)
    assert open_data("iris").examples.frame["species"].unique().sort().to_list() == ["setosa", "versicolor", "virginica"]


def test_views() -> None:
    """The 16 published days: persistence is wrong by 558.13 on average, 500 + x by 792.93."""
    content = open_data("views")
    assert (content.kind, content.time, content.target) == ("series", "date", "views")
    frame = content.examples.frame
    assert (frame.height, str(frame["date"][0]), str(frame["date"][-1])) == (16, "2021-01-26", "2021-02-10")
    views = frame["views"].to_numpy().astype(float)
    assert np.abs(np.diff(views)).mean() == pytest.approx(558.13, abs=0.005)
    assert np.abs(500 + views[:-1] - views[1:]).mean() == pytest.approx(792.93, abs=0.005)
    assert np.abs(100 + 0.97 * views[:-1] - views[1:]).mean() == pytest.approx(534.89, abs=0.005)


def test_fingerprints_of_the_bundled_sets_do_not_change() -> None:
    names = list(bundled.SETS)
    assert [open_data(name).fingerprint for name in names] == [open_data(name).fingerprint for name in names]
    assert len({open_data(name).fingerprint for name in names}) == len(names)


def test_known_sets() -> None:
    known = known_sets()
    assert list(known)[:2] == ["digits", "iris"]
    assert {"mnist", "fashion-mnist", "cifar10", "california-housing", "house-prices", "adult", "titanic", "views", "daily-views"} <= set(known)
    assert all(known.values())


def test_a_name_that_fits_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "digits", *CLASSES)
    with pytest.raises(DataError, match=r"'digits' is both the name of a set and a folder here\n  → write ./digits for what is here"):
        open_data("digits")
    assert sizes(open_data("./digits")) == {"all": 4}
    assert sizes(open_data(Path("digits"))) == {"all": 4}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("minst", r"minst: there is no such file or folder\n  → did you mean 'mnist'\?"),
        ("huoses.csv", r"huoses.csv: there is no such file or folder\n  → did you mean 'houses.csv'\?"),
        ("qqqqq", r"no set of this name\n  → give a path, or one of the sets digits, iris"),
        ("no/where.csv", r"no/where.csv: there is no such file or folder\n  → no is missing too; check the path"),
        (Path("./huoses.csv"), r"did you mean 'houses.csv'\?"),
        ("model.pt", r"model.pt: files of this kind \(.pt\) are not read\n  → PyTorch files may run code when opened: save arrays with numpy.savez"),
        ("data.pkl", r"pickles may run code when opened"),
        ("book.xlsx", r"→ save the sheet as CSV"),
        ("note.md", r"files of this kind \(.md\) are not read\n  → give a table \(CSV, TSV"),
        ("empty", r"empty: the folder is empty\n  → put a table"),
        ("notes", r"notes: nothing here can be read \(a.md, b.md\)\n  → give a table"),
        ("saved", r"saved: nothing here can be read \(x.pt\)\n  → PyTorch files may run code"),
        ("several", r"several: there are 2 files that could be meant: a.csv, b.csv\n  → give one of them \(several/a.csv\), or name them train"),
        ("archives", r"archives: there are 2 files that could be meant: a.zip, b.tar"),
        (3, r"data cannot be read from 'int'\n  → give a path, a frame"),
        ([], r"data cannot be read from 'list'"),
        (None, r"data cannot be read from 'NoneType'"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: object, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("houses.csv", "several/a.csv", "several/b.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(CSV)
    for name in ("model.pt", "data.pkl", "book.xlsx", "note.md", "notes/a.md", "notes/b.md", "saved/x.pt", "archives/a.zip", "archives/b.tar"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("empty").mkdir()
    with pytest.raises(DataError, match=message):
        open_data(source)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    (tmp_path / "t.csv").chmod(0)
    with pytest.raises(DataError, match=r"this cannot be read \(permission denied\)\n  → change its permissions"):
        open_data(tmp_path / "t.csv")
