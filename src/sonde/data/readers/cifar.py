"""CIFAR-10's binary version: records of a label byte and 3 × 32 × 32 pixels, channel by channel (cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

import re

import numpy as np

from sonde.errors import DataError, Problem

_RECORD = 1 + 3 * 32 * 32
_BATCH = re.compile(r"(^|/)(data_batch_\d+|test_batch)\.bin$")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def is_batch(name: str) -> bool:
    """Whether a file of this name is one of the publisher's."""
    return _BATCH.search(name) is not None


def is_test(name: str) -> bool:
    """Whether it holds the test part."""
    return name.endswith("test_batch.bin")


def read_batch(data: bytes, where: str) -> tuple[np.ndarray, list[str]]:
    """Pictures as uint8 (picture, 32, 32, 3), and their class names.

    Raises
    ------
    DataError
        A length that is no whole number of records, or a label above 9.
    """
    if not data or len(data) % _RECORD:
        found = f"{len(data):,} bytes are no whole number of records of {_RECORD:,} bytes"
        raise DataError(Problem("error", where, found, "fetch the archive again"))
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if wrong.size:
        found = f"record {wrong[0]} has label {records[wrong[0], 0]}, where 0 to 9 are known"
        raise DataError(Problem("error", f"{where}, offset {wrong[0] * _RECORD}", found, "fetch the archive again"))
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), [CLASSES[label] for label in records[:, 0]]
