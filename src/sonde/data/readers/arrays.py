"""Arrays: `.npz` and `.npy` files, (x, y) pairs and dictionaries from Python, of NumPy arrays or of tensors."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_arrays
from sonde.data.readers.class_folders import check_classes
from sonde.data.readers.delimited import Table
from sonde.data.readers.frames import from_values
from sonde.data.readers.leave_out import OnError
from sonde.data.readers.pictures import ArrayPictures
from sonde.data.readers.table_parts import single
from sonde.errors import DataError, Problem

# How the parts of a set are usually named, inputs and targets.
_PARTS: dict[str, Part] = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_INPUTS, _TARGETS = ("x", "images", "data", "inputs"), ("y", "labels", "target", "targets")
_REMEDY = "save with numpy.savez(path, x=…, y=…), or x_train, y_train, x_test, y_test"
_PICTURE_REMEDY = "give pictures as uint8 from 0 to 255, (number, height, width) or (number, height, width, channels)"


def read_npz(path: Path, *, on_error: OnError = "stop") -> Content:
    """The arrays in a `.npz` or `.npy` file.

    Raises
    ------
    DataError
        A damaged file, Python objects in it (they could run code), or arrays that do not go together.
    """
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            arrays = {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            found = "the file holds Python objects, which are not read as they may run code"
            raise DataError(Problem("error", str(path), found, "save arrays of numbers or of text (dtype float32, uint8, str …)")) from None
        raise DataError(Problem("error", str(path), f"the file is damaged or no NumPy file ({error})", "save it again")) from None
    except (OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise DataError(Problem("error", str(path), f"the file is damaged or no NumPy file ({error})", "save it again")) from None
    return read_arrays(arrays, origin=str(path), name=path.stem, files=(path,), on_error=on_error)


def read_pair(pair: tuple[Any, Any], *, on_error: OnError = "stop") -> Content:
    """(x, y): examples on the first axis of x, what is to be predicted in y."""
    named = {"x": pair[0]} if pair[1] is None else {"x": pair[0], "y": pair[1]}
    return read_arrays(named, origin="arrays in memory", name="arrays", on_error=on_error)


def read_arrays(
    source: Mapping[str, Any], *, origin: str, name: str, files: tuple[Path, ...] = (), on_error: OnError = "stop"
) -> Content:
    """Named arrays: x and y, or x_train, y_train, x_test, y_test (also images and labels, data and target); else columns of a table.

    x of three or four axes are pictures, of two a table with columns x0, x1, …, of one a column. y of one axis becomes
    the column `label` (pictures) or `y`; y of two axes the columns y0, y1, …

    Raises
    ------
    DataError
        Arrays of different lengths, of other shapes, or pictures whose values are not from 0 to 255 (or 0 to 1).
    """
    arrays = {str(key): to_numpy(value, f"{origin}: {key}") for key, value in source.items()}
    pairs = _pairs(arrays)
    fingerprint = of_arrays(arrays)
    if not pairs:
        table = _columns(arrays, origin)
        return single(table, origin=origin, name=name, fingerprint=fingerprint, files=files)
    parts = {part: _examples(arrays[x], arrays[y] if y else None, f"{origin}: {x}", name if part == "all" else part) for part, (x, y) in pairs.items()}
    first = parts["all"] if "all" in parts else parts["train"]
    pictures = first.pictures is not None
    column = "label" if pictures else "y"
    target = column if column in first.frame.columns else None
    problems: list[Problem] = []
    if pictures and target and first.frame[target].dtype == pl.String:
        parts, problems = check_classes(parts, where=origin, on_error=on_error)
    total = sum(len(examples) for examples in parts.values())
    return Content(
        kind="images" if pictures else "table",
        origin=origin,
        name=name,
        reason=f"arrays with {total:,} {'pictures' if pictures else f'rows and {first.frame.width} columns'}",
        parts=parts,
        fingerprint=fingerprint,
        target=target,
        files=files,
        problems=tuple(problems),
        notes=_notes(arrays, pairs, origin),
    )


def is_array(source: object) -> bool:
    """Whether this is an array or a tensor; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return isinstance(source, np.ndarray) or (torch is not None and isinstance(source, torch.Tensor))


