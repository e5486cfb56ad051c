"""Large tensors on the CPU take memory that this process has used before.

The C library of Linux (glibc) gives every block above 32 MB back to the system as it is freed, and the system hands out a cleared page
for each 4 kB when the next such block is first touched. Measured: writing a fresh tensor of 51 MB, the logits of 640 places over 20,000
pieces, took 31 ms, and 8 ms where its memory stays; 83 and 8 ms of 128 MB.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

# mallopt(3): the size from which blocks are the system's own, and how much free memory at the end is kept.
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
LARGEST: Final = 1 << 30
KEPT: Final = (1 << 31) - 1
# Whoever sets one of these has thought about it.
SETTINGS: Final = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


def keep_large_blocks() -> bool:
    """Have blocks of up to 1 GB kept for the next ones of this process; whether that is so now.

    Only where glibc is the allocator and the environment says nothing of it. What is kept lies between other blocks, so that the process may
    hold two or three of its largest tensors more than it needs.
    """
    if sys.platform != "linux" or any(name in os.environ for name in SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
