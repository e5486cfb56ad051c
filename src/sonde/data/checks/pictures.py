"""What can be wrong with pictures: files that cannot be decoded, copies, odd sizes and colours.

A deep check opens every picture with a few threads (Pillow decodes outside the interpreter's lock). When training
starts, nothing is decoded here, as the pass that prepares the pictures does it: only copies are looked for, by bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from PIL import Image

from sonde.data.checks.subject import Level, Rows, Subject, count, verb
from sonde.data.contents import Chosen, Pictures
from sonde.data.readers.pictures import ArrayPictures
from sonde.errors import DataError, Problem

SHOWN = 5
TINY, TINY_SHARE = 16, 0.25  # pixels of the shorter side, and share of the usual one
SIZE_RATIO = 4.0  # of the largest to the smallest longer side
ASPECT = 4.0  # of the longer to the shorter side
FILES_READ = 10_000  # files of equal size whose bytes are compared when training starts
NOTEWORTHY = 0.01  # share of copies from which they are a warning, else a note
ORIENTATION = 0x0112  # the EXIF entry


@runtime_checkable
class Encoded(Protocol):
    """Pictures that are kept as encoded bytes."""

    def source(self, index: int) -> Path | bytes:
        """The encoded picture, or the file that holds it."""
        ...


@dataclass(frozen=True)
class Look:
    """One picture: width, height, Pillow's mode as stored, whether EXIF turns it, one colour only, a hash of its pixels."""

    size: tuple[int, int] | None = None
    mode: str = ""
    turned: bool = False
    blank: bool = False
    key: bytes | int | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class Looked:
    """All pictures that were looked at, part by part, in the order of the rows."""

    looks: dict[str, list[Look]] = field(default_factory=dict)

    def all(self) -> list[Look]:
        """Every look."""
        return [look for looks in self.looks.values() for look in looks]


def look(subject: Subject) -> Looked:
    """Open every picture of a deep check; else only hash what can be compared without decoding."""
    found: dict[str, list[Look]] = {}
    for rows in subject.sources:
        if rows.examples.pictures is not None:
            found[rows.part] = _open_all(rows.examples.pictures) if subject.deep else []
    if not subject.deep:
        found = _keys_without_decoding(
            {rows.part: rows.examples.pictures for rows in subject.sources if rows.examples.pictures is not None}
        )
    return Looked(found)


def check(subject: Subject, looked: Looked) -> list[Problem]:
    """All problems of pictures, those that cannot be decoded first."""
    problems: list[Problem] = []
    for rows in subject.sources:
        looks = looked.looks.get(rows.part, [])
        problems += unreadable(subject, looks)
        problems += odd_sizes(subject, rows, looks) + blank(subject, rows, looks) + colours(subject, rows, looks)
    return problems + copies(subject, looked)


def resolve(pictures: Pictures, index: int) -> tuple[Pictures, int]:
    """The store that holds a picture, and its number there."""
    store: Pictures = pictures
    while isinstance(store, Chosen):
        index = int(store.index[index])
        store = store.pictures
    return store, index


def _open_all(pictures: Pictures) -> list[Look]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda index: _open(pictures, index), range(len(pictures))))


def _open(pictures: Pictures, index: int) -> Look:
    """Decode one picture."""
    try:
        pixels = pictures.read(index)
    except DataError as error:
        return Look(problem=replace(error.problems[0], example=index))
    height, width, channels = pixels.shape
    mode, turned = _header(pictures, index, "L" if channels == 1 else "RGB")
    key = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=12, key=f"{height}x{width}x{channels}".encode()).digest()
    flat = pixels.reshape(-1, channels)
    return Look((width, height), mode, turned, blank=bool((flat == flat[0]).all()), key=key)


