"""What identifies data: a SHA-256 over names, sizes and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

WHOLE = 64 * 2**20  # files of up to so many bytes in all are hashed whole
END = 64 * 2**10  # of larger ones, so much at either end
MANY = 10_000  # files beyond this number are known by name, size and time stamp alone


def of_files(files: Sequence[Path], root: Path | None = None) -> str:
    """The fingerprint of some files, the same wherever their folder `root` stands.

    Up to 64 MB in all every byte counts; above that the first and last 64 KB of each file, its size and its time stamp.
    """
    stats = [file.stat() for file in files]
    whole = sum(stat.st_size for stat in stats) <= WHOLE
    digest = hashlib.sha256()
    for file, stat in sorted(zip(files, stats, strict=True), key=lambda pair: str(pair[0])):
        name = file.relative_to(root).as_posix() if root is not None and file.is_relative_to(root) else file.name
        _update(digest, [name.encode("utf-8", "surrogateescape"), str(stat.st_size).encode()])
        if whole:
            digest.update(file.read_bytes())
            continue
        digest.update(str(stat.st_mtime_ns).encode())
        if len(files) <= MANY:
            digest.update(_ends(file, stat.st_size))
    return digest.hexdigest()


def of_arrays(arrays: dict[str, np.ndarray]) -> str:
    """The fingerprint of named arrays: names, types, shapes and bytes; 64 evenly spaced blocks of 1 MB of an array above 64 MB."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        _update(digest, [name.encode(), array.dtype.str.encode(), str(array.shape).encode()])
        if array.dtype.kind not in "biufcmM":
            _update(digest, (str(value).encode("utf-8", "surrogatepass") for value in array.ravel()))
            continue
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if flat.size <= WHOLE:
            digest.update(flat.data)
            continue
        for start in np.linspace(0, flat.size - 2**20, 64).astype(np.int64):
            digest.update(flat[start : start + 2**20].data)
    return digest.hexdigest()


def of_frame(frame: pl.DataFrame) -> str:
    """The fingerprint of a table in memory: names, types and values."""
    writer = _Hasher()
    writer.digest.update(repr([(name, str(dtype)) for name, dtype in frame.schema.items()]).encode())
    frame.write_csv(writer)  # type: ignore[call-overload]
    return writer.digest.hexdigest()


def joined(fingerprints: Iterable[str]) -> str:
    """One fingerprint for several."""
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()


class _Hasher:
    """A file that hashes what is written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes | str) -> int:
        self.digest.update(data.encode() if isinstance(data, str) else data)
        return len(data)

    def flush(self) -> None:
        pass


def _update(digest: hashlib._Hash, pieces: Iterable[bytes]) -> None:
    """Each piece behind its length, so that ("ab", "c") and ("a", "bc") differ."""
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)


def _ends(file: Path, size: int) -> bytes:
    with file.open("rb") as stream:
        head = stream.read(END)
        stream.seek(max(0, size - END))
        return head + stream.read(END)
