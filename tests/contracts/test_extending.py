"""docs/extending.md, done as it says: its blocks go into a copy of the package, and its commands are run there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """The page's blocks: files by path, lines by (file, table), commands in order."""

    files: dict[str, str]
    lines: list[tuple[str, str, str]]
    commands: list[list[str]]


def read_page() -> Page:
    files, lines, commands = {}, [], []
    for kind, text in BLOCK.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")):
        if kind == "console":
            commands += [shlex.split(line.removeprefix("$ ")) for line in text.splitlines()]
            continue
        place, _, rest = text.partition("\n")
        path, _, table = place.removeprefix("# ").partition(", in ")
        if table:
            lines.append((path, table, rest))
        else:
            files[path] = rest
    return Page(files, lines, commands)


PAGE = read_page()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of the contract tests with the page's files and lines put in."""
    folder = tmp_path_factory.mktemp("overlay")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "contracts", folder / "tests" / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests" / "contracts" / "models").mkdir()  # beside the contracts, where they find it without the rest of the tests
    shutil.copy(ROOT / "tests" / "models" / "tiny.py", folder / "tests" / "contracts" / "models")
    for path, text in PAGE.files.items():
        (folder / path).write_text(text, encoding="utf-8")
    for path, table, text in PAGE.lines:
        before = (folder / path).read_text(encoding="utf-8")
        after, count = re.subn(rf"(^{table}\b[^\n]*[({{]\n?)", rf"\g<1>{text}", before, count=1, flags=re.MULTILINE)
        assert count == 1, f"{path} has no table {table}"
        (folder / path).write_text(after, encoding="utf-8")
    draws = np.random.default_rng(0)
    inputs = draws.standard_normal((300, 3))
    rates = np.exp(0.5 * inputs[:, 0] + 0.3)
    rows = [
        f"{a:.4f},{b:.4f},{'red' if c > 0 else 'blue'},{a * b + a:.4f},{draws.poisson(rate)}"
        for (a, b, c), rate in zip(inputs, rates, strict=True)
    ]
    (folder / "points.csv").write_text("a,b,colour,y,count\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def run(overlay: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(overlay / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *command], cwd=overlay, env=environment, capture_output=True, text=True, timeout=300)


def test_a_model_is_one_file_and_one_line() -> None:
    models = [path for path in PAGE.files if "/models/" in path]
    assert models == ["src/sonde/models/factorisation_machine.py"]
    assert [text.count("\n") for path, _, text in PAGE.lines if "/models/" in path] == [1]


# One process for all commands, as importing PyTorch for each of them would take most of the time.
SCRIPT = """
import json, sys
from sonde.cli.main import main
for command in json.loads(sys.argv[1]):
    print(">>>", *command, file=sys.stderr, flush=True)
    if main(command):
        sys.exit(1)
"""


def test_the_commands_of_the_page_run(overlay: Path) -> None:
    assert all(command[0] == "sonde" for command in PAGE.commands)
    (overlay / "commands.py").write_text(SCRIPT, encoding="utf-8")
    done = run(overlay, "commands", json.dumps([command[1:] for command in PAGE.commands]))
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "factorisation-machine" in done.stdout
    assert "Predict counts: how many times something happens." in done.stdout
    for name in ("run", "counts"):
        assert (overlay / name / "report.html").exists()


def test_what_is_listed_is_under_contract(overlay: Path) -> None:
    contracts = [str(path) for name in ("test_models.py", "test_tasks.py") if (path := overlay / "tests" / "contracts" / name).exists()]
    done = run(
        overlay,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--rootdir",
        str(overlay),
        "-k",
        "factorisation or poisson",
        *contracts,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"[1-9]\d* passed", done.stdout), done.stdout


def test_the_new_files_pass_lint(overlay: Path) -> None:
    done = run(overlay, "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *[str(overlay / path) for path in PAGE.files])
    assert done.returncode == 0, done.stdout
