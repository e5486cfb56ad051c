"""One archive of class folders, or several that are parts (train.tar.gz, test.tar.gz)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.archives import Archive, open_archive, stem
from sonde.data.readers.cifar import is_batch, is_test, read_batch
from sonde.data.readers.class_folders import Layout, lay_out, picture_parts, reason
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.pictures import ArrayPictures
from sonde.errors import DataError, Problem

_TABLES = (".csv", ".tsv", ".parquet", ".jsonl")


@dataclass(frozen=True)
class _Several:
    """The members of several archives, one after another."""

    archives: Sequence[Archive]
    starts: np.ndarray

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _find(self, index: int) -> tuple[Archive, int]:
        which = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.archives[which], index - int(self.starts[which])

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        archive, place = self._find(index)
        return archive.read(place, at_least)

    def name(self, index: int) -> str:
        archive, place = self._find(index)
        return archive.name(place)

    def source(self, index: int) -> bytes:
        archive, place = self._find(index)
        return archive.source(place)


def read_archive(path: Path, *, on_error: OnError = "stop") -> Content:
    """The pictures in one archive, labelled by class folders; CIFAR-10's own binary archive too.

    Raises
    ------
    DataError
        See `open_archive`; also when no picture is in it.
    """
    archive = open_archive(path)
    if any(is_batch(name) for name in archive.members):
        return _cifar(archive)
    tables = [name for name in archive.members if name.lower().endswith(_TABLES)]
    layout = lay_out(archive.members)
    if not layout.rows and tables:
        raise DataError(Problem("error", str(path), f"the archive holds tables ({', '.join(tables[:5])}), not pictures", "unpack it and give the folder"))
    return _content(layout, archive, [path], origin=str(path), name=stem(path), on_error=on_error)


def read_archives(paths: dict[Part, Path], *, folder: Path, on_error: OnError = "stop") -> Content:
    """Several archives, each one part of the data."""
    archives = [open_archive(path) for path in paths.values()]
    starts = np.cumsum([0, *(len(archive) for archive in archives)])
    layout = Layout()
    for part, archive, start in zip(paths, archives, starts, strict=False):
        inner = lay_out(archive.members)
        if set(inner.rows) - {"all"}:
            found = f"the archive holds parts of its own ({', '.join(inner.rows)}) beside other archives"
            raise DataError(Problem("error", str(archive.path), found, "give this archive by itself, or remove it from the folder"))
        layout.rows[part] = [(place + int(start), label) for place, label in inner.rows.get("all", [])]
        layout.outside += [(place + int(start), name) for place, name in inner.outside]
        layout.others += inner.others
    layout.rows = {part: rows for part, rows in layout.rows.items() if rows}
    return _content(layout, _Several(archives, starts), list(paths.values()), origin=str(folder), name=folder.resolve().name, on_error=on_error)


def _content(layout: Layout, store: Archive | _Several, files: list[Path], *, origin: str, name: str, on_error: OnError) -> Content:
    parts, problems, notes = picture_parts(layout, store, where=origin, on_error=on_error)
    return Content(
        kind="images",
        origin=origin,
        name=name,
        reason=f"{reason(parts)}, in {'an archive' if len(files) == 1 else f'{len(files)} archives'}",
        parts=parts,
        fingerprint=of_files(files),
        target="label" if layout.labelled else None,
        files=tuple(files),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _cifar(archive: Archive) -> Content:
    """CIFAR-10 as its publisher ships it."""
    images: dict[Part, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[Part, list[str]] = {"train": [], "test": []}
    for place in sorted(range(len(archive)), key=lambda place: archive.members[place]):
        if is_batch(archive.members[place]):
            part: Part = "test" if is_test(archive.members[place]) else "train"
            pixels, names = read_batch(archive.source(place), archive.name(place))
            images[part].append(pixels)
            labels[part] += names
    parts: dict[Part, Examples] = {}
    for part in images:
        if images[part]:
            store = ArrayPictures(np.concatenate(images[part]), f"{stem(archive.path)}/{part}")
            parts[part] = Examples(pl.DataFrame({"image": store.names(), "label": labels[part]}), store)
    if "train" not in parts:
        raise DataError(Problem("error", str(archive.path), "the archive lacks the training batches (data_batch_1.bin …)", "fetch it again"))
    total = sum(len(examples) for examples in parts.values())
    return Content(
        kind="images",
        origin=str(archive.path),
        name="cifar10",
        reason=f"CIFAR-10's binary batches with {total:,} pictures in {', '.join(parts)}",
        parts=parts,
        fingerprint=of_files([archive.path]),
        target="label",
        files=(archive.path,),
    )
