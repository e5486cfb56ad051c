"""Run folders as far as lists need them: read without torch, and without failing on a run that is not finished."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonde.errors import RunError, did_you_mean
from sonde.report.read import read_table

FORMAT = 1


@dataclass(frozen=True)
class Folder:
    """What a run folder holds; tables are empty where their file is missing or cannot be read."""

    path: Path
    recipe: dict[str, Any]
    model: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def state(self) -> str:
        """finished; stopped, which --resume goes on with; unfinished."""
        if not self.metrics:
            return "unfinished"
        return "stopped" if self.metrics.get("stopped") == "signal" else "finished"

    @property
    def names(self) -> tuple[str, str, str]:
        """Data, task and model, a dash where unknown."""
        data = self.recipe.get("data", {}).get("path") or "–"
        task = self.model.get("task", {}).get("name") or self.recipe.get("task", {}).get("name") or "–"
        model = self.model.get("model", {}).get("name") or self.recipe.get("model", {}).get("name") or "–"
        return data, task, model

    @property
    def final(self) -> tuple[str, dict[str, Any]]:
        """The part that the run is judged by, and its measures: a K-fold's mean, else test, else validation."""
        for part in ("mean", "test", "validation", "train"):
            if self.metrics.get(part):
                return part, self.metrics[part]
        return "", {}

    @property
    def monitor(self) -> tuple[str, str]:
        """The measure that the run chose by and whether higher or lower is better."""
        _, values = self.final
        return self.metrics.get("monitor") or next(iter(values), ""), self.metrics.get("better", "lower")


def is_run(path: Path) -> bool:
    """Whether a folder is one that training wrote."""
    return (path / "recipe.toml").is_file() or (path / "model.json").is_file()


def read(path: Path) -> Folder:
    """A run folder. Raises RunError where it is none or of a newer format."""
    if not is_run(path):
        raise RunError(
            "this is not a run folder" if path.exists() else "there is no such run",
            where=str(path),
            remedy="`sonde runs` lists the runs there are",
        )
    folder = Folder(path, _toml(path / "recipe.toml"), read_table(path / "model.json"), read_table(path / "metrics.json"))
    newest = max(int(table.get("format", FORMAT)) for table in (folder.model, folder.metrics))
    if newest > FORMAT:
        raise RunError(
            f"this run folder is of format {newest}; this Sonde reads up to {FORMAT}", where=str(path), remedy="install a newer Sonde"
        )
    return folder


def find(folder: Path) -> list[Path]:
    """The run folders in `folder`, the oldest first."""
    found = [path for path in folder.iterdir() if path.is_dir() and is_run(path)] if folder.is_dir() else []
    return sorted(found, key=lambda path: (_started(path), path.name))


def inside(folder: Path, name: str) -> Path:
    """The run `name` of `folder`, given as its name or its path. Raises RunError for what is not a run in that folder."""
    known = {path.name: path for path in find(folder)}
    path = Path(name)
    plain = path.name if path.parent == Path() or path.resolve().parent == folder.resolve() else None
    if plain not in known:
        remedy = did_you_mean(path.name, known) if known else f"there are no runs in {folder}"
        raise RunError(f"there is no run {name!r} in {folder}", where="runs", remedy=remedy)
    return known[plain]


def _started(path: Path) -> float:
    for name in ("recipe.toml", "model.json"):
        if (path / name).is_file():
            return (path / name).stat().st_mtime
    return 0.0


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