def to_numpy(value: Any, where: str) -> np.ndarray:
    """An array from an array, a tensor (on any device) or a list of values."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(Problem("error", where, f"the values do not make an array ({error})", "give rows of one length")) from None
    if array.ndim == 0 or array.dtype.kind not in "biufSUOMm":
        raise DataError(Problem("error", where, f"this is no array of numbers or text ({array.dtype}, {array.ndim} axes)", _REMEDY))
    return array


def _pairs(arrays: Mapping[str, np.ndarray]) -> dict[Part, tuple[str, str | None]]:
    """Which array belongs to which part, and its targets. Empty where the names say nothing."""
    lower = {key.lower(): key for key in arrays}
    for inputs in _INPUTS:
        found: dict[Part, tuple[str, str | None]] = {}
        for word, part in _PARTS.items():
            x = lower.get(f"{inputs}_{word}", lower.get(f"{word}_{inputs}"))
            if x is not None:
                targets = (lower.get(f"{y}_{word}", lower.get(f"{word}_{y}")) for y in _TARGETS)
                found[part] = x, next((key for key in targets if key is not None), None)
        if "train" in found:
            return found if len(found) > 1 else {"all": found["train"]}
    for inputs in _INPUTS:
        if inputs in lower:
            return {"all": (lower[inputs], next((lower[y] for y in _TARGETS if y in lower), None))}
    return {}


def _examples(x: np.ndarray, y: np.ndarray | None, where: str, name: str) -> Examples:
    if not len(x):
        raise DataError(Problem("error", where, "the array has no rows", "give at least one"))
    if y is not None and len(y) != len(x):
        found = f"{len(x):,} examples, but {len(y):,} targets"
        raise DataError(Problem("error", where, found, "give as many targets as examples, in the same order"))
    if x.ndim in (3, 4):
        store = ArrayPictures(pictures(x, where), name)
        labels = [] if y is None else _labels(y, where)
        return Examples(pl.DataFrame([pl.Series("image", store.names()), *labels]), store, np.arange(len(x)))
    if x.ndim > 4:
        raise DataError(Problem("error", where, f"the array has {x.ndim} axes", "give a table (2 axes) or pictures (3 or 4)"))
    columns = [column(f"x{place}", x[:, place]) for place in range(x.shape[1])] if x.ndim == 2 else [column("x" if y is not None else "value", x)]
    targets = [] if y is None else _targets(y, where)
    return Examples(pl.DataFrame([*columns, *targets]), lines=np.arange(len(x)))


def column(name: str, values: np.ndarray) -> pl.Series:
    """One axis as a column; NaN is missing."""
    if values.dtype.kind in "biuf":
        return pl.Series(name, np.ascontiguousarray(values.astype(np.float32) if values.dtype == np.float16 else values), nan_to_null=True)
    if values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    return from_values(name, [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values.tolist()])


def _targets(y: np.ndarray, where: str) -> list[pl.Series]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1:
        return [column("y", y)]
    if y.ndim == 2:
        return [column(f"y{place}", y[:, place]) for place in range(y.shape[1])]
    raise DataError(Problem("error", where, f"the targets have {y.ndim} axes", "give one value a row (1 axis) or several (2 axes)"))


def _labels(y: np.ndarray, where: str) -> list[pl.Series]:
    """Targets of pictures: whole numbers and text name classes."""
    found = _targets(y, where)
    if len(found) == 1:
        label = found[0].alias("label")
        return [label.cast(pl.String) if label.dtype.is_integer() else label]
    return found


def pictures(x: np.ndarray, where: str) -> np.ndarray:
    """Pictures as uint8 (number, height, width, channels) from the forms they come in: channels last, first or none; 0 … 1 or 0 … 255.

    As with files, the last of 2 or 4 channels is opacity: 1 (grey) or 3 (colour) are given back, laid on white.

    Raises
    ------
    DataError
        Other numbers of channels, or values outside these ranges (such as normalised ones).
    """
    if x.ndim == 3:
        x = x[..., None]
    elif _first(x):
        x = x.transpose(0, 2, 3, 1)
    if x.shape[-1] not in (1, 2, 3, 4) or x.dtype.kind not in "buif":
        raise DataError(Problem("error", where, f"an array of shape {x.shape} and type {x.dtype} holds no pictures", _PICTURE_REMEDY))
    values = _bytes(x, where)
    if x.shape[-1] in (2, 4):  # the last channel is opacity: laid on white
        opacity = values[..., -1:].astype(np.uint16)
        values = ((values[..., :-1] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(values)


def _first(x: np.ndarray) -> bool:
    """Whether the channels of four axes stand before height and width: last they are not."""
    return x.shape[-1] not in (1, 2, 3, 4) and x.shape[1] in (1, 2, 3, 4)


def _channels(x: np.ndarray) -> int:
    """How many channels the pictures of four axes have."""
    return int(x.shape[1] if _first(x) else x.shape[-1])


def _bytes(x: np.ndarray, where: str) -> np.ndarray:
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * 255
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 255:
        raise DataError(Problem("error", where, f"pictures have values from {low:g} to {high:g}", _PICTURE_REMEDY))
    return np.round(x * 255 if x.dtype.kind == "f" and high <= 1 else x).astype(np.uint8)


def _columns(arrays: Mapping[str, np.ndarray], origin: str) -> Table:
    lengths = {key: array.shape for key, array in arrays.items()}
    if not arrays or any(array.ndim != 1 for array in arrays.values()) or len(set(lengths.values())) > 1:
        shapes = ", ".join(f"{key} {shape}" for key, shape in lengths.items())
        raise DataError(Problem("error", origin, f"these arrays do not make a table: {shapes}", _REMEDY))
    frame = pl.DataFrame([column(key, array) for key, array in arrays.items()])
    return Table(Examples(frame, lines=np.arange(frame.height)))


def _notes(arrays: Mapping[str, np.ndarray], pairs: Mapping[Part, tuple[str, str | None]], origin: str) -> tuple[str, ...]:
    used = {key for pair in pairs.values() for key in pair}
    unused = [key for key in arrays if key not in used]
    notes = [f"arrays left out: {', '.join(unused)}"] if unused else []
    for x, _ in pairs.values():
        array = arrays[x]
        if array.ndim > 2 and array.dtype.kind == "f" and array.size and float(array.max()) <= 1:
            notes.append(f"{x}: values from 0 to 1 were scaled to 0 to 255")
        channels = _channels(array) if array.ndim == 4 else 0
        if channels in (2, 4):
            left = "1 (grey) is" if channels == 2 else "3 (colour) are"
            notes.append(f"{x}: the last of {channels} channels is taken for opacity: transparent pictures are laid on white, and {left} left")
    return tuple(notes)
