"""Files made once and kept: downloads, large tables parsed into Arrow files, archives decompressed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from sonde.errors import DataError, Problem


def cache_folder() -> Path:
    """Where such files are kept: $SONDE_CACHE, else ~/.cache/sonde, else a folder among the temporary ones."""
    named = os.environ.get("SONDE_CACHE")
    if named:
        return Path(named).expanduser()
    try:
        return Path.home() / ".cache" / "sonde"
    except RuntimeError:  # no home folder is known, as in some containers
        return Path(tempfile.gettempdir()) / "sonde-cache"


def kept(name: str, write: Callable[[Path], None]) -> Path:
    """The file `name` in the cache folder; where it is missing, `write(path)` makes it beside and it is renamed into place.

    Two processes may do so at once: each writes a file of its own, and the later rename wins.

    Raises
    ------
    DataError
        When the folder cannot be written to or the disk is full.
    """
    file = cache_folder() / name
    if file.exists():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=file.name + ".", suffix=".part", dir=file.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(file.parent, error) from None
    try:
        write(Path(beside))
        os.replace(beside, file)
    except OSError as error:
        _remove(beside)
        raise _unwritable(file.parent, error) from None
    except BaseException:
        _remove(beside)
        raise
    return file


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _unwritable(folder: Path, error: OSError) -> DataError:
    full = error.errno == errno.ENOSPC or "No space left" in str(error)
    found = "the disk is full" if full else f"the cache folder cannot be written to ({error.strerror or error})"
    return DataError(Problem("error", str(folder), found, "make room there, or set SONDE_CACHE to a folder with room"))
