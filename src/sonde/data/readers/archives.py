"""Archives of class folders (tar, also compressed, and zip), read without unpacking them.

Members with absolute paths, `..` or links are refused, though nothing is ever written where a member's name says.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonde.data.fingerprint import of_files
from sonde.data.readers.cache import kept
from sonde.data.readers.pictures import decode
from sonde.errors import DataError, Problem

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
MEMORY = 512 * 2**20  # a compressed tar of up to so many bytes is held in memory, a larger one decompressed into the cache once
MEMBER = 2**30  # no member may be larger
_OPEN: weakref.WeakValueDictionary[tuple[str, int, int], Archive] = weakref.WeakValueDictionary()  # by path, size and time stamp, while in use
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip member: its mark, lengths of name and extra field


def is_archive(path: Path) -> bool:
    """Whether a file of this name is taken for an archive."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The archive's name without its suffix: `train` of `train.tar.gz`."""
    return next(path.name[: -len(suffix)] for suffix in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(suffix))


@dataclass(frozen=True)
class Archive:
    """An archive's files: member i, by name, is read from anywhere in it, by any thread or process, as none keeps it open."""

    path: Path
    members: Sequence[str]
    fetch: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.members)

    def source(self, index: int) -> bytes:
        """The bytes of member `index`."""
        return self.fetch(index)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        """Member `index` as a picture: uint8 (height, width, channels)."""
        return decode(self.source(index), self.name(index), at_least)

    def name(self, index: int) -> str:
        return f"{self.path.name}:{self.members[index]}"


def open_archive(path: Path) -> Archive:
    """The files in an archive. One that somebody still holds is not read again.

    Raises
    ------
    DataError
        A damaged or encrypted archive; members with absolute paths, `..`, links or devices.
    """
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    found = _OPEN.get(key)
    if found is None or found.path != path:
        found = _OPEN[key] = _opened(path)
    return found


def _opened(path: Path) -> Archive:
    try:
        if path.name.lower().endswith(".zip"):
            return _open_zip(path)
        with path.open("rb") as stream:
            head = stream.read(6)
        packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"))
        return _open_packed(path) if packed else _open_tar(path, path)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, struct.error) as error:
        found = f"the archive is damaged or cut short ({error})"
        raise DataError(Problem("error", str(path), found, "fetch or copy it again")) from None


