"""Files that are made once: whole or not at all, and errors that say what to do."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from sonde.data.readers.cache import cache_folder, kept
from sonde.errors import DataError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_is_made_once(folder: Path) -> None:
    made = []

    def write(to: Path) -> None:
        made.append(to)
        to.write_text("here")

    for _ in range(2):
        assert kept("tables/x", write).read_text() == "here"
    assert len(made) == 1
    assert [file.name for file in (folder / "tables").iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"cache/tables: the disk is full\n  → make room there, or set SONDE_CACHE"),
        (OSError("No space left on device (os error 28)"), r"cache/tables: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), r"the cache folder cannot be written to \(Permission denied\)"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(folder: Path, error: OSError, message: str) -> None:
    def write(to: Path) -> None:
        to.write_text("half")
        raise error

    with pytest.raises(DataError, match=message):
        kept("tables/x", write)
    assert list((folder / "tables").iterdir()) == []


def test_other_errors_pass_and_leave_nothing(folder: Path) -> None:
    def write(to: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept("tables/x", write)
    assert list((folder / "tables").iterdir()) == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SONDE_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache/sonde"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() == Path(tempfile.gettempdir()) / "sonde-cache"
