"""All rows of a part as tensors: in memory, or as memory-mapped columns that processes on one machine share.

The pass that builds them is also the check of every example. A cache is a folder named by the data's fingerprint and
the encoding; it is written beside its place and renamed when whole, so a folder that is there is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sonde.data.contents import Chosen, Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.fit import Fitted
from sonde.data.prepare.images import ImagePreparation
from sonde.data.prepare.neighbourhood import Neighbourhood
from sonde.data.prepare.passages import Passages
from sonde.data.prepare.questions import Windows
from sonde.data.prepare.scenes import ScenePreparation
from sonde.data.prepare.series import SeriesPreparation
from sonde.data.prepare.target import Target
from sonde.data.prepare.text import TextPreparation
from sonde.errors import DataError, Problem

FORMAT = 1
MEMORY = 512 * 2**20  # bytes of inputs and targets above which they are mapped from files
CHUNK = 64 * 2**20  # bytes that are encoded at a time
KEPT = 20 * 2**30  # bytes of columns in a cache; beyond, those not used for longest are removed
ABANDONED = 86_400.0  # seconds after which a build that did not end is taken for dead
SLOW = 2.0  # seconds of building after which small columns are kept as well


Scene = Literal["boxes", "masks"]


@dataclass(frozen=True)
class Columns:
    """Tensors with one row an example, in file order.

    `inputs` as the model reads them (data/batch.py), category codes as int32. `targets` int64 (row,) or float32
    (row, output), or None. `valid` bool (row,): which examples can be used (a picture that cannot be read, a window that
    is not whole or, where targets are known, a missing target cannot). `mapped`: whether they stand in files. `window`: 0, or
    of running text, whose rows are its tokens, how many of them a batch row holds. `around`: what words of it are learned from, where
    they are learned one by one. `scene`: of pictures with places in them, whether their targets are float32 (row, slot, 8) boxes or uint8
    (row, height, width) classes, 255 none; `masks` then are int16 (row, height, width) maps of instances, where objects are outlined.
    `passages`: of documents, whose pieces are the one input, which stretches of them are the rows.
    `windows`: of questions, which each row is of.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor | None
    valid: np.ndarray
    mapped: bool = False
    window: int = 0
    around: Neighbourhood | None = None
    masks: Tensor | None = None
    scene: Scene | None = None
    passages: Passages | None = None
    windows: Windows | None = None

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def padded(self) -> bool:
        """Whether rows are sentences: tokens (row, length), PAD after their ends, and lengths (row,)."""
        return len(self.inputs) > 1 and self.inputs[1].ndim == 1

    def take(self, index: Tensor) -> Columns:
        """The rows `index`, int64, in memory."""
        targets = None if self.targets is None else self.targets[index]
        masks = None if self.masks is None else self.masks[index]
        return Columns(tuple(tensor[index] for tensor in self.inputs), targets, self.valid[index.numpy()], masks=masks, scene=self.scene)

    def to(self, device: torch.device) -> Columns:
        """The same columns on another device."""
        targets = None if self.targets is None else self.targets.to(device)
        masks = None if self.masks is None else self.masks.to(device)
        return Columns(tuple(tensor.to(device) for tensor in self.inputs), targets, self.valid, self.mapped, masks=masks, scene=self.scene)


def build_columns(
    prep: Fitted,
    target: Target | None,
    examples: Examples,
    *,
    cache: Path | None = None,
    fingerprint: str = "",
    memory_limit: int = MEMORY,
    on_error: Literal["stop", "skip"] = "stop",
) -> Columns:
    """Every row of `examples` as tensors; with a `target` their targets too.

    Columns of more than `memory_limit` bytes are mapped from a folder under `cache` (None: in memory whatever their
    size). Smaller ones are in memory, and kept there too where building them took long (photographs). They are found
    again by whoever asks with the same `fingerprint` of data and part and the same encoding, in whatever run or fold.
    Raises DataError that lists every example that cannot be used; with `on_error` skip they are only not `valid`.
    A full disk or a folder that cannot be written raises DataError too.
    """
    if cache is None:
        return _columns(*_in_memory(prep, target, examples, on_error), target)
    folder, small = cache / _key(prep, target, examples, fingerprint), len(examples) * _row_bytes(prep, target) <= memory_limit
    found = _open(folder, target, on_error, small=small)
    if found is not None:
        return found
    if small:
        began = time.monotonic()
        built = _in_memory(prep, target, examples, on_error)
        if time.monotonic() - began > SLOW:
            with contextlib.suppress(DataError):  # there is no room: the next run builds them again
                _write(folder, iter([_Piece(0, len(examples), *built)]), len(examples))
        return _columns(*built, target)
    _write(folder, _pieces(prep, target, examples), len(examples), on_error)
    found = _open(folder, target, on_error, small=False)
    assert found is not None
    return found


