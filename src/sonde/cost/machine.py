"""The machine at hand as numbers: measured once in a few seconds, kept in the cache folder, measured anew when asked for or when it has changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sonde.cost import probes
from sonde.data.readers.cache import cache_folder, kept
from sonde.training.allocator import keep_large_blocks
from sonde.training.world import choose_device

FORMAT = 3


@dataclass(frozen=True)
class Machine:
    """What was measured on `device` of `processor` with so many `threads`.

    `peak`: multiply-adds a second (one each: FLOP/s are twice as many) in float32, `bandwidth`: bytes a second of main memory, or of the device's.
    `caches`: (size in bytes, bytes a second) of reading an array of that size again and again, on the host. `strides` and `loops`: rows against columns,
    a vector operation against a loop. `transfers`: host and device, where there is one.
    """

    processor: str
    device: str
    threads: int
    torch: str
    measured: str
    peak: float
    bandwidth: float
    caches: tuple[tuple[int, float], ...]
    strides: probes.Pair
    loops: probes.Pair
    transfers: probes.Transfers | None = None

    @property
    def ridge(self) -> float:
        """Multiply-adds a byte from which on arithmetic, not memory, is the limit."""
        return self.peak / self.bandwidth

    def seconds(self, multiply_adds: int | float, moved: int | float) -> float:
        """The shortest time in which so much can be computed and so many bytes moved, both at once."""
        return max(multiply_adds / self.peak, moved / self.bandwidth)


def threads() -> int:
    """How many threads PyTorch computes with."""
    return torch.get_num_threads()


def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def fingerprint(device: torch.device) -> dict[str, Any]:
    """What a measurement holds for: another value of one of these, and it is made anew."""
    return {
        "format": FORMAT,
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def key(device: torch.device) -> str:
    """A short name of the fingerprint, for files."""
    return hashlib.sha256(json.dumps(fingerprint(device), sort_keys=True).encode()).hexdigest()[:16]


def machine(device: str | None = None, *, again: bool = False) -> Machine:
    """This machine, from the cache folder where it was measured before (`again`: measured anew). `device` as in recipes."""
    where = choose_device(device)
    name = f"machines/{key(where)}.json"
    if again:
        (cache_folder() / name).unlink(missing_ok=True)

    def write(path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(measure(where)), indent=1), encoding="utf-8")

    file = kept(name, write)
    return _read(json.loads(file.read_text(encoding="utf-8")))


def given(*, peak: float, bandwidth: float) -> Machine:
    """Another machine, of which nothing is known but these two."""
    nothing = probes.Pair(0.0, 0.0)
    return Machine("a machine as given", "given", 0, torch.__version__, "", peak, bandwidth, (), nothing, nothing)


def is_known(device: str | None = None) -> bool:
    """Whether this machine has been measured already."""
    return (cache_folder() / f"machines/{key(choose_device(device))}.json").exists()


def measure(device: torch.device) -> Machine:
    """Measure everything; five seconds or so."""
    keep_large_blocks()
    known = fingerprint(device)
    return Machine(
        processor=known["processor"],
        device=known["device"],
        threads=known["threads"],
        torch=known["torch"],
        measured=time.strftime("%Y-%m-%d"),
        peak=probes.peak(device),
        bandwidth=probes.bandwidth(device),
        caches=tuple(probes.caches()),
        strides=probes.strides(),
        loops=probes.loops(),
        transfers=probes.transfers(device) if device.type == "cuda" else None,
    )


def _read(table: dict[str, Any]) -> Machine:
    table["caches"] = tuple((int(size), float(speed)) for size, speed in table["caches"])
    table["strides"], table["loops"] = probes.Pair(**table["strides"]), probes.Pair(**table["loops"])
    table["transfers"] = None if table["transfers"] is None else probes.Transfers(**table["transfers"])
    return Machine(**table)
