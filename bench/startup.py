"""How soon the command line answers: `sonde --help` whole, and the first line of `sonde train` (before PyTorch is imported)."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.machine import environment
from bench.scores import workplace
from bench.table import Options, Row, main
from bench.timing import interleave

SONDE = Path(sys.executable).with_name("sonde")


def help_seconds(folder: Path) -> float:
    """From the command to the prompt."""
    started = time.perf_counter()
    subprocess.run([SONDE, "--help"], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def first_line_seconds(folder: Path) -> float:
    """From the command to its first line; the training itself is then ended."""
    started = time.perf_counter()
    process = subprocess.Popen([SONDE, "train"], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    line = process.stdout.readline()
    seconds = time.perf_counter() - started
    process.kill()
    process.communicate()
    if b"train" not in line:
        sys.exit(f"the first line of sonde train is {line!r}")
    return seconds


def measure(options: Options) -> list[Row]:
    """Both, by turns."""
    with workplace() as folder:
        rounds = 2 if options.quick else options.rounds or 21
        turns = interleave({"help": lambda: help_seconds(folder), "train": lambda: first_line_seconds(folder)}, rounds=rounds)
    return [
        Row("sonde --help", turns["help"], "s", at_most=0.3),
        Row("sonde train: first line", turns["train"], "s", at_most=0.5),
    ]


if __name__ == "__main__":
    main("How soon the command line answers", measure)
