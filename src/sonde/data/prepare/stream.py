"""Running text as one array of tokens: in memory, or mapped from a file that is written once.

The rows of the data follow each other as they stand, so that a part, which is a stretch of rows, is a stretch of tokens.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sonde.data.contents import Examples
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.text import TextPreparation
from sonde.errors import DataError, Problem

FORMAT = 1
CHUNK = 65_536  # rows that are tokenised at a time
MEMORY = 256 * 2**20  # bytes of text above which its tokens are mapped from a file


def build_stream(prep: TextPreparation, examples: Examples, *, cache: Path | None = None, fingerprint: str = "") -> tuple[Columns, np.ndarray]:
    """The tokens of all rows, and int64 (row + 1,): where each row's tokens begin, and where the last one's end.

    Text of more than MEMORY bytes is tokenised once into a file under `cache` (None: in memory whatever its size), which
    is found again with the same `fingerprint` and the same tokeniser. Raises DataError where that cannot be written.
    """
    size = int(examples.frame[prep.column].str.len_bytes().sum() or 0)
    if cache is None or size <= MEMORY:
        pieces = list(_pieces(prep, examples))
        stream = np.concatenate([tokens for tokens, _ in pieces])
        lengths = np.concatenate([lengths for _, lengths in pieces])
        return _columns(stream, prep), np.concatenate([[0], np.cumsum(lengths)])
    key = hashlib.sha256(json.dumps([FORMAT, fingerprint, len(examples), prep.encoding()], ensure_ascii=False).encode()).hexdigest()[:24]
    path, starts = cache / f"{key}.tokens.npy", cache / f"{key}.starts.npy"
    if not (path.exists() and starts.exists()):
        _write(prep, examples, path, starts)
    return _columns(np.load(path, mmap_mode="c", allow_pickle=False), prep, mapped=True), np.load(starts, allow_pickle=False)


def _pieces(prep: TextPreparation, examples: Examples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    values = examples.frame[prep.column]
    for start in range(0, max(len(examples), 1), CHUNK):
        yield prep.tokens(values.slice(start, CHUNK).fill_null("").to_list())


def _columns(stream: np.ndarray, prep: TextPreparation, *, mapped: bool = False) -> Columns:
    return Columns((torch.from_numpy(stream),), None, np.ones(len(stream), dtype=bool), mapped, window=prep.window, around=prep.around)


def _write(prep: TextPreparation, examples: Examples, path: Path, starts: Path) -> None:
    """Append chunk by chunk to a file beside, whose header is written last; then give it its name."""
    beside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    header, lengths, total = 128, [np.zeros(1, dtype=np.int64)], 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(bytes(header))
            for tokens, counts in _pieces(prep, examples):
                file.write(np.ascontiguousarray(tokens, dtype=np.int32).data)
                lengths.append(counts)
                total += len(tokens)
            file.seek(0)
            text = str({"descr": "<i4", "fortran_order": False, "shape": (total,)})
            file.write(b"\x93NUMPY\x01\x00" + (header - 10).to_bytes(2, "little") + text.ljust(header - 11).encode("latin1") + b"\n")
        hidden = starts.with_name(f".{uuid.uuid4().hex[:8]}-{starts.name}")
        np.save(hidden, np.cumsum(np.concatenate(lengths)))
        hidden.replace(starts)
        beside.replace(path)  # last: a stream that is there is whole
    except OSError as error:
        found = f"the tokens of the text cannot be kept here: {error.strerror or error}"
        raise DataError(Problem("error", str(path.parent), found, "make room, or set another cache folder")) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
