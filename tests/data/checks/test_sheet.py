"""The contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.checks.making import arrays, files, images, table
from sonde.data.checks.sheet import contact_sheet, thumbnail, turns


def test_classes_take_turns() -> None:
    labels = ["a"] * 50 + ["b"] * 3 + ["c"] * 10
    shown = turns(labels, 12)[:12]
    assert sorted({labels[row] for row in shown[:3]}) == ["a", "b", "c"]
    assert [sum(labels[row] == label for row in shown) for label in "abc"] == [5, 3, 4]
    assert len(set(turns(labels, 12))) == len(turns(labels, 12))


@pytest.mark.parametrize(("rows", "count"), [(0, 5), (1, 5), (3, 1), (100, 24)])
def test_any_number_of_pictures(rows: int, count: int) -> None:
    assert len(turns(["x"] * rows, count)[:count]) == min(rows, count)


def test_files_labels_and_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {"cat/tall.png": (300, 100, 3), "cat/small.png": (10, 8, 3), "dog/grey.png": (50, 60), "dog/plain.png": (96, 96, 3)}
    content = images(files(tmp_path / "in", {name: rng.integers(0, 256, shape, dtype=np.uint8) for name, shape in shapes.items()}))
    sheet = contact_sheet(content, tmp_path / "run", count=3)
    assert [entry["file"] for entry in sheet] == ["figures/data-0.png", "figures/data-1.png", "figures/data-2.png"]
    assert sorted(entry["label"] for entry in sheet) == ["cat", "cat", "dog"]
    for entry in contact_sheet(content, tmp_path / "run"):
        with Image.open(tmp_path / "run" / entry["file"]) as image:
            assert max(image.size) <= 96
    first = (tmp_path / "run/figures/data-0.png").read_bytes()
    contact_sheet(content, tmp_path / "again")
    assert (tmp_path / "again/figures/data-0.png").read_bytes() == first


def test_bad_pictures_are_passed_over(tmp_path: Path) -> None:
    good = {f"cat/{place}.png": np.full((9, 9, 3), place, np.uint8) for place in range(3)}
    content = images(files(tmp_path / "in", {"cat/bad.png": b"no picture"} | good))
    sheet = contact_sheet(content, tmp_path, count=3)
    assert len(sheet) == 3


def test_small_pictures_keep_their_pixels() -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    large = np.asarray(thumbnail(pixels))
    assert large.shape == (96, 96)
    assert (large[::12, ::12] == pixels[:, :, 0]).all()


def test_tables_have_no_sheet(tmp_path: Path) -> None:
    assert contact_sheet(table({"x": [1, 2], "y": [3, 4]}), tmp_path) == []
    assert not (tmp_path / "figures").exists()


def test_pictures_without_labels(tmp_path: Path) -> None:
    content = images(arrays(np.zeros((4, 5, 5, 1), np.uint8), ["a"] * 4))
    unlabelled = type(content)(**{**vars(content), "target": None})
    assert {entry["label"] for entry in contact_sheet(unlabelled, tmp_path)} == {""}
