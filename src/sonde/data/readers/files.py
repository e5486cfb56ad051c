"""Files by name, wherever they stand: under a folder, in archives, or in archives that lie in a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from sonde.data.readers.archives import Archive, is_archive, open_archive
from sonde.data.readers.class_folders import files_under, ignored
from sonde.data.readers.pictures import decode, is_picture, upright_size
from sonde.errors import DataError, Problem

Found = TypeVar("Found")
THREADS = 8


class Files:
    """Files 0 … n−1, which are also a store of pictures for those that are such.

    `names` are paths with `/` as seen from `origin`; of what lies in an archive, as seen from the archive. `opened` are the
    files on disk that hold all of it.
    """

    def __init__(self, origin: Path, names: Sequence[str], places: Sequence[Path | tuple[Archive, int]], opened: Sequence[Path]) -> None:
        self.origin, self.names, self.places, self.opened = origin, names, places, tuple(opened)

    def __len__(self) -> int:
        return len(self.names)

    def source(self, index: int) -> Path | bytes:
        """The file, or the bytes of an archive's member."""
        place = self.places[index]
        return place if isinstance(place, Path) else place[0].source(place[1])

    def content(self, index: int) -> bytes:
        """What the file holds. Raises DataError where it cannot be read."""
        source = self.source(index)
        if isinstance(source, bytes):
            return source
        try:
            return source.read_bytes()
        except OSError as error:
            raise DataError(Problem("error", str(source), f"the file cannot be read: {error.strerror}", "check its permissions")) from None

    def head(self, index: int, size: int = 4096) -> bytes:
        """Its first bytes; none where it cannot be read."""
        source = self.source(index)
        if isinstance(source, bytes):
            return source[:size]
        try:
            with source.open("rb") as stream:
                return stream.read(size)
        except OSError:
            return b""

    def text(self, index: int) -> str:
        """Its text, UTF-8 with or without a mark. Raises DataError where it is something else."""
        try:
            return self.content(index).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            found = f"byte {error.start:,} is no UTF-8 text"
            raise DataError(Problem("error", self.name(index), found, "save the file as UTF-8")) from None

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """File `index` as a picture: uint8 (height, width, channels)."""
        return decode(self.source(index), self.name(index), at_least)

    def name(self, index: int) -> str:
        """What messages call it: its path, or archive and member."""
        place = self.places[index]
        return str(place) if isinstance(place, Path) else place[0].name(place[1])

    def ending(self, *suffixes: str) -> list[int]:
        """The files with one of these suffixes, hidden ones aside, by name."""
        return self._sorted(i for i, name in enumerate(self.names) if name.lower().endswith(suffixes) and not ignored(name))

    @cached_property
    def pictures(self) -> list[int]:
        """The files that are taken for pictures, by name."""
        return self._sorted(i for i, name in enumerate(self.names) if is_picture(name) and not ignored(name))

    def _sorted(self, index: Iterable[int]) -> list[int]:
        return sorted(index, key=lambda i: self.names[i])

    def find(self, name: str, *, near: str = "", stem: bool = False) -> int | None:
        """The file that an annotation calls `name`; None where there is none. With `stem` the picture of that name, whatever its suffix.

        The path need not be whole: of the files of that name the one wins whose folders agree most with the folders that `name`
        gives, then the one that stands nearest to the folder `near`.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        candidates = self._by_stem.get(path.name, []) if stem else self._by_name.get(path.name, [])
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        wanted, beside = [piece for piece in path.parts[:-1] if piece not in ("/", ".", "..")][::-1], PurePosixPath(near).parts

        def agreement(index: int) -> tuple[int, int]:
            folders = PurePosixPath(self.names[index]).parts[:-1]
            return _shared(folders[::-1], wanted), _shared(folders, beside)

        return max(candidates, key=agreement)

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(self.names):
            if not ignored(name):
                found[name.rsplit("/", 1)[-1]].append(index)
        return dict(found)

    @cached_property
    def _by_stem(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for index in self.pictures:
            found[PurePosixPath(self.names[index]).stem].append(index)
        return dict(found)

    def each(self, function: Callable[[int], Found], index: Sequence[int]) -> list[Found]:
        """`function` of some of the files, several at a time."""
        with ThreadPoolExecutor(min(THREADS, max(1, len(index) // 16))) as pool:
            return list(pool.map(function, index))

    def sizes(self, index: Sequence[int]) -> np.ndarray:
        """(width, height) of some pictures as they are seen upright, int64 (picture, 2), from their headers; 0 where none can be read."""
        return np.array(self.each(lambda i: upright_size(self.source(i)), index), dtype=np.int64).reshape(-1, 2)


def files_at(path: Path) -> Files:
    """All files under a folder, those in its archives among them, or in one archive. Raises DataError as `open_archive` does."""
    if not path.is_dir():
        archive = open_archive(path)
        return Files(path, list(archive.members), [(archive, place) for place in range(len(archive))], [path])
    names: list[str] = []
    places: list[Path | tuple[Archive, int]] = []
    opened = files_under(path)
    for file in opened:
        here = file.relative_to(path).as_posix()
        inner = _archive(file) if is_archive(file) else None
        if inner is not None:
            folder = here.rpartition("/")[0]
            names += [f"{folder}/{member}" if folder else member for member in inner.members]
            places += [(inner, place) for place in range(len(inner))]
        else:
            names.append(here)
            places.append(file)
    return Files(path, names, places, opened)


def _archive(file: Path) -> Archive | None:
    """An archive among other files; None where it cannot be opened, which is said by whoever needs it."""
    try:
        return open_archive(file)
    except DataError:
        return None


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first entries two sequences share."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
