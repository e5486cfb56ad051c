"""The wheel holds all that the package needs: built, installed elsewhere, and trained with from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("sonde-*.whl")
    return found


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed into a folder of its own; its requirements are those of this interpreter."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    kept = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("sonde/")}
    here = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "sonde").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here <= kept, f"left out: {sorted(here - kept)}"
    assert any(name.startswith("sonde/recipes/") and name.endswith(".toml") for name in kept), "no named recipe is inside"


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sonde"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 2_000_000, "code and recipes only: no data, no weights"


def test_installed_wheel_trains_from_another_folder(site: Path, tmp_path: Path) -> None:
    where = python(site, tmp_path, "-c", "import sonde; print(sonde.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(site), where
    done = python(site, tmp_path, "-m", "sonde", "train", "--epochs", "1", "--json", "--out", "first")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    run = tmp_path / "first"
    assert answer["metrics"], answer
    assert {"recipe.toml", "model.json", "metrics.json", "events.jsonl", "report.html", "checkpoints.json"} <= {
        path.name for path in run.iterdir()
    }


def test_installed_wheel_knows_its_recipes_and_sets(site: Path, tmp_path: Path) -> None:
    script = (
        "from sonde.data.open import known_sets, open_data\n"
        "from sonde.recipe import Data\n"
        "assert {'digits', 'views'} <= set(known_sets()), known_sets()\n"
        "print(len(open_data('digits', Data()).examples), len(open_data('views', Data()).examples))\n"
    )
    done = python(site, tmp_path, "-c", script)
    assert done.stdout.split() == ["1797", "16"], done.stderr


def test_console_command_is_installed(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(site / "bin" / "sonde"), "--help"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
