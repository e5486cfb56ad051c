"""One table file: CSV and its kin, JSON lines, Parquet, Arrow. The suffix says which."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sonde.data.contents import Examples
from sonde.data.fingerprint import of_files
from sonde.data.readers.arrow_map import can_map, map_frame
from sonde.data.readers.cache import kept
from sonde.data.readers.delimited import Table, read_delimited
from sonde.data.readers.frames import tidied
from sonde.data.readers.json_lines import read_json, read_json_lines
from sonde.data.readers.large_csv import read_large_csv
from sonde.data.readers.large_json_lines import read_large_json_lines
from sonde.data.readers.leave_out import OnError
from sonde.errors import DataError, Problem

CAREFUL = 16 * 2**20  # larger text files go to `large_csv`
MAPPED = 256 * 2**20  # larger Parquet and JSON lines files are unpacked into a memory-mapped file
UNPACKED = 2**30  # a gzipped table may be as large
DELIMITED = frozenset({".csv", ".tsv", ".tab", ".data", ".dat", ".txt"})
COLUMNS = frozenset({".parquet", ".pq", ".arrow", ".feather", ".ipc"})
JSON = frozenset({".jsonl", ".ndjson", ".json"})
SUFFIXES = DELIMITED | COLUMNS | JSON


def suffix(path: Path) -> str:
    """The suffix that tells the format: `.csv` of `a.csv` and of `a.csv.gz`."""
    name = path.name.lower().removesuffix(".gz")
    return "." + name.rsplit(".", 1)[-1] if "." in name else ""


def stem(path: Path) -> str:
    """The name without its suffix, and without `.gz`."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def is_table(path: Path) -> bool:
    """Whether a file of this name is taken for a table. Text files (.txt) are tables only when asked for by name."""
    return suffix(path) in SUFFIXES - {".txt", ".json", ".dat"} or (path.suffix == ".test" and path.with_suffix(".data").exists())


def read_table(path: Path, *, names: Sequence[str] | None = None, on_error: OnError = "stop") -> Table:
    """The table in a file; `names` are its columns where it has no header.

    Raises
    ------
    DataError
        A file that is empty, damaged, not a table, wrongly quoted, or has duplicate columns.
    """
    kind, packed = suffix(path), path.name.lower().endswith(".gz")
    if path.stat().st_size == 0:
        raise DataError(Problem("error", str(path), "the file is empty (0 bytes)", "copy or export it again"))
    if kind in COLUMNS:
        return _read_columns(path)
    if kind not in JSON and not packed and path.stat().st_size > CAREFUL:
        return read_large_csv(path, stem=stem(path), names=names, on_error=on_error)
    if kind in JSON and kind != ".json" and not packed and path.stat().st_size > MAPPED:
        return read_large_json_lines(path, on_error=on_error)
    raw = _unpacked(path) if packed else path.read_bytes()
    if kind == ".json":
        return read_json(raw, where=str(path))
    if kind in JSON:
        return read_json_lines(raw, where=str(path), on_error=on_error)
    return read_delimited(raw, where=str(path), stem=stem(path), names=names, on_error=on_error)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            raw = stream.read(UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Problem("error", str(path), f"the gzip file is damaged or cut short ({error})", "copy it again")) from None
    if len(raw) > UNPACKED:
        raise DataError(Problem("error", str(path), f"the table is larger than {UNPACKED:,} bytes when unpacked", "unpack it first (gunzip)"))
    return raw


def _read_columns(path: Path) -> Table:
    """Parquet or Arrow."""
    scan = pl.scan_parquet if suffix(path) in (".parquet", ".pq") else pl.scan_ipc
    try:
        query, notes = tidied(scan(path), str(path))
        if path.stat().st_size > MAPPED and all(can_map(dtype) for dtype in query.collect_schema().values()):
            key = hashlib.sha256(f"{pl.__version__} {of_files([path])}".encode()).hexdigest()[:32]
            frame = map_frame(kept(f"tables/{key}.arrow", lambda to: query.sink_ipc(to, compression="uncompressed")))
        else:
            frame = query.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        found = f"the file is damaged or not {suffix(path)[1:]} ({str(error).splitlines()[0]})"
        raise DataError(Problem("error", str(path), found, "export it again")) from None
    if not frame.height:
        raise DataError(Problem("error", str(path), "the table has no rows", "export it again"))
    return Table(Examples(frame), notes=tuple(notes))
