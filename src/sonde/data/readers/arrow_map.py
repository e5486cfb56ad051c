"""An Arrow file as a Polars frame whose values stay in the file: memory-mapped, so a table may be larger than memory.

Polars reads Arrow files into memory (since 1.3x without a way around it), but takes columns that others hold through
Arrow's C data interface without copying. So this finds the columns in the mapped file and hands over where they lie.
Formats: arrow.apache.org/docs/format/Columnar.html (file layout, flatbuffers metadata) and CDataInterface.html.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

# Polars type → Arrow's format string. Text lies as views (a 16-byte entry each) beside buffers of bytes.
_FORMATS: dict[Any, bytes] = {
    pl.Boolean: b"b",
    pl.Int8: b"c",
    pl.UInt8: b"C",
    pl.Int16: b"s",
    pl.UInt16: b"S",
    pl.Int32: b"i",
    pl.UInt32: b"I",
    pl.Int64: b"l",
    pl.UInt64: b"L",
    pl.Float32: b"f",
    pl.Float64: b"g",
    pl.String: b"vu",
    pl.Date: b"tdD",
    pl.Datetime("ms"): b"tsm:",
    pl.Datetime("us"): b"tsu:",
    pl.Datetime("ns"): b"tsn:",
}


class _Schema(ctypes.Structure):
    """`struct ArrowSchema`."""


class _Array(ctypes.Structure):
    """`struct ArrowArray`."""


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_NULLABLE = 2

# What the structures point to must outlive every frame, and nothing may be called back in Python when Polars lets go of
# a column (it may do so on a thread of its own, or when the interpreter has ended). So all of it stays until the process
# ends, some hundred bytes a column and batch, and `release` is a C function without any effect.
_STAYS: list[Any] = []


def can_map(dtype: Any) -> bool:
    """Whether columns of this Polars type can be mapped."""
    return dtype in _FORMATS


@functools.cache
def map_frame(path: Path) -> pl.DataFrame:
    """The frame in an uncompressed Arrow file that Polars wrote, its values left in the file.

    The file must not change while the process lives; a file that is replaced by renaming is safe.
    """
    schema = pl.read_ipc_schema(path)
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
    if not schema or not size:
        return pl.read_ipc(path)
    mapped = np.memmap(path, dtype=np.uint8, mode="r")
    _STAYS.append(mapped)
    batches = [pl.Series(_Batch(mapped, block, schema)).struct.unnest() for block in _blocks(mapped.data)]
    return pl.concat(batches, rechunk=False) if batches else pl.DataFrame(schema=schema)


class _Batch:
    """One record batch, offered through the C data interface."""

    def __init__(self, mapped: np.ndarray, block: tuple[int, int], schema: Mapping[str, Any]) -> None:
        self.mapped, self.block, self.schema = mapped, block, schema

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = _schema(self.schema), self._array()
        _STAYS.extend((schema, array))
        return _capsule(schema, b"arrow_schema"), _capsule(array, b"arrow_array")

    def _array(self) -> _Array:
        offset, length = self.block
        rows, nodes, buffers, views = _record_batch(self.mapped.data, offset)
        base = self.mapped.ctypes.data + offset + length
        columns, place, views_left = [], 0, list(views)
        for dtype, (count, nulls) in zip(self.schema.values(), nodes, strict=True):
            extra = views_left.pop(0) if dtype == pl.String else 0
            mine = buffers[place : place + 2 + extra]
            place += len(mine)
            pointers: list[int | None] = [base + start if size or number else None for number, (start, size) in enumerate(mine)]
            if dtype == pl.String:  # the C interface asks for the sizes of the buffers of bytes too
                sizes = (ctypes.c_int64 * max(1, extra))(*(size for _, size in mine[2:]))
                _STAYS.append(sizes)
                pointers.append(ctypes.addressof(sizes))
            columns.append(_array(count, nulls, pointers, []))
        return _array(rows, 0, [None], columns)


def _array(length: int, nulls: int, pointers: list[int | None], children: list[_Array]) -> _Array:
    buffers = (ctypes.c_void_p * len(pointers))(*pointers)
    below = (ctypes.POINTER(_Array) * max(1, len(children)))(*map(ctypes.pointer, children))
    _STAYS.extend((buffers, below, children))
    return _Array(
        length=length, null_count=nulls, n_buffers=len(pointers), buffers=buffers, n_children=len(children), children=below, release=_no_effect()
    )


def _schema(columns: Mapping[str, Any]) -> _Schema:
    children = [_Schema(format=_FORMATS[dtype], name=name.encode(), flags=_NULLABLE, release=_no_effect()) for name, dtype in columns.items()]
    below = (ctypes.POINTER(_Schema) * len(children))(*map(ctypes.pointer, children))
    _STAYS.extend((children, below))
    return _Schema(format=b"+s", name=b"", n_children=len(children), children=below, release=_no_effect())


@functools.cache
def _no_effect() -> int | None:
    """The address of C's `abs`: it takes one argument, reads no memory and changes nothing."""
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)  # type: ignore[attr-defined,unused-ignore]
    return ctypes.cast(library.abs, ctypes.c_void_p).value


def _capsule(structure: ctypes.Structure, name: bytes) -> object:
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(ctypes.addressof(structure), name, None)


# Flatbuffers: a table begins with the distance back to its vtable, which lists where each field lies (0: left out).


def _int32(data: memoryview, place: int) -> int:
    return int(struct.unpack_from("<i", data, place)[0])


def _field(data: memoryview, table: int, number: int) -> int:
    """Where field `number` of a table lies; 0 when it is left out."""
    vtable = table - _int32(data, table)
    if 4 + 2 * number >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    distance = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + distance if distance else 0


def _vector(data: memoryview, table: int, number: int, layout: str) -> list[tuple[int, ...]]:
    """The structures in a vector field."""
    place = _field(data, table, number)
    if not place:
        return []
    start = place + _int32(data, place)
    size = struct.calcsize(layout)
    return [struct.unpack_from(layout, data, start + 4 + size * entry) for entry in range(_int32(data, start))]


def _blocks(data: memoryview) -> list[tuple[int, int]]:
    """Where each record batch begins, and the length of its metadata, from the footer."""
    if data[-6:].tobytes() != b"ARROW1":
        raise ValueError("not an Arrow file")
    footer = len(data) - 10 - _int32(data, len(data) - 10)
    return [(block[0], block[1]) for block in _vector(data, footer + _int32(data, footer), 3, "<qi4xq")]


def _record_batch(data: memoryview, offset: int) -> tuple[int, list[tuple[int, ...]], list[tuple[int, ...]], list[int]]:
    """Rows, (length, nulls) of each column, (offset, length) of each buffer, and how many byte buffers each text column has."""
    start = offset + (8 if _int32(data, offset) == -1 else 4)
    message = start + _int32(data, start)
    place = _field(data, message, 2)
    batch = place + _int32(data, place)
    if _field(data, batch, 3):
        raise ValueError("the Arrow file is compressed")
    length = _field(data, batch, 0)
    rows = int(struct.unpack_from("<q", data, length)[0]) if length else 0
    views = [count for (count,) in _vector(data, batch, 4, "<q")]
    return rows, _vector(data, batch, 1, "<qq"), _vector(data, batch, 2, "<qq"), views
