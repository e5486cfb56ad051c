"""IDX, the format of MNIST: a big-endian header (0, 0, type, axes, one uint32 length an axis), then the values; gzipped or not."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np

from .problem import PredictError

# A name such as `t10k-images-idx3-ubyte.gz`.
NAME = re.compile(r"images[-_.]idx\d+[-_.]ubyte(\.gz)?$", re.IGNORECASE)
UINT8 = 0x08  # the type of pictures


def read_idx(path: Path) -> np.ndarray:
    """Pictures uint8 (number, height, width) or with a fourth axis of channels."""
    remedy = "fetch the file again: pictures in IDX begin with bytes 00 00 08 03"
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (OSError, EOFError) as error:
        raise PredictError(f"the file cannot be read ({error})", where=str(path), remedy=remedy) from None
    axes = raw[3] if len(raw) > 3 else 0
    if raw[:3] != bytes([0, 0, UINT8]) or axes not in (3, 4):
        raise PredictError(f"these are no pictures: the file begins with {raw[:4].hex(' ') or 'nothing'}", where=str(path), remedy=remedy)
    start = 4 + 4 * axes
    shape = [int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes)]
    if len(raw) != start + math.prod(shape):
        found = f"the body has {len(raw) - start:,} bytes, where its header ({' × '.join(map(str, shape))}) asks for {math.prod(shape):,}"
        raise PredictError(found, where=str(path), remedy=remedy)
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)
