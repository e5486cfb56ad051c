"""Arrays from files and from Python, tensors among them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sonde.data.contents import Content
from sonde.data.readers.arrays import pictures, read_arrays, read_npz, read_pair
from sonde.errors import DataError

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])
GREY = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)


def arrays(**named: Any) -> Content:
    return read_arrays(named, origin="arrays", name="arrays")


def test_a_table_from_x_and_y() -> None:
    content = read_pair((X, Y))
    assert (content.kind, content.target, content.reason) == ("table", "y", "arrays with 6 rows and 3 columns")
    frame = content.parts["all"].frame
    assert frame.schema == {"x0": pl.Float64, "x1": pl.Float64, "y": pl.Int64}
    assert frame["x1"].to_list() == X[:, 1].tolist()


@pytest.mark.parametrize("y", [np.array([[0.5]] * 6), np.array([0.5] * 6)])
def test_one_target(y: np.ndarray) -> None:
    assert read_pair((X, y)).parts["all"].frame["y"].to_list() == [0.5] * 6


def test_several_targets_and_words() -> None:
    content = read_pair((X, np.stack([Y, 1 - Y], 1)))
    assert content.target is None
    assert content.parts["all"].frame.columns == ["x0", "x1", "y0", "y1"]
    assert read_pair((X, np.array(list("ababab")))).parts["all"].frame["y"].to_list() == list("ababab")


def test_missing_values_and_half_precision() -> None:
    x = np.array([[1, np.nan], [2, 3]], dtype=np.float16)
    frame = read_pair((x, None)).parts["all"].frame
    assert frame.schema == {"x0": pl.Float32, "x1": pl.Float32}
    assert frame["x1"].to_list() == [None, 3.0]


def test_pictures_from_x_and_y() -> None:
    content = read_pair((GREY, Y))
    assert (content.kind, content.target) == ("images", "label")
    examples = content.parts["all"]
    assert examples.frame["label"].to_list() == list("010101")
    assert examples.pictures is not None
    np.testing.assert_array_equal(examples.pictures.read(3)[:, :, 0], GREY[3])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2, 5, 6), (2, 5, 6, 1)), ((2, 5, 6, 3), (2, 5, 6, 3)), ((2, 3, 5, 6), (2, 5, 6, 3)), ((2, 1, 5, 6), (2, 5, 6, 1)), ((2, 5, 6, 4), (2, 5, 6, 3))],
)
def test_forms_of_pictures(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert pictures(np.zeros(shape, dtype=np.uint8), "x").shape == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 127.6, 255.0], dtype=np.float32), [0, 128, 255]),
        (np.array([0, 3, 255], dtype=np.int64), [0, 3, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
    ],
)
def test_ranges_of_pictures(values: np.ndarray, expected: list[int]) -> None:
    found = pictures(values.reshape(1, 1, 3), "x")
    assert found.dtype == np.uint8
    assert found.ravel().tolist() == expected


def test_opacity_is_laid_on_white() -> None:
    pixel = np.array([[[[200, 0, 0, 128]]]], dtype=np.uint8)
    assert pictures(pixel, "x").ravel().tolist() == [227, 127, 127]


@pytest.mark.parametrize(("channels", "left"), [(2, "1 (grey) is left"), (4, "3 (colour) are left")])
@pytest.mark.parametrize("first", [False, True])
def test_a_channel_that_is_taken_for_opacity_is_named(channels: int, left: str, first: bool) -> None:
    shape = (4, channels, 5, 6) if first else (4, 5, 6, channels)
    (note,) = arrays(x=np.zeros(shape, dtype=np.uint8), y=Y[:4]).notes
    assert note == f"x: the last of {channels} channels is taken for opacity: transparent pictures are laid on white, and {left}"


def test_other_channels_are_not_spoken_of() -> None:
    for shape in ((4, 5, 6, 3), (4, 3, 5, 6), (4, 5, 6, 1), (4, 5, 6)):
        assert arrays(x=np.zeros(shape, dtype=np.uint8), y=Y[:4]).notes == ()


def test_scaling_is_said() -> None:
    assert arrays(x=np.zeros((4, 2, 2)), y=Y[:4]).notes == ("x: values from 0 to 1 were scaled to 0 to 255",)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels"), ("X_train", "Y_train", "X_test", "Y_test")],
)
def test_parts_by_name(names: tuple[str, ...]) -> None:
    content = arrays(**dict(zip(names, (GREY, Y, GREY[:2], Y[:2]), strict=True)), spare=Y)
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 6, "test": 2}
    assert content.target == "label"
    assert content.notes == ("arrays left out: spare",)


def test_columns_by_name() -> None:
    content = arrays(age=[31, 45], city=["Oslo", "Rome"])
    assert content.parts["all"].frame.to_dict(as_series=False) == {"age": [31, 45], "city": ["Oslo", "Rome"]}
    assert content.target is None


def test_tensors() -> None:
    x = torch.arange(12.0).reshape(6, 2).requires_grad_()
    content = read_pair((x, torch.tensor([0, 1] * 3)))
    assert content.parts["all"].frame["x0"].to_list() == [0, 2, 4, 6, 8, 10]
    half = read_pair((torch.ones(2, 2, dtype=torch.bfloat16), None))
    assert half.parts["all"].frame["x0"].to_list() == [1, 1]


def test_no_reader_imports_torch() -> None:
    """Neither does opening data: error messages and `sonde data` come at once."""
    code = (
        "import sys, numpy; from sonde.data.open import open_data, known_sets; known_sets();"
        "open_data((numpy.zeros((4, 2)), numpy.zeros(4))); open_data('views');"
        "loaded = {'torch', 'sklearn', 'pandas', 'scipy'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_npz_and_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=GREY, y=Y)
    content = read_npz(tmp_path / "a.npz")
    assert (content.kind, content.name, len(content.parts["all"])) == ("images", "a", 6)
    np.savez_compressed(tmp_path / "b.npz", x_train=X, y_train=Y, x_val=X, y_val=Y, x_test=X, y_test=Y)
    assert list(read_npz(tmp_path / "b.npz").parts) == ["train", "validation", "test"]
    np.save(tmp_path / "c.npy", X)
    assert read_npz(tmp_path / "c.npy").parts["all"].frame.columns == ["x0", "x1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": X, "y": Y[:4]}, r"arrays: x: 6 examples, but 4 targets\n  → give as many targets as examples, in the same order"),
        ({"x": np.zeros((2, 2, 2, 2, 2))}, r"arrays: x: the array has 5 axes\n  → give a table \(2 axes\) or pictures \(3 or 4\)"),
        ({"x": np.zeros((0, 2))}, r"arrays: x: the array has no rows"),
        ({"x": np.full((2, 4, 4), -1.5)}, r"arrays: x: pictures have values from -1.5 to -1.5\n  → give pictures as uint8 from 0 to 255"),
        ({"x": np.full((2, 4, 4), np.nan)}, r"arrays: x: pictures have values from nan to nan"),
        ({"x": np.zeros((2, 5, 5, 7))}, r"an array of shape \(2, 5, 5, 7\) and type float64 holds no pictures"),
        ({"x": X, "y": np.zeros((6, 1, 1))}, r"the targets have 3 axes"),
        ({"a": X, "b": Y}, r"arrays: these arrays do not make a table: a \(6, 2\), b \(6,\)\n  → save with numpy.savez"),
        ({"x": [[1], [2, 3]]}, r"arrays: x: the values do not make an array"),
        ({"x": 3}, r"arrays: x: this is no array of numbers or text"),
        ({}, r"arrays: these arrays do not make a table"),
    ],
)
def test_what_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        arrays(**content)


def test_python_objects_in_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"a.npz: the file holds Python objects, which are not read as they may run code\n  → save arrays of numbers"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("raw", [b"", b"no zip at all", b"PK\x03\x04 broken", b"\x93NUMPY broken"])
def test_damaged_files(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(DataError, match=r"a.npz: the file (is damaged or no NumPy file|holds Python objects)"):
        read_npz(tmp_path / "a.npz")
