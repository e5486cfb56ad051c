"""What goes wrong with runs, machines and processes: each has a message, exit code 2 and a way on. Bad data have theirs beside the readers."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import sonde
from sonde.cli.main import main
from sonde.training import checkpoints
from sonde.training.checkpoints import Checkpoints
from sonde.training.events import read_events

SMALL = ["--target", "colour", "--batch-size", "16", "--no-compile", "--set", "model.width=8"]


def write_points(path: Path, rows: int = 120) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 2))
    lines = [f"{a:.5f},{b:.5f},{'red' if a + b > 0 else 'blue'}" for a, b in x]
    path.write_text("\n".join(["x,y,colour", *lines]) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with points.csv and a finished run of it, which tests copy before they damage it."""
    folder = tmp_path_factory.mktemp("faults")
    write_points(folder / "points.csv")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["train", "points.csv", *SMALL, "--epochs", "3", "--out", "run", "--quiet"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `place` to work in; the data are those of `place`."""
    shutil.copytree(place / "run", tmp_path / "run")
    shutil.copy(place / "points.csv", tmp_path / "points.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """What a command says on standard error when it ends with this code, without a traceback."""
    capsys.readouterr()
    assert main(words) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "Traceback" not in seen.err
    assert "  → " in seen.err
    return seen.err[seen.err.rindex("error: ") :] if code == 2 else seen.err


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint's weights and optimiser state, as copies: what is loaded is mapped from the file."""
    folder = run / "checkpoints" / Checkpoints(run).pointers()["last"][0]
    found = load_file(folder / "weights.safetensors") | load_file(folder / "optimizer.safetensors")
    return {name: tensor.clone() for name, tensor in found.items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


# Damaged and newer run folders


COMMANDS = {
    "evaluate": ["evaluate", "run"],
    "predict": ["predict", "run", "points.csv"],
    "resume": ["train", "--resume", "run", "--epochs", "4"],
}


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize(
    ("file", "content", "what", "remedy"),
    [
        ("model.json", '{"format": 1, "mod', "model.json: this file is damaged", "train the run again from its recipe.toml"),
        ("model.json", "[]", "model.json: this file is damaged: it holds no table", "train the run again"),
        ("model.json", '{"format": 99}', "model.json: this run folder is of format 99; this Sonde reads up to 1", "install a newer Sonde"),
        ("model.json", None, "run: there is no model.json here", "give the folder of a run"),
        ("recipe.toml", "format = 99\n", "recipe.toml: this recipe is of format 99; this Sonde reads up to 1", "install a newer Sonde"),
        ("recipe.toml", "[data\n", "recipe.toml: this is not valid TOML", "mend the line"),
        ("recipe.toml", None, "recipe.toml: this recipe cannot be read: No such file or directory", "give a recipe file"),
        ("checkpoints.json", '{"last', "checkpoints.json: this file is not valid JSON", "delete it: the checkpoint folders are found"),
        ("checkpoints.json", '{"format": 99}', "checkpoints.json: this run folder is of format 99", "install a newer Sonde"),
    ],
)
def test_a_damaged_or_newer_run(
    file: str, content: str | None, what: str, remedy: str, command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        (here / "run" / file).unlink()
    else:
        (here / "run" / file).write_text(content)
    message, _, way_out = fails(capsys, *COMMANDS[command]).partition("  → ")
    assert what in message
    assert remedy in way_out


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{"format": 1', "preparation.json: the preprocessing is damaged"),
        ('{"format": 99}', "preparation.json: this preprocessing is of format 99; this Sonde reads up to 1"),
        (None, "preparation.json: the preprocessing is missing"),
    ],
)
def test_damaged_preprocessing(content: str | None, what: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "run" / "preprocessing" / "preparation.json"
    file.write_text(content) if content is not None else file.unlink()
    assert what in fails(capsys, "predict", "run", "points.csv")
    assert what in fails(capsys, "evaluate", "run", "points.csv")


@pytest.mark.parametrize(
    ("content", "what"),
    [('{"format"', "metrics.json: this file is damaged"), ('{"format": 99}', "this run folder is of format 99; this Sonde reads up to 1")],
)
@pytest.mark.parametrize("words", [["evaluate", "run"], ["compare", "run", "run"]])
def test_damaged_measures(content: str, what: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "run" / "metrics.json").write_text(content)
    assert what in fails(capsys, *words)


def damage(checkpoint: Path) -> None:
    """One byte of the weights turned round."""
    file = checkpoint / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 255
    file.write_bytes(content)


def test_resume_says_that_it_uses_the_checkpoint_before_a_damaged_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = weights(here / "run")
    last = Checkpoints(here / "run").pointers()["last"][0]
    damage(here / "run" / "checkpoints" / last)
    assert main(["train", "--resume", "run"]) == 0
    said = capsys.readouterr().err
    assert f"{last} is damaged (weights.safetensors does not match its checksum); the checkpoint before it is used" in said
    assert f"{last} is damaged" in (here / "run" / "log.txt").read_text()
    assert_equal(weights(here / "run"), expected)


@pytest.mark.parametrize("words", [["evaluate", "run"], ["predict", "run", "points.csv"]])
def test_a_damaged_best_checkpoint_is_said(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = Checkpoints(here / "run").pointers()["best"]
    damage(here / "run" / "checkpoints" / best)
    assert main(words) == 0
    assert f"{best} is damaged" in capsys.readouterr().err


def test_without_any_whole_checkpoint(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in Checkpoints(here / "run").names():
        damage(here / "run" / "checkpoints" / name)
    message = fails(capsys, "evaluate", "run")
    assert "there is no whole checkpoint here" in message
    assert "train the run again: `sonde train` with its recipe.toml" in message


def test_a_checkpoint_of_a_newer_format(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in Checkpoints(here / "run").names():
        folder = here / "run" / "checkpoints" / name
        state = json.loads((folder / "state.json").read_text()) | {"format": 99}
        (folder / "state.json").write_text(json.dumps(state))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["sha256"]["state.json"] = checkpoints._digest(folder / "state.json")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "this checkpoint is of format 99; this Sonde reads up to 1" in fails(capsys, "evaluate", "run")


# Folders, devices, recipes


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["points.csv", "--out", "points.csv/run"], "points.csv/run: this folder cannot be written: Not a directory", "with --out"),
        (["points.csv", "--device", "cuda:99"], "--device: cuda:99 was asked for, and this machine has", "use --device cpu, or install"),
        (["points.csv", "--device", "gpu"], "--device: 'gpu' is not a device", "use cpu, cuda, cuda:1 or mps"),
        (["points.csv", "--device", "meta"], "--device: 'meta' is not a device that Sonde trains on", "use cpu, cuda or mps"),
        (["points.csv", "--model", "resnet18"], "resnet18", "models that fit: "),
        (["points.csv", "--model", "linear-regression"], "linear-regression", "models that fit: "),
        (["points.csv", "--trace"], "--trace: a trace prints every number of every step; mlp has", "trace a model of under 20 parameters"),
        (["points.csv", "--accumulate", "17"], "a batch of 16 cannot be cut into 17 pieces", "use a larger --batch-size"),
        (["points.csv", "--set", "model.widht=3"], "widht", "width"),
        (["points.csv", "--set", "task.smothing=3"], "smothing", "smoothing"),
        (["run.toml"], "run.toml: unknown key 'optim.learning_rate'", "known here: name, lr"),
        (["nearly.toml"], "nearly.toml: unknown key 'training.epoch'", "did you mean 'training.epochs'?"),
        (["section.toml"], "section.toml: unknown key 'trainning'", "did you mean 'training'?"),
        (["several.toml"], "several.toml: optim.lr = -1: input should be", "change optim.lr"),
    ],
)
def test_mistakes_before_the_first_step(words: list[str], what: str, remedy: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written: no run folder, no log."""
    (here / "run.toml").write_text("[optim]\nlearning_rate = 1\n")
    (here / "nearly.toml").write_text("[training]\nepoch = 1\n")
    (here / "section.toml").write_text("[trainning]\nepochs = 1\n")
    (here / "several.toml").write_text("[optim]\nlr = -1\n[training]\nseed = -1\n")
    before = sorted(here.rglob("*"))
    given = SMALL if words[0] == "points.csv" else []
    message, _, way_out = fails(capsys, "train", *words, *given).partition("  → ")
    assert what in message
    assert remedy in way_out
    assert sorted(here.rglob("*")) == before


def test_all_wrong_values_of_a_recipe_are_told_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "several.toml").write_text("[optim]\nlr = -1\n[training]\nseed = -1\nepoch = 3\n")
    message = fails(capsys, "train", "several.toml")
    assert "optim.lr = -1" in message
    assert "training.seed = -1" in message
    assert "unknown key 'training.epoch'" in message


def test_bad_data_leave_nothing_behind(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "same.csv").write_text("x,colour\n" + "1,red\n" * 40)
    before = sorted(here.rglob("*"))
    assert "so there is nothing to learn" in fails(capsys, "train", "same.csv", "--target", "colour")
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("words", [["train", "--resume", "run"], ["train", "points.csv", *SMALL, "--out", "other"]])
def test_two_processes_do_not_write_one_run(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / ("run" if "--resume" in words else "other")
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "log.txt"}
        message = fails(capsys, *words)
    assert f"{folder.name}: another process is writing this run" in message
    assert "wait for it, or choose another folder with --out" in message
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name not in ("log.txt", ".lock")} == {
        path: moment for path, moment in before.items() if path.name != ".lock"
    }


# Training that cannot go on


def test_a_loss_that_is_no_number_names_a_layer_and_the_remedy(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = "\n".join(f"{row / 10},{row * 3.7 + (row % 5) / 9}" for row in range(120))
    (here / "numbers.csv").write_text("x,y\n" + numbers + "\n")
    words = [
        "numbers.csv",
        "--target",
        "y",
        "--optimizer",
        "sgd",
        "--lr",
        "1e6",
        "--batch-size",
        "8",
        "--schedule",
        "constant",
        "--no-compile",
    ]
    message = fails(capsys, "train", *words, "--set", "training.save_every=1e-9", "--out", "diverged")
    what, _, remedy = message.partition("  → ")
    assert "(learning rate 1e+06)" in what
    assert "first in layer" in what
    assert "lower --lr, or set --clip 1; `--lr auto` finds a rate" in remedy
    last = read_events(here / "diverged" / "events.jsonl")[-1]
    assert (last["event"], last["reason"]) == ("stop", "error")
    assert "error" in (here / "diverged" / "log.txt").read_text()
    saved, said = Checkpoints(here / "diverged").load("last")
    assert not said
    assert saved.step >= 1


def test_a_full_disk_keeps_what_was_saved_and_a_resume_finishes(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third checkpoint finds no room; with room made, the resumed run ends as one that was never stopped."""
    written = 0

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        nonlocal written
        written += 1
        if written > 6:  # three files a checkpoint
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    words = ["train", "points.csv", *SMALL, "--epochs", "3", "--out", "full"]
    message = fails(capsys, *words)
    assert "there is no room left on the disk; the checkpoint before it stands" in message
    assert "make room, then `sonde train --resume full`" in message
    monkeypatch.setattr(checkpoints, "save_file", save_file)
    assert main(["train", "--resume", "full"]) == 0
    assert_equal(weights(here / "full"), weights(here / "run"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of a given size; called again, it gets that size. Skipped where this machine lets nobody mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(size: str) -> Path:
        nonlocal mounted
        options = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(here: Path, small_disk: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    run = small_disk("2m") / "run"
    words = [
        "train",
        "points.csv",
        "--target",
        "colour",
        "--set",
        "model.width=[256,256]",
        "--epochs",
        "6",
        "--no-compile",
        "--out",
        str(run),
    ]
    message = fails(capsys, *words)
    assert "there is no room left on the disk; the checkpoint before it stands" in message
    assert f"`sonde train --resume {run}`" in message
    saved, said = Checkpoints(run).load("last")
    assert not said
    assert saved.step >= 1
    small_disk("64m")
    assert main(["train", "--resume", str(run)]) == 0
    assert sonde.load(run).metrics_file["epochs"] == 6


# Stopping and going on


def started(words: list[str], folder: Path, *, event: str = '"evaluate"') -> subprocess.Popen[str]:
    """A training in another process, waited for until the event stands in its log."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sonde", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    log = folder / "events.jsonl"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None and not (log.is_file() and event in log.read_text()):
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(
    ("number", "more"),
    [(signal.SIGINT, []), pytest.param(signal.SIGTERM, ["--processes", "2"], marks=pytest.mark.processes)],
    ids=["ctrl-c", "SIGTERM with two processes"],
)
def test_stopped_and_resumed_is_bitwise_the_same(
    number: signal.Signals, more: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "points.csv", *SMALL, *more, "--set", "model.dropout=0.2", "--epochs", "30", "--quiet"]
    process = started([*words, "--out", "stopped"], here / "stopped")
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert out == ""
    name = "SIGTERM" if more else "SIGINT"
    assert f"stopped: stopped by {name} at step" in err
    assert "everything is saved\n  → go on with `sonde train --resume stopped`" in err
    saved, said = Checkpoints(here / "stopped").load("last")
    assert not said
    assert 1 <= saved.step < 30 * 6
    assert main([*words, "--out", "whole"]) == 0
    assert main(["train", "--resume", "stopped", "--quiet"]) == 0
    assert_equal(weights(here / "stopped"), weights(here / "whole"))
    one, other = (sonde.load(here / run).metrics_file for run in ("stopped", "whole"))
    assert (one["test"], one["best"], one["stopped"]) == (other["test"], other["best"], "epochs")


def test_training_longer_says_what_the_schedule_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = sonde.load(here / "run").metrics_file["steps"]
    assert main(["train", "--resume", "run", "--epochs", "5"]) == 0
    said = capsys.readouterr().err
    expected = f"the one-cycle schedule now runs over {steps // 3 * 5} steps instead of {steps}; the rate goes on from where that puts step {steps}"
    assert expected in said
    assert expected in (here / "run" / "log.txt").read_text()
    assert sonde.load(here / "run").metrics_file["epochs"] == 5


def test_a_resume_under_other_conditions_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = json.loads((here / "run" / "environment.json").read_text())
    changed = environment | {"threads": environment["threads"] + 7, "packages": {}}
    (here / "run" / "environment.json").write_text(json.dumps(changed))
    assert main(["train", "--resume", "run"]) == 0
    said = capsys.readouterr().err
    assert "the number of threads changed since the run began: it goes on, but not bit for bit as it would have" in said
    assert "package versions changed since the run began" in said


def test_data_of_another_size_cannot_be_gone_on_with(place: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = here / "run" / "recipe.toml"
    write_points(here / "more.csv", rows=240)
    recipe.write_text(recipe.read_text().replace(str(place / "points.csv"), str(here / "more.csv")))
    message = fails(capsys, "train", "--resume", "run")
    assert "an epoch had 6 steps and now has 11" in message
    assert "resume with the batch size and the data that the run began with" in message


def test_patience_stops_and_more_patience_goes_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "points.csv", *SMALL, "--epochs", "20", "--lr", "1e-30", "--patience", "2", "--out", "patient"]
    assert main(words) == 0
    found: dict[str, Any] = sonde.load(here / "patient").metrics_file
    assert (found["stopped"], found["epochs"], found["best"]["epoch"]) == ("patience", 3, 1)
    assert main(["train", "--resume", "patient"]) == 0
    assert sonde.load(here / "patient").metrics_file["epochs"] == 3
    assert main(["train", "--resume", "patient", "--patience", "5"]) == 0
    assert sonde.load(here / "patient").metrics_file["epochs"] == 6


def test_minutes_end_the_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "points.csv", *SMALL, "--epochs", "1000000", "--minutes", "0.01", "--out", "brief"]
    assert main(words) == 0
    assert "0.01 minutes are enough for about" in capsys.readouterr().err
    found = sonde.load(here / "brief").metrics_file
    assert found["stopped"] in ("minutes", "epochs")
    assert found["epochs"] < 1_000_000


def test_a_run_killed_before_its_first_checkpoint_begins_anew(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands after a kill while the learning rate was being found: described, nothing decided, nothing saved."""
    run = here / "run"
    expected = weights(run)
    shutil.rmtree(run / "checkpoints")
    for name in ("checkpoints.json", "metrics.json"):
        (run / name).unlink()
    assert main(["train", "--resume", "run"]) == 0
    assert_equal(weights(run), expected)
    recipe = run / "recipe.toml"
    rate = next(line for line in recipe.read_text().splitlines() if line.startswith("lr = "))
    recipe.write_text(recipe.read_text().replace(rate, 'lr = "auto"'))
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints.json").unlink()
    assert main(["train", "--resume", "run"]) == 0
    assert "--lr auto chose" in capsys.readouterr().err
    assert isinstance(sonde.load(run).recipe.optim.lr, float)
