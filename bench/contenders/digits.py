"""MNIST as it stands in its files; random pictures of the same shape where it is not at hand (the speed is the same)."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np


def mnist(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (examples, 28, 28) and labels int64 (examples,)."""
    folder = Path(os.environ.get("SONDE_DATA", "")) / "mnist"
    if os.environ.get("SONDE_DATA") and folder.exists():
        pictures = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16).reshape(
            -1, 28, 28
        )
        labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    else:
        draws = np.random.default_rng(0)
        pictures, labels = draws.integers(0, 256, (60_000, 28, 28), np.uint8), draws.integers(0, 10, 60_000, np.uint8)
    return pictures[:examples].copy(), labels[:examples].astype(np.int64)


def prepared(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as float32 (examples, 1, 28, 28) in 0…1: for contenders that are fed with ready arrays, outside of the clock."""
    pictures, labels = mnist(examples)
    return pictures[:, None].astype(np.float32) / 255, labels
