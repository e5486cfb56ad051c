"""MNIST as it stands in its files; random pictures of the same shape where it is not at hand (the speed is the same)."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

# Networks that read larger pictures: each pixel is repeated, and a black margin makes up the rest.
SIDES = {"resnet18": 96, "resnet18-224": 224, "resnet50-224": 224}
COLOURED = ("resnet18-224", "resnet50-224")


def mnist(examples: int, network: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (examples, side, side), of the side that the network reads (28 by default), and labels int64 (examples,).

    For a network that reads colours, (examples, side, side, 3) with three equal ones.
    """
    folder = Path(os.environ.get("SONDE_DATA", "")) / "mnist"
    if os.environ.get("SONDE_DATA") and folder.exists():
        pictures = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16).reshape(
            -1, 28, 28
        )
        labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    else:
        draws = np.random.default_rng(0)
        pictures, labels = draws.integers(0, 256, (60_000, 28, 28), np.uint8), draws.integers(0, 10, 60_000, np.uint8)
    shown = enlarged(pictures[:examples], SIDES.get(network, 28))
    return np.repeat(shown[..., None], 3, axis=3) if network in COLOURED else shown, labels[:examples].astype(np.int64)


def enlarged(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures (examples, 28, 28) at (examples, side, side), as a new array."""
    times, margin = side // 28, side % 28
    larger = pictures.repeat(times, 1).repeat(times, 2)
    return np.pad(larger, ((0, 0), (margin // 2, margin - margin // 2), (margin // 2, margin - margin // 2)))


def prepared(examples: int, network: str = "") -> tuple[np.ndarray, np.ndarray]:
    """The same as float32 (examples, channel, side, side) in 0…1: for contenders that are fed with ready arrays, outside of the clock."""
    pictures, labels = mnist(examples, network)
    channels_first = pictures.transpose(0, 3, 1, 2) if network in COLOURED else pictures[:, None]
    return np.ascontiguousarray(channels_first, dtype=np.float32) / 255, labels
