"""IDX: what is written is read, and damage is named with its offset."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sonde.data.readers.idx import TYPES, beside, is_idx, parse_idx, read_idx, read_idx_folder
from sonde.errors import DataError

CODES = {np.dtype(name).newbyteorder("="): code for code, name in TYPES.items()}


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, CODES[array.dtype], array.ndim])
    return header + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(folder: Path, name: str, images: np.ndarray, labels: np.ndarray | None, packed: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    (folder / f"{name}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
    if labels is not None:
        (folder / f"{name}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))


IMAGES = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([7, 0, 7, 0], dtype=np.uint8)


@settings(deadline=None, max_examples=100)
@given(arrays.arrays(st.sampled_from(list(CODES)), arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_what_is_written_is_read(array: np.ndarray) -> None:
    found = parse_idx(idx(array), where="x")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40))
def test_any_bytes_give_an_array_or_an_error(raw: bytes) -> None:
    found: np.ndarray | None = None
    with contextlib.suppress(DataError):
        found = parse_idx(raw, where="x")
    assert found is None or found.nbytes <= len(raw)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_with_parts(tmp_path: Path, packed: bool) -> None:
    write(tmp_path / "mnist", "train", IMAGES, LABELS, packed)
    write(tmp_path / "mnist", "t10k", IMAGES[:2], LABELS[:2], packed)
    content = read_idx_folder(sorted((tmp_path / "mnist").iterdir()))
    assert (content.kind, content.name, content.target) == ("images", "mnist", "label")
    assert content.reason == "IDX files with 6 pictures in train, test"
    train = content.parts["train"]
    assert train.frame["label"].to_list() == ["7", "0", "7", "0"]
    assert train.frame["image"].to_list() == ["train[0]", "train[1]", "train[2]", "train[3]"]
    assert train.pictures is not None
    np.testing.assert_array_equal(train.pictures.read(2)[:, :, 0], IMAGES[2])
    assert len(content.parts["test"]) == 2


def test_one_file_finds_its_labels(tmp_path: Path) -> None:
    write(tmp_path, "train", IMAGES, LABELS)
    write(tmp_path, "t10k", IMAGES, None)
    labelled = read_idx_folder(beside(tmp_path / "train-images-idx3-ubyte"))
    assert (list(labelled.parts), labelled.target) == (["all"], "label")
    bare = read_idx_folder(beside(tmp_path / "t10k-images-idx3-ubyte"))
    assert (bare.target, bare.parts["all"].frame.columns) == (None, ["image"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", r"x: the file is empty \(0 bytes\)"),
        (b"\x89PNG" + bytes(20), r"x, offset 0: the magic number is 2303741511 \(89 50 4e 47\), where 2051 \(pictures\) or 2049 \(labels\) is expected\n"),
        (idx(IMAGES)[:10], r"x, offset 10: the header ends here; with 3 axes it has 16 bytes"),
        (idx(IMAGES)[:-5], r"x, offset 35: the body has 19 bytes, where its header \(4 × 3 × 2\) asks for 24\n  → fetch the file again: it is cut short"),
        (idx(IMAGES) + b"xx", r"x, offset 40: the body has 26 bytes, .*\n  → fetch the file again: it is too long"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-10], r"x: the gzip file is damaged or cut short"),
        (b"\x1f\x8b" + bytes(30), r"x: the gzip file is damaged or cut short"),
    ],
)
def test_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_idx(Path("x"))


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    write(tmp_path / "a", "train", IMAGES, LABELS[:3])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: 3 labels for 4 pictures \(train-images-idx3-ubyte\)"):
        read_idx_folder(list((tmp_path / "a").iterdir()))
    write(tmp_path / "b", "train", IMAGES, LABELS)
    (tmp_path / "b/train-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"there are labels but no pictures \(train-images-idx3-ubyte\)\n  → put train-images-idx3-ubyte beside it"):
        read_idx_folder(list((tmp_path / "b").iterdir()))
    write(tmp_path / "c", "train", LABELS, IMAGES)
    with pytest.raises(DataError, match=r"it holds uint8 values on 1 axes, where pictures are uint8 on 3"):
        read_idx_folder(list((tmp_path / "c").iterdir()))


def test_labels_unseen_in_training(tmp_path: Path) -> None:
    write(tmp_path, "train", IMAGES, LABELS)
    write(tmp_path, "test", IMAGES, np.array([7, 0, 9, 7], dtype=np.uint8))
    (problem,) = read_idx_folder(list(tmp_path.iterdir())).problems
    assert (problem.level, problem.example) == ("error", 2)
    assert problem.found == "the test part has 1 pictures of '9', a class that the training part lacks"


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "emnist-letters-train-images-idx3-ubyte", "train-images.idx3-ubyte"])
def test_names(name: str) -> None:
    assert is_idx(Path(name))
    assert not is_idx(Path(name + ".txt"))