def _header(pictures: Pictures, index: int, mode: str) -> tuple[str, bool]:
    """The mode as stored and whether the EXIF entry turns the picture."""
    store, place = resolve(pictures, index)
    if not isinstance(store, Encoded):
        return mode, False
    source = store.source(place)
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            return image.mode, image.getexif().get(ORIENTATION, 1) not in (0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # decoded a moment ago, so only the entry is damaged
        return mode, False


def unreadable(subject: Subject, looks: Sequence[Look]) -> list[Problem]:
    """Pictures that cannot be decoded, unless the reader named them already."""
    problems = [look.problem for look in looks if look.problem is not None]
    problems = [problem for problem in problems if not subject.told(problem.where)]
    skipped = subject.data.on_error == "skip"
    return [replace(problem, level="warning", found=f"{problem.found}; left out") if skipped else problem for problem in problems]


def odd_sizes(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Tiny pictures, very long ones, and sizes far apart."""
    sized = [(row, look.size) for row, look in enumerate(looks) if look.size is not None]
    if not sized:
        return []
    number = np.array([row for row, _ in sized])
    sides = np.array([size for _, size in sized], dtype=np.float64)
    short, long = sides.min(axis=1), sides.max(axis=1)
    where, problems = subject.where(rows), []
    usual = float(np.median(short))
    tiny = number[(short < TINY) & (short < TINY_SHARE * usual)]
    if len(tiny):
        said = f"{count(len(tiny), 'picture')} under {TINY} pixels where the others have about {usual:.0f}: {subject.places(rows, tiny)}"
        problems.append(Problem("warning", where, said, "look whether they show anything; remove thumbnails and icons"))
    stretched = number[long > ASPECT * short]
    if len(stretched):
        said = f"{count(len(stretched), 'picture')} more than {ASPECT:.0f} times as long as wide: {subject.places(rows, stretched)}"
        problems.append(Problem("note", where, said, "crop them: brought to a square, they lose most of what they show"))
    if long.max() > SIZE_RATIO * long.min():
        small, large = (sized[int(place)][1] for place in (long.argmin(), long.argmax()))
        said = f"sizes from {small[0]}×{small[1]} to {large[0]}×{large[1]} pixels (median {np.median(sides[:, 0]):.0f}×{np.median(sides[:, 1]):.0f})"
        problems.append(Problem("note", where, said, "nothing to do: all are brought to one size (--size)"))
    return problems


def blank(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Pictures of a single colour."""
    empty = np.array([row for row, look in enumerate(looks) if look.blank and look.size != (1, 1)], dtype=np.int64)
    if not len(empty):
        return []
    said = f"{count(len(empty), 'picture')} of one colour all over: {subject.places(rows, empty)}"
    return [Problem("warning", subject.where(rows), said, "look at them, and remove them if they show nothing")]


def colours(subject: Subject, rows: Rows, looks: Sequence[Look]) -> list[Problem]:
    """Pictures stored in a way that is converted, and pictures that an EXIF entry turns."""
    problems = []
    modes = Counter(look.mode for look in looks if look.size is not None)
    words = {
        "L": "grey",
        "1": "black and white",
        "P": "with a palette",
        "CMYK": "CMYK",
        "LA": "grey with transparency",
        "RGBA": "with transparency",
    }
    if len(modes) > 1:
        said = "pictures are stored in different ways: " + ", ".join(
            f"{number:,} {words.get(mode, mode)}" for mode, number in modes.most_common()
        )
        odd = np.array([row for row, look in enumerate(looks) if look.size is not None and look.mode != modes.most_common(1)[0][0]])
        remedy = "nothing to do: all become RGB (transparent parts white), or grey where all are"
        problems.append(Problem("note", subject.where(rows), f"{said}; not like most: {subject.places(rows, odd)}", remedy))
    turned = np.array([row for row, look in enumerate(looks) if look.turned], dtype=np.int64)
    if len(turned):
        said = f"{count(len(turned), 'picture')} lying on the side by the camera's note (EXIF): {subject.places(rows, turned)}"
        problems.append(Problem("note", subject.where(rows), said, "nothing to do: they are put upright"))
    return problems


def copies(subject: Subject, looked: Looked) -> list[Problem]:
    """The same picture more than once: within a class, under two classes, in two parts."""
    where_from: dict[bytes | int, list[tuple[Rows, int]]] = defaultdict(list)
    for rows in subject.parts.values():
        looks = looked.looks.get(_source(subject, rows), [])
        for row in range(len(rows)) if looks else ():
            key = looks[rows.number(row)].key
            if key is not None:
                where_from[key].append((rows, row))
    groups = [places for places in where_from.values() if len(places) > 1]
    if not groups:
        return []
    two_classes = [group for group in groups if len({_label(subject, rows, row) for rows, row in group} - {None}) > 1]
    problems = []
    if two_classes:
        number = len(two_classes)
        said = f"{count(number, 'picture')} {verb(number, 'stands', 'stand')} under more than one class: {_named(subject, two_classes)}"
        problems.append(Problem("warning", subject.where(), said, "keep it under the right class and delete the other copy"))
    problems += _across_parts(subject, groups)
    inside = [group for group in groups if group not in two_classes and len({rows.part for rows, _ in group}) == 1]
    if inside:
        extra = sum(len(group) - 1 for group in inside)
        level: Level = "warning" if extra >= NOTEWORTHY * sum(len(rows) for rows in subject.parts.values()) else "note"
        said = f"{count(extra, 'picture')} {'is a copy' if extra == 1 else 'are copies'} of another one of its class: {_named(subject, inside)}"
        problems.append(Problem(level, subject.where(), said, "delete the copies"))
    return problems


def _across_parts(subject: Subject, groups: Sequence[Sequence[tuple[Rows, int]]]) -> list[Problem]:
    problems = []
    for part, held in subject.held_out.items():
        shared = [
            group for group in groups if any(rows.part == part for rows, _ in group) and any(rows is subject.train for rows, _ in group)
        ]
        if not shared:
            continue
        number = sum(1 for group in shared for rows, _ in group if rows.part == part)
        said = f"{count(number, 'picture')} of {len(held):,} in the {part} part {verb(number, 'stands', 'stand')} in the training part too"
        said += f": {_named(subject, shared)}"
        level: Level = "warning" if number >= NOTEWORTHY * len(held) else "note"
        problems.append(Problem(level, subject.where(held), said, "delete the copies from one of the two: results on them are too good"))
    return problems


def _named(subject: Subject, groups: Sequence[Sequence[tuple[Rows, int]]], limit: int = 3) -> str:
    shown = [" = ".join(subject.place(rows, row) for rows, row in group[:3]) for group in groups[:limit]]
    return "; ".join(shown) + (f"; and {len(groups) - limit:,} more" if len(groups) > limit else "")


def _source(subject: Subject, rows: Rows) -> str:
    """The part of the files that rows were drawn from."""
    for part, examples in subject.content.parts.items():
        if examples is rows.examples:
            return part
    return rows.part


def _label(subject: Subject, rows: Rows, row: int) -> str | None:
    name = subject.targets[0] if subject.targets else "label"
    frame = rows.examples.frame
    return str(frame[name][rows.number(row)]) if name in frame.columns else None


def _keys_without_decoding(stores: dict[str, Pictures]) -> dict[str, list[Look]]:
    """Hashes of pictures in memory, and of the bytes of files that have the size of another file."""
    keys: dict[str, list[bytes | int | None]] = {part: [None] * len(pictures) for part, pictures in stores.items()}
    by_size: dict[int, list[tuple[str, int, Path]]] = defaultdict(list)
    for part, pictures in stores.items():
        store = resolve(pictures, 0)[0] if len(pictures) else pictures
        if isinstance(store, ArrayPictures):
            index = np.array([resolve(pictures, row)[1] for row in range(len(pictures))], dtype=np.int64)
            keys[part] = list(array_keys(store.array, index))
        elif isinstance(store, Encoded):
            for row in range(len(pictures)):
                held, place = resolve(pictures, row)
                source = held.source(place) if isinstance(held, Encoded) else None
                if isinstance(source, Path) and (size := _size(source)):
                    by_size[size].append((part, row, source))
    same = [entry for entries in by_size.values() if len(entries) > 1 for entry in entries]
    if len(same) <= FILES_READ:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for (part, row, _), key in zip(same, pool.map(lambda entry: _file_key(entry[2]), same), strict=True):
                keys[part][row] = key
    return {part: [Look(key=key) for key in found] for part, found in keys.items()}


def array_keys(array: np.ndarray, index: np.ndarray) -> list[int]:
    """A 64-bit hash of each chosen picture, taken in blocks so that little is copied at a time."""
    found: list[int] = []
    for start in range(0, len(index), 4096):
        block = array[index[start : start + 4096]]
        found += pl.Series([picture.tobytes() for picture in block], dtype=pl.Binary).hash(seed=0).to_list()
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _file_key(path: Path) -> bytes | None:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=12).digest()
    except OSError:
        return None


def figures(subject: Subject, looked: Looked) -> dict[str, Any]:
    """Number, sizes and modes of the pictures for data.json; sizes and modes where they were opened."""
    looks = [look for look in looked.all() if look.size is not None]
    sizes = Counter(look.size for look in looks if look.size is not None)
    total = sum(len(rows.examples) for rows in subject.sources)
    if not looks:
        sizes, modes = _sampled(subject)
    else:
        modes = Counter(look.mode for look in looks)
    listed = [[width, height, number] for (width, height), number in sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))]
    return {"count": total, "sizes": listed, "modes": dict(modes.most_common()), "thumbnails": []}


def _sampled(subject: Subject, limit: int = 200) -> tuple[Counter[tuple[int, int]], Counter[str]]:
    """Sizes and modes of some pictures, from headers alone."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    pictures = subject.content.examples.pictures
    if pictures is None or not len(pictures):
        return sizes, modes
    for row in np.unique(np.linspace(0, len(pictures) - 1, min(limit, len(pictures))).astype(np.int64)):
        store, place = resolve(pictures, int(row))
        if isinstance(store, ArrayPictures):
            _, height, width, channels = store.array.shape
            return Counter({(width, height): len(pictures)}), Counter({"L" if channels == 1 else "RGB": len(pictures)})
        if isinstance(store, Encoded):
            source = store.source(place)
            try:
                with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
                    sizes[image.size] += 1
                    modes[image.mode] += 1
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                continue  # said where it is decoded
    return sizes, modes
