"""Fingerprints: the same for the same data wherever it stands, another for any change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sonde.data import fingerprint
from sonde.data.fingerprint import joined, of_arrays, of_files, of_frame


def files(root: Path, **content: bytes) -> list[Path]:
    root.mkdir(exist_ok=True)
    paths = [root / name for name in content]
    for path, data in zip(paths, content.values(), strict=True):
        path.write_bytes(data)
    return paths


def test_files(tmp_path: Path) -> None:
    here, there = files(tmp_path / "here", a=b"one", b=b"two"), files(tmp_path / "there", a=b"one", b=b"two")
    assert of_files(here) == of_files(here[::-1]) == of_files(there)
    others = [
        files(tmp_path / "1", a=b"one", b=b"twO"),
        files(tmp_path / "2", a=b"one", c=b"two"),
        files(tmp_path / "3", a=b"onet", b=b"wo"),
        files(tmp_path / "4", a=b"one"),
    ]
    assert len({of_files(here), *map(of_files, others)}) == 5


def test_folders_count_below_the_root(tmp_path: Path) -> None:
    for cls in ("cat", "dog"):
        (tmp_path / cls).mkdir()
        (tmp_path / cls / "1.jpg").write_bytes(b"x")
    paths = [tmp_path / "cat/1.jpg", tmp_path / "dog/1.jpg"]
    assert of_files(paths[:1], tmp_path) != of_files(paths[1:], tmp_path)
    assert of_files(paths[:1]) == of_files(paths[1:])


def test_large_files_by_their_ends_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "WHOLE", 10)
    monkeypatch.setattr(fingerprint, "END", 4)
    (path,) = files(tmp_path, a=b"head, a long middle, tail")
    os.utime(path, ns=(1, 1))
    first = of_files([path])
    changed = [b"head, a lonG middle, tail", b"Head, a long middle, tail", b"head, a long middle, taiL", b"head, a long middle, tail"]
    for data, time in zip(changed, (1, 1, 1, 2), strict=True):
        path.write_bytes(data)
        os.utime(path, ns=(time, time))
        assert (of_files([path]) == first) == (data == b"head, a lonG middle, tail")


def test_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(12, dtype=np.int32)
    same = of_arrays({"x": x, "y": np.array(["a", "b"])})
    assert same == of_arrays({"y": np.array(["a", "b"]), "x": x.copy()})
    assert same != of_arrays({"x": x, "y": np.array(["a", "c"])})
    assert of_arrays({"x": x}) != of_arrays({"x": x.reshape(3, 4)})
    assert of_arrays({"x": x}) != of_arrays({"x": x.astype(np.int64)})
    assert of_arrays({"x": x[::-1]}) == of_arrays({"x": x[::-1].copy()})
    monkeypatch.setattr(fingerprint, "WHOLE", 2**20)
    large = np.zeros(2**21, dtype=np.uint8)
    first = of_arrays({"x": large})
    large[-1] = 1
    assert of_arrays({"x": large}) != first


def test_frames() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", ""]})
    assert of_frame(frame) == of_frame(frame.clone())
    for other in (frame.reverse(), frame.rename({"a": "c"}), frame.with_columns(pl.col("a").cast(pl.Float64)), frame.fill_null(0)):
        assert of_frame(other) != of_frame(frame)
    assert of_frame(frame.with_columns(b=pl.Series(["x", None]))) != of_frame(frame)


def test_several() -> None:
    assert joined(["a", "b"]) != joined(["b", "a"])
