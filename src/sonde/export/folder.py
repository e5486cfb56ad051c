"""Writing an export's folder: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sonde.errors import RunError, UsageError


@dataclass(frozen=True)
class Exported:
    """What was written. `difference` is the largest one found, relative to the largest output; `checked` on how many examples, of what.

    `use`: the line with which it is tried.
    """

    folder: Path
    bytes: int
    difference: float
    checked: int
    examples: str
    use: str


@contextmanager
def written_whole(folder: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """A folder beside `folder` to write into, which takes its place in the end.

    Raises UsageError where `folder` holds something that is no earlier export (`is_ours`), and RunError where it cannot be written;
    nothing half written is left.
    """
    taken = folder.exists() or os.path.islink(folder)
    if taken and not (folder.is_dir() and (not any(folder.iterdir()) or is_ours(folder))):
        raise UsageError("this exists, and is no earlier export", where=str(folder), remedy="give another folder with --out")
    beside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        beside.mkdir(parents=True)
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        remedy = "make room, or give another folder with --out"
        raise RunError(f"the export cannot be written: {error.strerror or error}", where=str(folder), remedy=remedy) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes of all its files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