_SCENES: dict[str, Scene] = {"boxes": "boxes", "mask": "masks"}
_Built = tuple[tuple[np.ndarray, ...], np.ndarray, tuple[Problem, ...]]  # arrays, valid, problems


@dataclass(frozen=True)
class _Piece:
    """Rows `start` … `stop` − 1 of every array, and what is wrong with them."""

    start: int
    stop: int
    arrays: tuple[np.ndarray, ...]
    valid: np.ndarray
    problems: tuple[Problem, ...]


def _pieces(prep: Fitted, target: Target | None, examples: Examples) -> Iterator[_Piece]:
    """All rows in order, encoded some at a time; at least one piece, so that the arrays' shapes are known."""
    rows = len(examples)
    step = max(rows, 1) if isinstance(prep, SeriesPreparation) else max(1, CHUNK // _row_bytes(prep, target))
    for start in range(0, max(rows, 1), step):
        stop = min(start + step, rows)
        lines = np.arange(start + 2, stop + 2) if examples.lines is None else examples.lines[start:stop]
        pictures = None if examples.pictures is None else Chosen(examples.pictures, np.arange(start, stop))
        masks = None if examples.masks is None else Chosen(examples.masks, np.arange(start, stop))
        few = Examples(examples.frame.slice(start, stop - start), pictures, lines, masks, examples.classes)
        arrays, problems = prep.inspect(few)
        valid = np.ones(stop - start, dtype=bool)
        if isinstance(prep, SeriesPreparation):
            valid &= prep.valid(arrays)
        if len(arrays) > 1:
            arrays = (arrays[0], *(array.astype(np.int32) for array in arrays[1:]))
        if target is not None:
            targets, maps, wrong = target.inspect_examples(few)
            if isinstance(prep, ImagePreparation) and pictures is not None:  # a label of a picture stands in no line of a file
                wrong = [replace(problem, where=pictures.name(problem.example or 0)) for problem in wrong]
            if targets.ndim < 3:
                valid &= targets >= 0 if targets.ndim == 1 else np.isfinite(targets).all(1)
            arrays, problems = (*arrays, targets) if maps is None else (*arrays, maps, targets), [*problems, *wrong]
        valid[[problem.example for problem in problems if problem.example is not None]] = False
        placed = tuple(replace(problem, example=None if problem.example is None else problem.example + start) for problem in problems)
        yield _Piece(start, stop, arrays, valid, placed)


def _in_memory(prep: Fitted, target: Target | None, examples: Examples, on_error: str) -> _Built:
    arrays: list[np.ndarray] = []
    valid = np.ones(len(examples), dtype=bool)
    problems: list[Problem] = []
    for piece in _pieces(prep, target, examples):
        problems += piece.problems
        valid[piece.start : piece.stop] = piece.valid
        if piece.stop - piece.start == len(examples):
            arrays = list(piece.arrays)
            break
        arrays = arrays or [np.empty((len(examples), *array.shape[1:]), dtype=array.dtype) for array in piece.arrays]
        for whole, some in zip(arrays, piece.arrays, strict=True):
            whole[piece.start : piece.stop] = some
    _stop(problems, on_error)
    return tuple(arrays), valid, tuple(problems)


def _write(folder: Path, pieces: Iterator[_Piece], rows: int, on_error: str = "skip") -> None:
    """Append all pieces to files in a folder beside `folder`, then give it its name. Another process may have been faster."""
    beside = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    valid = np.ones(rows, dtype=bool)
    problems: list[Problem] = []
    try:
        with contextlib.ExitStack() as stack:
            beside.mkdir(parents=True)
            files: list[Any] = []
            for piece in pieces:
                if not files:
                    files = [stack.enter_context((beside / f"{place}.npy").open("wb")) for place in range(len(piece.arrays))]
                    for file, array in zip(files, piece.arrays, strict=True):
                        shape = (rows, *array.shape[1:])
                        header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
                        np.lib.format.write_array_header_1_0(file, header)
                # Appended, not mapped: on a full disk a write fails with an error, a mapped page kills the process.
                for file, array in zip(files, piece.arrays, strict=True):
                    file.write(np.ascontiguousarray(array).data)
                valid[piece.start : piece.stop] = piece.valid
                problems += piece.problems
        _stop(problems, on_error)
        np.save(beside / "valid.npy", valid)
        (beside / "problems.json").write_text(json.dumps([asdict(problem) for problem in problems]), encoding="utf-8")
        with contextlib.suppress(OSError):  # a folder of that name is there by now: the same, and whole
            beside.rename(folder)
        with contextlib.suppress(OSError):  # another process removes the same ones
            _prune(folder)
    except OSError as error:
        found = f"the data as the model reads them cannot be kept here: {error.strerror or error}"
        raise DataError(Problem("error", str(folder.parent), found, "make room, or give a folder on another disk with --out")) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _open(folder: Path, target: Target | None, on_error: str, *, small: bool) -> Columns | None:
    """The columns in a cache folder; None where there are none, or damaged ones, which are removed."""
    if not folder.is_dir():
        return None
    try:
        valid = np.load(folder / "valid.npy", allow_pickle=False)
        problems = [Problem(**problem) for problem in json.loads((folder / "problems.json").read_text(encoding="utf-8"))]
        names = sorted((path for path in folder.glob("*.npy") if path.stem.isdigit()), key=lambda path: int(path.stem))
        # "c": private pages, so that torch may have a writable tensor; nobody writes, so they stay shared.
        arrays = tuple(np.load(path, mmap_mode=None if small else "c", allow_pickle=False) for path in names)
    except (OSError, ValueError, TypeError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    _stop(problems, on_error)
    with contextlib.suppress(OSError):
        os.utime(folder)  # used now
    return _columns(arrays, valid, tuple(problems), target, mapped=not small)


def _prune(new: Path) -> None:
    """Keep the cache that `new` lies in within bounds. What another process has mapped stays readable to it.

    Folders of builds that were killed go after a day.
    """
    room = KEPT - sum(file.stat().st_size for file in new.iterdir())
    found = [path for path in new.parent.iterdir() if path != new and path.is_dir()]
    for folder in found:
        if folder.name.startswith(".") and time.time() - folder.stat().st_mtime > ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)
    others = [path for path in found if (path / "valid.npy").exists() and not path.name.startswith(".")]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        room -= sum(file.stat().st_size for file in folder.iterdir())
        if room < 0:
            shutil.rmtree(folder, ignore_errors=True)


def _columns(
    arrays: tuple[np.ndarray, ...], valid: np.ndarray, problems: tuple[Problem, ...], target: Target | None, *, mapped: bool = False
) -> Columns:
    tensors = tuple(torch.from_numpy(array) for array in arrays)
    if target is None:
        return Columns(tensors, None, valid, mapped)
    if target.values.get("masks"):
        return Columns(tensors[:-2], tensors[-1], valid, mapped, masks=tensors[-2], scene="boxes")
    return Columns(tensors[:-1], tensors[-1], valid, mapped, scene=_SCENES.get(target.values["kind"]))


def _stop(problems: Sequence[Problem], on_error: str) -> None:
    if problems and on_error == "stop":
        raise DataError(problems)


def _row_bytes(prep: Fitted, target: Target | None) -> int:
    """What a row takes, about."""
    sizes = prep.sizes
    if isinstance(prep, ImagePreparation):
        inputs = sizes["channels"] * sizes["size"] ** 2
    elif isinstance(prep, ScenePreparation):
        plane = prep.canvas[0] * prep.canvas[1]
        per_pixel = 0 if target is None else 1 if target.values["kind"] == "mask" else 2 * bool(target.values.get("masks"))
        return int(plane * (prep.channels + per_pixel) + (0 if target is None else 32 * target.values.get("slots", 0)))
    elif isinstance(prep, (TextPreparation, BertPreparation)):
        inputs = 4 * (sizes["length"] + 1 + sizes.get("words", 0))
    else:
        inputs = 4 * (sizes["numbers"] + len(sizes["categories"]))
    if target is None:
        return int(inputs)
    return int(inputs) + (8 * (target.values["length"] + 1) if "length" in target.values else 8 if target.values["kind"] == "classes" else 4 * target.outputs)


def _key(prep: Fitted, target: Target | None, examples: Examples, fingerprint: str) -> str:
    """The name of a cache: a hash of the data's fingerprint and shape, its first and last rows, and how they are encoded."""
    frame = examples.frame
    ends = [str(frame.head(20).rows()), str(frame.tail(20).rows())]
    encoding = [prep.encoding(), None if target is None else target.encoding]
    text = json.dumps([FORMAT, fingerprint, frame.height, frame.columns, ends, encoding], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
