"""Where the numbers were measured, the data they were measured on, and the environment that all contenders share."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
THREADS = int(os.environ.get("BENCH_THREADS", "2"))


def environment() -> dict[str, str]:
    """For child processes: the same number of threads for everybody, no progress bars, nothing asked of the network."""
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "KERAS_BACKEND": "torch",
        "PYTHONWARNINGS": "ignore",
        "TQDM_DISABLE": "1",
    }
    return {**os.environ, "OMP_NUM_THREADS": str(THREADS), "MKL_NUM_THREADS": str(THREADS), **quiet}


def describe() -> str:
    """One line on this machine."""
    import torch

    names = [line.split(":", 1)[1].strip() for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {THREADS} threads, Python {platform.python_version()}, torch {torch.__version__}, {platform.system()}"


def data(name: str) -> Path:
    """A folder of $SONDE_DATA; leaves with a message where it is not."""
    folder = Path(os.environ.get("SONDE_DATA", "")) / name
    if not os.environ.get("SONDE_DATA") or not folder.exists():
        sys.exit(f"this benchmark needs the real data set {name!r}: set SONDE_DATA to the folder that holds it")
    return folder


def sonde(*arguments: str, folder: Path, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`; its standard output is kept. A failure ends the benchmark with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "sonde", *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout
    )
    if done.returncode:
        sys.exit(f"sonde {' '.join(arguments)} left with {done.returncode}:\n{done.stderr[-4000:]}")
    return done


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