def unsafe(name: str) -> str | None:
    """What is wrong with a member's name: an absolute path, or one that leads out of its folder. None: nothing."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "a path with .."
    return "a name with a null byte" if "\0" in name else None


def _refuse(path: Path, wrong: Sequence[tuple[str, str]]) -> None:
    if wrong:
        remedy = "unpack it yourself where it can do no harm, look at it, and pack it again without such members"
        raise DataError([Problem("error", f"{path}: member {name!r}", f"the archive holds {what}, which is refused", remedy) for name, what in wrong])


def _wrong_with(member: tarfile.TarInfo) -> str | None:
    if member.issym() or member.islnk():
        return f"a link (to {member.linkname!r})"
    if not (member.isfile() or member.isdir()):
        return "a device or pipe"
    return f"a file of {member.size:,} bytes" if member.size > MEMBER else unsafe(member.name)


def _open_tar(path: Path, plain: Path) -> Archive:
    """`plain` is the tar file itself: `path`, or its decompressed copy."""
    with tarfile.open(plain, "r:") as tar:
        files = _files(path, tar, plain.stat().st_size)
    return Archive(path, _names(files), _Slices(plain, [(member.offset_data, member.size) for member in files]))


def _open_packed(path: Path) -> Archive:
    """A compressed tar can only be read from the front, so it is decompressed: into memory, or once into the cache."""
    with _unpacking(path) as stream:
        data = stream.read(MEMORY + 1)
    if len(data) > MEMORY:
        return _open_tar(path, kept(f"archives/{of_files([path])}.tar", lambda to: _decompress(path, to)))
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        files = _files(path, tar, len(data))
    return Archive(path, _names(files), _Held(data, [(member.offset_data, member.size) for member in files]))


def _unpacking(path: Path) -> io.BufferedIOBase:
    """The bytes in a compressed file, by what it begins with."""
    with path.open("rb") as stream:
        head = stream.read(3)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    return bz2.open(path) if head == b"BZh" else lzma.open(path)


def _decompress(path: Path, to: Path) -> None:
    with _unpacking(path) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)


def _names(files: Sequence[tarfile.TarInfo]) -> list[str]:
    return [member.name.removeprefix("./") for member in files]


def _files(path: Path, tar: tarfile.TarFile, size: int) -> list[tarfile.TarInfo]:
    """The files in a tar of `size` bytes. `tarfile` takes one that is cut off for whole, so its end is looked for."""
    wrong: list[tuple[str, str]] = []
    files: list[tarfile.TarInfo] = []
    for member in tar:
        what = _wrong_with(member)
        if what:
            wrong.append((member.name, what))
        elif member.isfile():
            files.append(member)
    _refuse(path, wrong)
    if tar.fileobj is None or tar.fileobj.tell() < tar.offset + tarfile.BLOCKSIZE or (files and files[-1].offset_data + files[-1].size > size):
        raise tarfile.ReadError("its end is missing")
    return files


@dataclass(frozen=True)
class _Slices:
    """Pieces of a file, each read through a descriptor of its own."""

    path: Path
    places: Sequence[tuple[int, int]]

    def __call__(self, index: int) -> bytes:
        offset, size = self.places[index]
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)


@dataclass(frozen=True)
class _Held:
    """Pieces of one buffer in memory."""

    buffer: bytes
    places: Sequence[tuple[int, int]]

    def __call__(self, index: int) -> bytes:
        offset, size = self.places[index]
        return self.buffer[offset : offset + size]


def _open_zip(path: Path) -> Archive:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    wrong = []
    for member in members:
        what = unsafe(member.orig_filename)
        if stat.S_ISLNK(member.external_attr >> 16):
            what = "a link"
        elif member.flag_bits & 1:
            what = "an encrypted file"
        elif member.file_size > MEMBER:
            what = f"a file of {member.file_size:,} bytes"
        if what:
            wrong.append((member.orig_filename, what))
    _refuse(path, wrong)
    files = [member for member in members if not member.is_dir()]
    return Archive(path, [member.filename for member in files], _Zipped(path, files))


@dataclass(frozen=True)
class _Zipped:
    """Members of a zip file. `zipfile` shares one open file among readers; this opens its own, so that threads and processes may too."""

    path: Path
    members: Sequence[zipfile.ZipInfo]

    def __call__(self, index: int) -> bytes:
        member = self.members[index]
        where = f"{self.path.name}:{member.filename}"
        with self.path.open("rb") as stream:
            stream.seek(member.header_offset)
            mark, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
            stream.seek(name + extra, 1)
            packed = stream.read(member.compress_size)
        if mark != b"PK\3\4":
            raise DataError(Problem("error", where, "the archive is damaged: no member begins where its list says", "fetch or copy the archive again"))
        if member.compress_type == zipfile.ZIP_STORED:
            data = packed
        elif member.compress_type == zipfile.ZIP_DEFLATED:
            try:
                data = zlib.decompressobj(-15).decompress(packed, member.file_size + 1)  # no more than it claims to hold
            except zlib.error as error:
                raise DataError(Problem("error", where, f"the archive is damaged ({error})", "fetch or copy the archive again")) from None
        else:
            found = f"compression method {member.compress_type} is not read"
            raise DataError(Problem("error", where, found, "pack the archive again with the usual method (deflate)"))
        if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
            raise DataError(Problem("error", where, "the archive is damaged: size or checksum differ", "fetch or copy the archive again"))
        return data
