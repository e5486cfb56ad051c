"""Running `sonde train` as a user does, several times, and taking down what it answers."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import sonde

SMALL = ("--examples", "256", "--epochs", "1")


@dataclass(frozen=True)
class Training:
    """One training: its folder, the JSON it answered with, and seconds from the command to the prompt, imports included.

    Of a run that was trained before, the seconds are those that it noted itself, without imports and the page.
    """

    run: Path
    answer: dict[str, Any]
    seconds: float

    def metric(self, name: str, part: str = "test") -> float:
        """A measure of a part ("test", "validation", "train"; "mean" and "out_of_fold" of K folds)."""
        return float(self.answer["metrics"][part][name])


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        yield Path(folder)


def train(folder: Path, *arguments: str, before: Sequence[str] = ()) -> Training:
    """One `sonde train … --json` in `folder`; of the runs trained `before`, the one that was made by just these arguments stands for it."""
    for run in map(Path, before):
        command = json.loads((run / "environment.json").read_text(encoding="utf-8"))["command"]
        if tuple(command[2 : 2 + len(arguments)]) == arguments:
            finished = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
            return Training(run, {"metrics": finished}, finished["seconds"]["total"])
    run = folder / f"run-{sum(1 for _ in folder.glob('run-*')) + 1}"
    started = time.perf_counter()
    done = sonde("train", *arguments, "--json", "--quiet", "--out", str(run), folder=folder)
    seconds = time.perf_counter() - started
    print(f"  sonde train {' '.join(arguments)}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return Training(run, json.loads(done.stdout), seconds)


def over_seeds(folder: Path, seeds: int, *arguments: str) -> list[Training]:
    """The same training with seeds 0, 1, …; the seed draws the parts, the weights and the order."""
    return [train(folder, *arguments, "--seed", str(seed)) for seed in range(seeds)]
