"""Large blocks stay with the process: what is touched again costs no new pages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sonde.training.allocator import SETTINGS

SCRIPT = """
import resource, torch
from sonde.training.allocator import keep_large_blocks
kept = keep_large_blocks()
for _ in range(20):  # where blocks come to lie takes some turns
    torch.empty(2**24).fill_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.empty(2**24).fill_(1)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="another C library")
def test_blocks_are_kept_unless_the_environment_says_how() -> None:
    plain = {name: value for name, value in os.environ.items() if name not in SETTINGS}

    def faults(surroundings: dict[str, str]) -> tuple[str, int]:
        said = subprocess.run([sys.executable, "-c", SCRIPT], env=surroundings, capture_output=True, text=True, check=True).stdout.split()
        return said[0], int(said[1])

    kept, few = faults(plain)
    told, many = faults(plain | {"MALLOC_MMAP_THRESHOLD_": "65536"})
    assert (kept, told) == ("True", "False")
    assert few < 2 * 16_384  # 64 MB are so many pages
    assert many > 6 * 16_384
