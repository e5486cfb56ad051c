"""IDX, the format of MNIST: a big-endian header (0, 0, type, axes, one uint32 length an axis), then the values.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.class_folders import PART_NAMES, PARTS, check_classes
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.pictures import ArrayPictures
from sonde.errors import DataError, Problem

# Type byte → NumPy type.
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"^(?P<set>.*?)[-_.]?(?P<what>images|labels)[-_.]idx\d+[-_.]ubyte(\.gz)?$", re.IGNORECASE)
_REMEDY = "fetch the file again; IDX files begin with bytes 00 00, a type and the number of axes"


def is_idx(path: Path) -> bool:
    """Whether a file is named as IDX files are: `train-images-idx3-ubyte`, gzipped or not."""
    return _NAME.match(path.name) is not None


def read_idx(path: Path) -> np.ndarray:
    """The array in one IDX file, gzipped or not.

    Raises
    ------
    DataError
        A wrong magic number, a header or body cut short (with the offset), or bytes after the end.
    """
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(Problem("error", str(path), f"the gzip file is damaged or cut short ({error})", "fetch it again")) from None
    if not raw:
        raise DataError(Problem("error", str(path), "the file is empty (0 bytes)", "fetch it again"))
    return parse_idx(raw, where=str(path))


def parse_idx(raw: bytes, *, where: str) -> np.ndarray:
    """The array that the bytes of an IDX file hold."""
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in TYPES or raw[3] == 0:
        magic = int.from_bytes(raw[:4], "big")
        found = f"the magic number is {magic} ({raw[:4].hex(' ')}), where 2051 (pictures) or 2049 (labels) is expected"
        raise DataError(Problem("error", f"{where}, offset 0", found, _REMEDY))
    dtype, axes = np.dtype(TYPES[raw[2]]), raw[3]
    start = 4 + 4 * axes
    if len(raw) < start:
        raise DataError(Problem("error", f"{where}, offset {len(raw)}", f"the header ends here; with {axes} axes it has {start} bytes", _REMEDY))
    shape = tuple(int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    size = int(np.prod([1, *shape], dtype=object)) * dtype.itemsize
    if len(raw) != start + size:
        found = f"the body has {len(raw) - start:,} bytes, where its header ({' × '.join(map(str, shape))}) asks for {size:,}"
        wrong = "cut short" if len(raw) < start + size else "too long"
        raise DataError(Problem("error", f"{where}, offset {min(len(raw), start + size)}", found, f"fetch the file again: it is {wrong}"))
    return np.frombuffer(raw, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_idx_folder(files: Sequence[Path], *, on_error: OnError = "stop") -> Content:
    """The parts that IDX files make: pictures and labels belong together by their names' beginnings (train, t10k).

    One file of pictures alone is opened with the labels beside it, where there are any.

    Raises
    ------
    DataError
        As `read_idx`; also pictures and labels of different numbers, or labels without pictures.
    """
    pairs: dict[str, dict[str, Path]] = {}
    for file in sorted(files):
        match = _NAME.match(file.name)
        if match:
            pairs.setdefault(match["set"], {})[match["what"].lower()] = file
    for pair in pairs.values():
        if "images" not in pair:
            missing = pair["labels"].name.replace("labels", "images").replace("idx1", "idx3")
            raise DataError(Problem("error", str(pair["labels"]), f"there are labels but no pictures ({missing})", f"put {missing} beside it"))
    parts: dict[Part, Examples] = {}
    for name, pair in pairs.items():
        part: Part = "all" if len(pairs) == 1 else _part(name, pair["images"])
        parts[part] = _part_examples(pair["images"], pair.get("labels"), part)
    parts = {part: parts[part] for part in PARTS if part in parts}
    if len(parts) > 1 and "train" not in parts:
        raise DataError(Problem("error", str(files[0].parent), "no pair of IDX files is named train", "name it train-images-idx3-ubyte"))
    folder = files[0].parent
    labelled = all("label" in examples.frame.columns for examples in parts.values())
    problems: list[Problem] = []
    if labelled:
        parts, problems = check_classes(parts, where=str(folder), on_error=on_error)
    total = sum(len(examples) for examples in parts.values())
    used = [file for pair in pairs.values() for file in pair.values()]
    return Content(
        kind="images",
        origin=str(folder),
        name=folder.resolve().name,
        reason=f"IDX files with {total:,} pictures" + ("" if "all" in parts else f" in {', '.join(parts)}"),
        parts=parts,
        fingerprint=of_files(used),
        target="label" if labelled else None,
        files=tuple(used),
        problems=tuple(problems),
    )


def beside(path: Path) -> list[Path]:
    """A file of pictures and the labels that belong to it."""
    match = _NAME.match(path.name)
    assert match
    others = [file for file in sorted(path.parent.iterdir()) if (other := _NAME.match(file.name)) and other["set"] == match["set"]]
    return others or [path]


def _part(name: str, path: Path) -> Part:
    for piece in re.split(r"[-_.]", name.lower()):
        if piece == "t10k":
            return "test"
        if piece in PART_NAMES:
            return PART_NAMES[piece]
    raise DataError(Problem("error", str(path), "it cannot be told which part this is", "name it train-…, validation-… or test-…"))


def _part_examples(images: Path, labels: Path | None, part: Part) -> Examples:
    pixels = read_idx(images)
    if pixels.ndim not in (3, 4) or pixels.dtype != np.uint8:
        found = f"it holds {pixels.dtype} values on {pixels.ndim} axes, where pictures are uint8 on 3 (number, height, width)"
        raise DataError(Problem("error", str(images), found, "give a file of pictures (magic number 2051)"))
    store = ArrayPictures(pixels if pixels.ndim == 4 else pixels[..., None], part if part != "all" else images.parent.resolve().name)
    columns = {"image": store.names()}
    if labels is not None:
        classes = read_idx(labels)
        if classes.ndim != 1 or classes.dtype.kind not in "iu":
            raise DataError(Problem("error", str(labels), f"it holds {classes.dtype} values on {classes.ndim} axes, where labels stand on one", _REMEDY))
        if len(classes) != len(pixels):
            found = f"{len(classes):,} labels for {len(pixels):,} pictures ({images.name})"
            raise DataError(Problem("error", str(labels), found, "fetch both files again; they belong together"))
        columns["label"] = [str(label) for label in classes]
    return Examples(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), store)
