"""Weights to start from, and what is known of them: a file, a folder, a run of Sonde, or a model of the Hugging Face hub.

A run says all: architecture, sizes, labels, preprocessing. A folder may have a config.json as the hub's models do, with the labels
and the mean and spread that pictures were normalised with. A file alone has names and shapes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from sonde import models
from sonde.data.prepare.target import labels_of
from sonde.errors import RecipeError, RunError, nearest
from sonde.finetune import hub
from sonde.models import weights
from sonde.models.bert import described, published
from sonde.models.ranges import OF_THE_DATA
from sonde.run import Run, normalisation
from sonde.training.checkpoints import Checkpoints, averaged

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_SHOWN = 5
_FILES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True)
class Source:
    """Named tensors and what they were trained for.

    `model`, `config`: the architecture and its values, where they are known. `labels`: of the outputs, in order. `normalisation`:
    {"mean": […], "std": […]} per channel on the 0…1 scale. `run`: the run that they are of.
    """

    where: str
    tensors: dict[str, Tensor]
    model: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    normalisation: dict[str, list[float]] | None = None
    run: Run | None = None

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes that a run's data had: channels and height of pictures, and the like."""
        return {} if self.run is None else {key: value for key, value in self.run.description["model"]["config"].items() if key in OF_THE_DATA}


def open_source(text: str) -> Source:
    """What `--weights TEXT` stands for: an existing path first, then a hub name, unless its first part is a folder here.

    Raises RecipeError where neither fits, and for weights that are missing, damaged or not to be had.
    """
    path = Path(text)
    if path.exists():
        found = _run_of(path)
        return _of_path(path) if found is None else _of_run(*found)
    near = _near(path)
    if _HUB_NAME.fullmatch(text) and not text.endswith(_FILES):
        folder = Path(text.partition("@")[0]).parent
        if not folder.is_dir():
            return _of_path(hub.fetch(text))
        remedy = f"{near or _names_in(folder)}; for the hub's model of this name run from another folder"
        raise RecipeError(f"there is no such run or file in the folder {folder}", where=text, remedy=remedy)
    remedy = "give an existing file, a run's folder, or the name of a model on the Hugging Face hub: organisation/name"
    raise RecipeError("there are no such weights", where=text, remedy=f"{near} else {remedy}" if near else remedy)


def _near(path: Path) -> str:
    """A question after the name most like that of `path`, of those that stand where it should; empty where none is like it."""
    found = nearest(path.name, _entries(path.parent))
    return f"did you mean {path.parent / found}?" if found else ""


def _names_in(folder: Path) -> str:
    names = _entries(folder)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN])}{more}" if names else "it is empty"


def _entries(folder: Path) -> list[str]:
    """The names in a folder, in order; none where it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _run_of(path: Path) -> tuple[Path, str | None] | None:
    """The run that a path is of, and the checkpoint that it names; None for a path of no run."""
    if (path / "model.json").is_file():
        return path, None
    folder = path.parent if path.is_file() else path
    run = folder.parent.parent
    if folder.parent.name == "checkpoints" and (run / "model.json").is_file():
        return run, folder.name
    return None


def _of_run(path: Path, checkpoint: str | None) -> Source:
    run = Run.load(path)
    if run.folds:
        remedy = f"name one of its folds: {run.folds[0].path}"
        raise RecipeError("this is a K-fold, which has no weights of its own", where=str(path), remedy=remedy)
    try:
        chosen, _ = Checkpoints(path).load("best" if checkpoint is None else checkpoint)
    except RunError as error:
        raise RecipeError(error.what, where=error.where, remedy="give a run that has a checkpoint") from None
    described = run.description["model"]
    first = normalisation(run.preparation, run.recipe)
    return Source(
        where=str(path if checkpoint is None else path / "checkpoints" / checkpoint),
        tensors=averaged(chosen),
        model=described["name"],
        config={key: value for key, value in described["config"].items() if key not in OF_THE_DATA},
        labels=labels_of(run.target.values),
        normalisation=_normalisation(first) if first["kind"] == "images" else None,
        run=run,
    )


def _of_path(path: Path) -> Source:
    file = weights.file_in(path)
    known = _config(file.parent / "config.json")
    bert = described(known)
    return Source(
        where=str(file),
        tensors=weights.read(file) if bert is None else published(weights.read(file)),
        model=_architecture(known) if bert is None else bert[0],
        config={} if bert is None else bert[1],
        labels=_labels(known),
        normalisation=_normalisation(known.get("pretrained_cfg", known)),
    )


def _config(path: Path) -> dict[str, Any]:
    """A hub model's config.json; empty where there is none, or another kind of file of that name."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _architecture(known: dict[str, Any]) -> str | None:
    name = str(known.get("architecture", "")).replace("_", "-")
    return name if name in models.MODELS else None


def _labels(known: dict[str, Any]) -> tuple[str, ...] | None:
    """`label_names`, a list, or `id2label`, a table from the output's number."""
    names, numbered = known.get("label_names"), known.get("id2label")
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    if isinstance(numbered, dict) and all(str(number) in numbered for number in range(len(numbered))):
        return tuple(str(numbered[str(number)]) for number in range(len(numbered)))
    return None


def _normalisation(known: Any) -> dict[str, list[float]] | None:
    if not isinstance(known, dict):
        return None
    mean, std = known.get("mean"), known.get("std")
    if isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std):
        return {"mean": [float(value) for value in mean], "std": [float(value) for value in std]}
    return None
