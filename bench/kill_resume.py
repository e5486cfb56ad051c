"""SIGKILL at random moments of a real training, saving included: does each resume end with the very bits of the run that was left alone?

Dropout, a moving average and a schedule are on, so that every kind of state counts. A kill before the first checkpoint leaves nothing to
resume from; the command must say so, and the run is trained anew.
"""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.machine import environment
from bench.scores import workplace
from bench.table import Options, Row, main

GIVEN = [
    "digits",
    "--model",
    "mlp",
    "--epochs",
    "4",
    "--set",
    "model.dropout=0.2",
    "--ema",
    "0.9",
    "--schedule",
    "cosine",
    "--save-every",
    "0.001",
    "--device",
    "cpu",
]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command line, not waited for."""
    command = [sys.executable, "-m", "sonde", "train", *arguments, "--quiet"]
    return subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait; an exit code other than 0 and 2 ends the benchmark."""
    _, said = process.communicate(timeout=600)
    if process.returncode not in (0, 2):
        sys.exit(f"a training left with {process.returncode}:\n{said[-3000:]}")
    return said if process.returncode else ""


def bits(run: Path) -> str:
    """SHA-256 over the tensors of the newest checkpoint."""
    newest = max((run / "checkpoints").glob("step-*"))
    digest = hashlib.sha256()
    for name in ("weights", "optimizer", "state"):
        digest.update((newest / f"{name}.safetensors").read_bytes())
    return digest.hexdigest()


def measure(options: Options) -> list[Row]:
    """Kills, and how many of them ended bitwise equal."""
    draw = random.Random(0)
    with workplace() as folder:
        started = time.monotonic()
        finish(start(folder, *GIVEN, "--out", "whole"))
        duration, expected = time.monotonic() - started, bits(folder / "whole")
        equal, resumed = [], 0
        for number in range(2 if options.quick else 20):
            run = folder / f"killed-{number}"
            process = start(folder, *GIVEN, "--out", run.name)
            while not (run / "events.jsonl").exists() and process.poll() is None:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.5 * duration))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            said = finish(start(folder, "--resume", run.name))
            if said and "checkpoint" in said:
                run = folder / f"again-{number}"
                finish(start(folder, *GIVEN, "--out", run.name))
            elif said:
                sys.exit(f"the resume after kill {number} said:\n{said}")
            else:
                resumed += 1
            equal.append(float(bits(run) == expected))
    return [
        Row(f"share of {len(equal)} kills that end bitwise equal", equal, at_least=1.0, centre="mean"),
        Row("of these resumed from a checkpoint (the others came before the first)", [resumed], digits=4),
    ]


if __name__ == "__main__":
    main("Killed at random moments", measure)
