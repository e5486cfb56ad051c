"""Importing does nothing but import: no files written, no network, no processes; and no torch before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.source import files
from architecture.test_layers import ANYTHING, area, is_light

# Run in a fresh interpreter: imports the modules of its first argument, prints what happened meanwhile.
SCRIPT = """
import importlib, json, os, sys
names, before = json.loads(sys.argv[1])
for name in before:
    importlib.import_module(name)
watched = {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.putenv", "urllib.Request"}
watched |= {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
seen, loading, on = [], [None], [True]
def hook(event, arguments):
    if not on[0] or loading[0] is None:
        return
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in watched or writes:
        seen.append([loading[0], event, repr(arguments)[:200]])
sys.addaudithook(hook)
first = {}
for name in names:
    loading[0] = name
    importlib.import_module(name)
    if "torch" in sys.modules and not first:
        first["torch"] = name
on[0] = False
print(json.dumps({"seen": seen, "torch": first.get("torch")}))
"""


def run(names: list[str], *, before: tuple[str, ...], folder: Path) -> dict[str, object]:
    command = [sys.executable, "-B", "-c", SCRIPT, json.dumps([names, before])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_light_modules_do_not_import_torch(tmp_path: Path) -> None:
    light = [module for module in files() if (is_light(module) or area(module) in ANYTHING) and area(module) != "__main__"]
    found = run(light, before=(), folder=tmp_path)
    assert found["torch"] is None, f"{found['torch']} imports torch"


def test_importing_does_no_work(tmp_path: Path) -> None:
    modules = [module for module in files() if area(module) != "__main__"]
    found = run(modules, before=("torch", "sklearn", "polars", "PIL.Image"), folder=tmp_path)
    assert not found["seen"], found["seen"]
    assert not list(tmp_path.iterdir())


TRAINING = """
import sys
from sonde.cli.main import main
assert main(["train", "points.csv", "--target", "c", "--set", "model.width=4", "--optimizer", sys.argv[1], "--epochs", "2", "--quiet", "--out", "run"]) == 0
assert main(["train", "--resume", "run", "--epochs", "3", "--quiet"]) == 0
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
def test_a_small_training_does_not_import_the_compiler(optimizer: str, tmp_path: Path) -> None:
    """Which PyTorch would at the first call of an optimiser: half of such a training's time."""
    rows = [f"{i % 7},{i % 5},{'odd' if i % 2 else 'even'}" for i in range(60)]
    (tmp_path / "points.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    done = subprocess.run([sys.executable, "-c", TRAINING, optimizer], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
