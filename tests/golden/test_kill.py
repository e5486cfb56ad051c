"""SIGKILL at random moments, saving included: the resumed run ends with bitwise equal weights."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sonde.errors import RunError
from sonde.recipe import Recipe
from sonde.training.checkpoints import Checkpoints
from sonde.training.events import read_events

# A checkpoint after every step, so that many a kill falls into the writing of one.
RECIPE = Recipe().replace(
    model={"name": "mlp", "config": {"width": 16, "dropout": 0.2}},
    optim={"name": "adamw", "lr": 0.01, "schedule": "cosine"},
    training={"epochs": 4, "batch_size": 8, "save_every": 1e-9, "compile": False, "ema": 0.9},
)


def data(folder: Path) -> Path:
    """A table of 160 rows."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(160, 3))
    y = (x.sum(1) > 0).astype(int)
    path = folder / "points.csv"
    path.write_text("a,b,c,y\n" + "".join(f"{r[0]:.6f},{r[1]:.6f},{r[2]:.6f},{'yes' if t else 'no'}\n" for r, t in zip(x, y, strict=True)))
    return path


def start(action: str, recipe: Path, run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sonde.fit", action, str(recipe), str(run)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()[-2000:]


def weights(run: Path) -> dict[str, torch.Tensor]:
    name = Checkpoints(run).pointers()["last"][0]
    folder = run / "checkpoints" / name
    return (
        load_file(folder / "weights.safetensors")
        | load_file(folder / "optimizer.safetensors")
        | {f"s.{k}": v for k, v in load_file(folder / "state.safetensors").items()}
    )


@pytest.mark.parametrize("kills", [int(os.environ.get("SONDE_KILLS", "5"))])
def test_resume_after_sigkill_is_bitwise(tmp_path: Path, kills: int) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace(data={"path": str(data(tmp_path)), "target": ("y",)}).toml())
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start("train", recipe, whole))
    draw = random.Random(7)
    process = start("train", recipe, killed)
    done = 0
    while done < kills:
        wait_for_step(killed, process)
        time.sleep(draw.uniform(0.0, 0.3))
        ended = process.poll() is not None
        if not ended:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        done += 1
        readable(killed)
        if ended:
            break
        process = start("resume", recipe_of(killed), killed)
    if not ended:
        finish(process)
    expected, found = weights(whole), weights(killed)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    steps = [event["step"] for event in read_events(killed / "events.jsonl") if event["event"] == "train"]
    assert steps == [event["step"] for event in read_events(whole / "events.jsonl") if event["event"] == "train"]


def recipe_of(run: Path) -> Path:
    return run / "recipe.toml"


def wait_for_step(run: Path, process: subprocess.Popen[bytes]) -> None:
    """Until a checkpoint newer than those at the start stands, or the process has ended."""
    before = set(Checkpoints(run).names())
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not set(Checkpoints(run).names()) - before:
        time.sleep(0.01)


def readable(run: Path) -> None:
    """After a kill the newest checkpoint loads whole."""
    try:
        checkpoint, said = Checkpoints(run).load("last")
    except RunError as error:
        pytest.fail(str(error))
    assert not said and checkpoint.step >= 1
