"""Opening pictures: their size, how they are stored, and a hash by which copies are known.

A deep check decodes every picture with a few threads (Pillow decodes outside the interpreter's lock). When training
starts nothing is decoded here, as the pass that prepares the pictures does that; copies are then known by their bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from PIL import Image

from sonde.data.contents import Chosen, Part, Pictures
from sonde.data.readers.pictures import ArrayPictures, Stored
from sonde.errors import DataError, Problem

Item = TypeVar("Item")
Found = TypeVar("Found")

READ = 10_000  # encoded pictures whose bytes are compared when training starts
BLOCK = 4096  # pictures in memory that are hashed at a time
HEADERS = 200  # pictures whose size and mode are looked up when none is decoded
ORIENTATION = 0x0112  # the EXIF entry that says how the camera was held


@dataclass(frozen=True)
class Look:
    """One decoded picture: width and height, Pillow's mode as it is stored, whether EXIF turns it, whether it has one colour."""

    size: tuple[int, int] | None = None
    mode: str = ""
    turned: bool = False
    blank: bool = False
    problem: Problem | None = None


@dataclass(frozen=True)
class Looked:
    """What was seen of each part's pictures: a Look each where they were decoded, and uint64 hashes, 0 where not compared.

    `compared` is False where there were too many encoded pictures to look for copies without decoding them.
    """

    looks: Mapping[Part, Sequence[Look]] = field(default_factory=dict)
    keys: Mapping[Part, np.ndarray] = field(default_factory=dict)
    compared: bool = True


def look(stores: Mapping[Part, Pictures], *, deep: bool) -> Looked:
    """Open the pictures of each part, or only hash what can be compared without decoding."""
    if not deep:
        return _keys_of_bytes(stores)
    looks: dict[Part, Sequence[Look]] = {}
    keys: dict[Part, np.ndarray] = {}
    for part, pictures in stores.items():
        store, index = resolve(pictures)
        if isinstance(store, ArrayPictures):
            looks[part], keys[part] = _in_memory(store.array, index), array_keys(store.array, index)
            continue
        opened = threaded(lambda row, held=pictures: _open(held, row), range(len(pictures)))  # type: ignore[misc]
        looks[part] = [seen for seen, _ in opened]
        keys[part] = np.array([key for _, key in opened], dtype=np.uint64)
    return Looked(looks, keys)


def resolve(pictures: Pictures) -> tuple[Pictures, np.ndarray]:
    """The store that holds the pictures in the end, and each one's number there."""
    store, index = pictures, np.arange(len(pictures))
    while isinstance(store, Chosen):
        index = np.asarray(store.index)[index]
        store = store.pictures
    return store, index


def sampled(pictures: Pictures) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    """Sizes and modes of the pictures, from the headers of some where each may have its own."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    store, index = resolve(pictures)
    if isinstance(store, ArrayPictures) and len(index):
        _, height, width, channels = store.array.shape
        return Counter({(width, height): len(index)}), Counter({"L" if channels == 1 else "RGB": len(index)})
    if isinstance(store, Stored) and len(index):
        for row in np.unique(np.linspace(0, len(index) - 1, min(HEADERS, len(index))).astype(np.int64)):
            header = _header(store, int(index[row]))
            if header is not None:
                sizes[header[0]] += 1
                modes[header[1]] += 1
    return sizes, modes


def array_keys(array: np.ndarray, index: np.ndarray) -> np.ndarray:
    """A hash of each chosen picture, taken in blocks so that little is copied at a time: uint64 (picture,)."""
    keys = np.empty(len(index), dtype=np.uint64)
    for start in range(0, len(index), BLOCK):
        block = np.ascontiguousarray(array[index[start : start + BLOCK]]).reshape(len(index[start : start + BLOCK]), -1)
        keys[start : start + BLOCK] = pl.Series([picture.tobytes() for picture in block], dtype=pl.Binary).hash(seed=0).to_numpy()
    return keys | np.uint64(1)  # never 0, which stands for "not compared"


def _in_memory(array: np.ndarray, index: np.ndarray) -> list[Look]:
    _, height, width, channels = array.shape
    looks: list[Look] = []
    mode = "L" if channels == 1 else "RGB"
    plain, blank = Look((width, height), mode), Look((width, height), mode, blank=True)
    for start in range(0, len(index), BLOCK):
        block = array[index[start : start + BLOCK]].reshape(-1, height * width, channels)
        looks += [blank if single else plain for single in (block == block[:, :1]).all(axis=(1, 2))]
    return looks


def _open(pictures: Pictures, row: int) -> tuple[Look, int]:
    """Decode one picture."""
    try:
        pixels = pictures.read(row)
    except DataError as error:
        return Look(problem=replace(error.problems[0], example=row)), 0
    height, width, channels = pixels.shape
    store, place = _one(pictures, row)
    header = _header(store, place) if isinstance(store, Stored) else None
    mode, turned = ("L" if channels == 1 else "RGB", False) if header is None else header[1:]
    flat = pixels.reshape(-1, channels)
    return Look((width, height), mode, turned, blank=bool((flat == flat[0]).all())), _hash(
        np.ascontiguousarray(pixels).data, f"{height} {width} {channels}"
    )


def _one(pictures: Pictures, row: int) -> tuple[Pictures, int]:
    """The store that holds one picture, and its number there."""
    store: Pictures = pictures
    while isinstance(store, Chosen):
        row = int(store.index[row])
        store = store.pictures
    return store, row


def _header(store: Stored, place: int) -> tuple[tuple[int, int], str, bool] | None:
    """Size and mode as stored, and whether the EXIF entry turns the picture; None where the header cannot be read."""
    try:
        source = store.source(place)
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            return image.size, image.mode, image.getexif().get(ORIENTATION, 1) not in (0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # said where the picture is decoded
        return None


def _hash(content: bytes | memoryview, kind: str = "") -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, person=kind.encode()[:16]).digest(), "little") | 1


def _keys_of_bytes(stores: Mapping[Part, Pictures]) -> Looked:
    """Hashes of pictures in memory, of members of archives, and of files that have the size of another file."""
    keys = {part: np.zeros(len(pictures), dtype=np.uint64) for part, pictures in stores.items()}
    by_size: dict[int, list[tuple[Part, int, Path]]] = defaultdict(list)
    many = sum(map(len, keys.values())) > READ
    skipped = False
    for part, pictures in stores.items():
        store, index = resolve(pictures)
        if isinstance(store, ArrayPictures):
            keys[part] = array_keys(store.array, index)
        elif many:
            skipped = True
        elif isinstance(store, Stored):
            for row, place in enumerate(index):
                source = store.source(int(place))
                if isinstance(source, bytes):
                    keys[part][row] = _hash(source)
                else:
                    by_size[_size(source)].append((part, row, source))
    same = [entry for size, entries in by_size.items() if size and len(entries) > 1 for entry in entries]
    for (part, row, _), key in zip(same, threaded(lambda entry: _key(entry[2]), same), strict=True):
        keys[part][row] = key
    return Looked({}, keys, compared=not skipped)


def threaded(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """`function` of each item, several at a time."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, items))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _key(path: Path) -> int:
    try:
        return _hash(path.read_bytes())
    except OSError:
        return 0
