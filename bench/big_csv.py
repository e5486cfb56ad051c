"""A CSV of 10 million rows and 20 columns: parsed, then fitted and cached, then trained on; and the memory that this takes.

Anonymous memory is what the process holds beside files that the system can drop at any time (RssAnon in /proc/PID/status).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from bench.machine import ROOT, environment
from bench.scores import workplace
from bench.table import Options, Row, main

# Each runs in a fresh process, so that none finds the memory or the caches of another.
PARSE = """
import json, sys, time
from sonde.data.open import open_data
from sonde.recipe import Data
started = time.perf_counter()
content = open_data(sys.argv[1], Data(path=sys.argv[1], target=("target",)))
print(json.dumps({"seconds": time.perf_counter() - started, "rows": sum(len(part) for part in content.parts.values())}))
"""
PREPARE = """
import json, sys, time
from sonde.experiment import prepare
from sonde.recipe import Recipe
from sonde.training.world import join
recipe = Recipe().replace(data={"path": sys.argv[1], "target": ("target",)}, training={"device": "cpu"})
with join("cpu") as world:
    started = time.perf_counter()
    experiment = prepare(recipe, None, world)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": sum(len(part.index) for part in experiment.parts.values())}))
"""


def write(path: Path, rows: int) -> None:
    """Fourteen numbers (a fiftieth of one missing), four categories, a date and a target; in pieces, as it is some GB."""
    draws = np.random.default_rng(0)
    words = np.array([f"level-{number}" for number in range(200)])
    with path.open("wb") as file:
        for start in range(0, rows, 500_000):
            count = min(500_000, rows - start)
            numbers = draws.standard_normal((count, 14)).astype(np.float32).round(4)
            columns: dict[str, object] = {f"number{place}": numbers[:, place] for place in range(14)}
            columns["number3"] = pl.Series(numbers[:, 3]).set(pl.Series(draws.random(count) < 0.02), None)
            for place, levels in enumerate((3, 12, 50, 200)):
                columns[f"category{place}"] = words[draws.integers(0, levels, count)]
            columns["day"] = np.datetime64("2020-01-01") + draws.integers(0, 1_500, count)
            columns["target"] = (numbers @ np.linspace(-1, 1, 14) + draws.standard_normal(count)).round(4)
            pl.DataFrame(columns).write_csv(file, include_header=start == 0)


def watched(command: list[str], folder: Path) -> tuple[float, float, str]:
    """In a cache of its own: seconds, peak anonymous memory in GB (10^9 bytes; NaN where /proc is not there) and standard output of a command."""
    started = time.perf_counter()
    cache = tempfile.mkdtemp(dir=folder)  # a parsed table that is found again would make the next parse look free
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT / "src"), "SONDE_CACHE": cache},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = float("nan")
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
            now = [int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("RssAnon")]
            peak = max([peak, *now]) if peak == peak else max(now, default=peak)
        except OSError:
            pass
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    said, errors = process.communicate()
    shutil.rmtree(cache)
    if process.returncode:
        sys.exit(f"{command[:4]} left with {process.returncode}:\n{errors[-3000:]}")
    return seconds, peak, said


def measure(options: Options) -> list[Row]:
    """Rows a second and GB."""
    rows = 20_000 if options.quick else 10_000_000
    with workplace() as folder:
        path = folder / "big.csv"
        write(path, rows)
        size = path.stat().st_size / 1e9
        speeds: dict[str, list[float]] = {"parse": [], "prepare": []}
        for _ in range(1 if options.quick else options.rounds or 3):
            for name, script in (("parse", PARSE), ("prepare", PREPARE)):
                _, _, said = watched([sys.executable, "-c", script, str(path)], folder)
                answer = json.loads(said.splitlines()[-1])
                if answer["rows"] != rows:
                    sys.exit(f"{name} saw {answer['rows']:,} of {rows:,} rows")
                speeds[name].append(rows / answer["seconds"])
        train = [
            sys.executable,
            "-m",
            "sonde",
            "train",
            str(path),
            "--target",
            "target",
            "--model",
            "mlp",
            "--epochs",
            "1",
            "--batch-size",
            "4096",
            "--json",
            "--quiet",
        ]
        seconds, peak, _ = watched(train, folder)
    what = f"{rows:,} rows × 20 columns, {size:.2f} GB"
    return [
        Row(f"{what}: parsed", speeds["parse"], "rows/s", at_least=1e6),
        Row(f"{what}: parsed, fitted and cached", speeds["prepare"], "rows/s", at_least=4e5),
        Row(f"{what}: training one epoch, peak anonymous memory", [peak], "GB", at_most=2.0),
        Row(f"{what}: training one epoch, whole command", [seconds], "s"),
    ]


if __name__ == "__main__":
    main("A large CSV", measure)
