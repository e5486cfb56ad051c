"""The real sets, as published: counts, columns and labels, each opened by its name."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sonde.data.contents import Content, Examples
from sonde.data.open import open_data
from sonde.data.readers.idx import read_idx
from sonde.errors import DataError
from sonde.recipe import Data

pytestmark = pytest.mark.usefixtures("sonde_data")


def sizes(content: Content) -> dict[str, int]:
    return {part: len(examples) for part, examples in content.parts.items()}


def labels(examples: Examples, name: str = "label") -> Counter[str]:
    return Counter(examples.frame[name].to_list())


def test_mnist(sonde_data: Path) -> None:
    content = open_data("mnist")
    assert (content.kind, content.name, content.target, sizes(content)) == ("images", "mnist", "label", {"train": 60000, "test": 10000})
    assert content.problems == ()
    train = content.parts["train"]
    assert sorted(labels(train)) == list("0123456789")
    assert train.frame["label"].head(5).to_list() == list("50419")
    assert train.pictures is not None
    assert train.pictures.read(59999).shape == (28, 28, 1)
    images = read_idx(sonde_data / "mnist/train-images-idx3-ubyte.gz")
    assert hashlib.md5(images.tobytes()).hexdigest() == hashlib.md5(train.pictures.array.tobytes()).hexdigest()  # type: ignore[attr-defined]
    assert images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_cifar10() -> None:
    content = open_data("cifar10")
    assert (content.kind, content.target, sizes(content)) == ("images", "label", {"train": 50000, "test": 10000})
    assert content.reason == "10 class folders with 60,000 pictures in train, test, in 2 archives"
    assert content.problems == ()
    for part, each in (("train", 5000), ("test", 1000)):
        assert set(labels(content.parts[part]).values()) == {each}  # type: ignore[index]
    pictures = content.parts["test"].pictures
    assert pictures is not None
    assert [pictures.read(row).shape for row in (0, 5000, 9999)] == [(32, 32, 3)] * 3
    assert pictures.name(0) == "test.tar.gz:test/airplane/0000.jpg"


def test_flowers(sonde_data: Path) -> None:
    for source in ("flowers", sonde_data / "flowers/flowers.tar"):
        content = open_data(source)
        assert (content.kind, content.name, sizes(content)) == ("images", "flowers", {"train": 300, "validation": 75})
        assert labels(content.parts["train"]) == dict.fromkeys(("daisy", "dandelion", "roses", "sunflowers", "tulips"), 60)
    pictures = content.parts["validation"].pictures
    assert pictures is not None
    shapes = {pictures.read(row).shape for row in range(0, 75, 5)}
    assert all(shape[2] == 3 and 157 <= shape[1] <= 640 and 180 <= shape[0] <= 442 for shape in shapes)
    assert len(shapes) > 1


def test_california_housing() -> None:
    content = open_data("california-housing")
    frame = content.examples.frame
    assert (content.kind, content.target, frame.shape) == ("table", "median_house_value", (20640, 10))
    assert frame["total_bedrooms"].null_count() == 207
    assert frame["ocean_proximity"].n_unique() == 5
    assert [name for name in frame.columns if frame[name].dtype == pl.String] == ["ocean_proximity"]


def test_house_prices(sonde_data: Path) -> None:
    content = open_data("house-prices")
    frame = content.examples.frame
    assert (content.kind, content.target, sizes(content), frame.width) == ("table", "SalePrice", {"all": 1460}, 81)
    assert sum(frame[name].null_count() > 0 for name in frame.columns) == 19
    assert content.notes == ("test.csv has no column 'SalePrice', which is to be predicted: it is left for `sonde predict`",)
    assert open_data(sonde_data / "house_prices").target == "SalePrice"
    rows = open_data(sonde_data / "house_prices/test.csv")
    assert rows.examples.frame.shape == (1459, 80)


def test_adult() -> None:
    content = open_data("adult")
    assert (content.kind, content.target, sizes(content)) == ("table", "income", {"train": 32561, "test": 16281})
    train, test = content.parts["train"], content.parts["test"]
    assert train.frame.columns == test.frame.columns
    assert (train.frame.width, train.frame.columns[0], train.frame.columns[4]) == (15, "age", "education-num")
    assert labels(train, "income") == {"<=50K": 24720, ">50K": 7841}
    assert labels(test, "income") == {"<=50K": 12434, ">50K": 3847}
    assert train.frame["workclass"].null_count() == 1836
    assert sum(dtype == pl.Int64 for dtype in train.frame.dtypes) == 6
    assert train.line(0) == 1
    assert content.problems == ()


def test_adult_as_its_publisher_ships_it(sonde_data: Path, tmp_path: Path) -> None:
    """The published test file begins with a comment, which the copy lacks."""
    (tmp_path / "adult.data").write_bytes((sonde_data / "adult/adult.data").read_bytes())
    (tmp_path / "adult.test").write_bytes(b"|1x3 Cross validator\n" + (sonde_data / "adult/adult.test").read_bytes() + b"\n")
    content = open_data(tmp_path)
    assert sizes(content) == {"train": 32561, "test": 16281}
    assert content.parts["test"].line(0) == 2
    assert "adult.test: line 1 ('|1x3 Cross validator') is no row of the table and was passed over" in content.notes


def test_titanic() -> None:
    content = open_data("titanic")
    frame = content.examples.frame
    assert (content.target, frame.shape) == ("Survived", (891, 12))
    assert labels(content.examples, "Survived") == {0: 549, 1: 342}
    assert {name: frame[name].null_count() for name in ("Age", "Cabin", "Embarked")} == {"Age": 177, "Cabin": 687, "Embarked": 2}
    assert frame["Name"][0] == "Braund, Mr. Owen Harris"


def test_daily_views(sonde_data: Path) -> None:
    content = open_data("daily-views")
    frame = content.examples.frame
    assert (content.kind, content.time, content.target, frame.height) == ("series", "ds", "y", 2905)
    assert (str(frame["ds"][0]), str(frame["ds"][-1])) == ("2007-12-10", "2016-01-20")
    views = np.exp(frame["y"].to_numpy())
    assert (round(float(views.min())), round(float(views.max()))) == (193, 379552)
    assert content.notes[0].startswith("ds: 29 gaps, 59 of 2,964 steps of a day are missing")
    with pytest.raises(DataError, match=r"there are 2 files that could be meant: wp_log_R.csv, wp_log_peyton_manning.csv"):
        open_data(sonde_data / "daily_views")


def test_daily_views_that_are_not_in_order() -> None:
    content = open_data("daily-views-r")
    frame = content.examples.frame
    assert (content.kind, frame.height) == ("series", 2863)
    assert frame["ds"].is_sorted()
    assert content.examples.line(0) != 2
    assert content.notes[0] == "ds: rows were not in order of time; they are now, from 2008-01-01"
    assert [round(float(np.exp(value))) for value in (frame["y"].min(), frame["y"].max())] == [59, 8583]  # type: ignore[call-overload]


def test_a_folder_of_pictures_beside_one_of_annotations_is_a_detection_set(sonde_data: Path) -> None:
    """And no set of class folders with the one class `images`."""
    content = open_data(sonde_data / "raccoon", Data())
    assert content.kind == "boxes"
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 160, "test": 40}
    assert sum(examples.frame["boxes"].list.len().sum() for examples in content.parts.values()) == 217
