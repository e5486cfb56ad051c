"""Every mistake on the command line: one message with what, where and what to do, and one exit code."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sonde import __version__
from sonde.cli import main as cli
from sonde.cli.main import COMMANDS, main
from sonde.errors import Interrupted, RunError


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(words)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        (["trin"], "sonde: there is no command 'trin'", "did you mean 'train'?"),
        (["xyzzy"], "sonde: there is no command 'xyzzy'", "known: train, evaluate, predict"),
        (["mnist-lenet"], "sonde: there is no command 'mnist-lenet'", "to train on it: sonde train mnist-lenet"),
        (["--epochs", "3"], "sonde: there is no flag --epochs before the command", "write the command first"),
        (["train", "--epocs", "3"], "sonde train: there is no flag --epocs", "did you mean --epochs?"),
        (["train", "--epocs=3"], "sonde train: there is no flag --epocs", "did you mean --epochs?"),
        (["train", "--batch_sizes", "3"], "there is no flag --batch_sizes", "did you mean --batch-size?"),
        (["train", "--zzz"], "sonde train: there is no flag --zzz", "`sonde train --help` shows what it takes"),
        (["train", "--epochs"], "sonde train: --epochs has no value", "`sonde train --help`"),
        (["train", "--epochs", "many"], "sonde train: --epochs cannot be 'many'", "--epochs takes a whole number"),
        (["train", "--lr", "fast"], "sonde train: --lr cannot be 'fast'", "--lr takes a number, auto"),
        (
            ["train", "--optimizer", "adm"],
            "sonde train: --optimizer cannot be 'adm'",
            "did you mean 'adam'? --optimizer takes sgd, momentum, nesterov, adam, adamw",
        ),
        (["train", "a.csv", "b.csv"], "sonde train: 'b.csv' is one argument too many", "lists of names go with commas: --drop Id,Name"),
        (["train", "--seed", "1", "--seed", "2"], "sonde train: --seed is given more than once", "give it once"),
        (["evaluate"], "sonde evaluate: RUN is missing", "`sonde evaluate --help` shows what it takes"),
        (["predict", "r"], "sonde predict: there is nothing to predict", "sonde predict r new.csv"),
        (["train", "--epochs", "-1"], "training.epochs = -1: input should be greater than or equal to 0", "change training.epochs"),
        (["train", "--set", "model"], "--set has no value in 'model'", "write key=value: --set model.width=64"),
        (["train", "--set", "optim.lrr=1"], "--set does not know 'optim.lrr'", "did you mean 'lr'?"),
        (["train", "x.csv", "--resume", "r"], "--resume: a resumed run has its own data; 'x.csv' is one too many", "leave the data out"),
        (["train", "--resume", "r", "--lr", "1"], "--resume: --lr cannot be changed while a run goes on", "these can: --epochs, --minutes"),
        (["train", "--resume", "r", "--set", "model.width=1"], "--resume: --set cannot be changed while a run goes on", "train a new run"),
        (["train", "--vary", "lr=0.1", "--resume", "r"], "--vary trains new runs; it cannot go on with one", "leave out one of the two"),
        (["train", "--vary", "lr=0.1,0.2", "--lr", "1"], "--vary: optim.lr is given and varied", "give it once"),
        (["train", "--vary", "epochs=1,no"], "training.epochs = 'no'", "change training.epochs"),
        (["recipes", "digts"], "there is no recipe 'digts'", "did you mean 'digits'?"),
        (["models", "--set", "a=1"], "sonde models: --set goes with one model", "name it"),
    ],
)
def test_mistakes(
    words: list[str], what: str, remedy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, *words)
    assert code == 2
    assert out == ""
    message, _, way_out = err.partition("  → ")
    assert what in message
    assert remedy in way_out
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_path_as_command_is_meant_for_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves").mkdir()
    code, _, err = said(capsys, "leaves")
    assert code == 2
    assert "to train on it: sonde train leaves" in err


def test_error_is_a_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "recipes", "digts", "--json")
    assert code == 2
    assert json.loads(out) == {"error": {"what": "there is no recipe 'digts'", "where": None, "remedy": "did you mean 'digits'?"}}
    assert "error: there is no recipe 'digts'" in err
    code, out, _ = said(capsys, "trin", "--json")
    assert code == 2
    assert json.loads(out)["error"]["where"] == "sonde"


@pytest.mark.parametrize("words", [["--debug", "recipes", "x"], ["recipes", "--debug", "x"], ["recipes", "x", "--debug"]])
def test_debug_works_anywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, *words)
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert "RecipeError" in err


def replace_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("sonde.recipes.text", fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            ZeroDivisionError("division by zero"),
            70,
            "error: ZeroDivisionError: division by zero\n  → this is a bug in Sonde: run again with --debug",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a"),
            2,
            "error: runs/a: permission denied\n  → choose a folder that you may write to",
        ),
        (OSError(errno.EROFS, "Read-only file system", "runs"), 2, "error: runs: this is read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: the disk is full\n  → free some space"),
        (MemoryError(), 2, "error: there is not enough memory\n  → take a smaller --batch-size"),
        (RunError("damaged", where="runs/a", remedy="train anew"), 2, "error: runs/a: damaged\n  → train anew"),
        (Interrupted("stopped by SIGINT; everything is saved", remedy="go on with it"), 130, "stopped by SIGINT; everything is saved"),
    ],
)
def test_errors_have_one_message_and_one_code(
    error: Exception, code: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_command(monkeypatch, error)
    found, out, err = said(capsys, "recipes", "digits")
    assert (found, out) == (code, "")
    assert err.startswith(message)
    assert "Traceback" not in err


def test_an_out_of_memory_error_of_the_device_is_told_by_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    replace_command(monkeypatch, OutOfMemoryError("CUDA out of memory"))
    code, _, err = said(capsys, "recipes", "digits")
    assert code == 2
    assert "there is not enough memory" in err


def test_interrupt_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    replace_command(monkeypatch, KeyboardInterrupt())
    assert said(capsys, "recipes", "digits") == (130, "", "")


def test_other_processes_keep_quiet_about_mistakes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert said(capsys, "recipes", "digts", "--json") == (2, "", "")


def test_what_a_command_prints_on_the_way_does_not_reach_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = __import__("sonde.recipes").recipes.text

    def noisy(name: str) -> str:
        print("a library says hello")
        return str(text(name))

    monkeypatch.setattr("sonde.recipes.text", noisy)
    code, out, err = said(capsys, "recipes", "digits", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "digits"
    assert "a library says hello" in err


def test_version_and_bare_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version")[:2] == (0, f"sonde {__version__}\n")
    code, out, _ = said(capsys)
    assert code == 0
    assert all(f"  {name}:" in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, name, "--help")
    assert code == 0
    assert f"sonde {name}" in out
    assert "--json" in out
    assert COMMANDS[name][1].splitlines()[0] in out


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sonde", *words], capture_output=True, text=True, timeout=60, **options)


def test_as_a_module() -> None:
    done = python("recipes", "digts")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no recipe 'digts'\n  → did you mean 'digits'?\n"


def test_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m sonde recipes --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout == "{"
    assert done.stderr == ""
    assert done.returncode in (0, cli.PIPE_CLOSED)  # 0 where all fits into the pipe before it closes


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from sonde.cli.main import main; main(['--help']); main(['train', '--help'])\n"
        "print([name for name in ('torch', 'polars', 'numpy', 'PIL', 'sklearn') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr == "[]\n"


def test_first_line_of_training_comes_before_torch(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "class Guard:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': raise SystemExit('torch is wanted now')\n"
        "sys.meta_path.insert(0, Guard())\n"
        "from sonde.cli.main import main\n"
        "main(['train', 'leaves', '--epochs', '3', '--target', 'a,b'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stderr == "training on leaves · target a,b · epochs 3\ntorch is wanted now\n"
