"""What a run leaves in its folder: description, measures, predictions. Only the main process writes."""

from __future__ import annotations

import fcntl
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from sonde import tasks
from sonde.data.checks.scene_sheet import scene_sheet
from sonde.data.checks.sheet import contact_sheet
from sonde.data.contents import SCENES
from sonde.data.feed import feed
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.fit import save_preparation
from sonde.errors import RunError
from sonde.experiment import Experiment
from sonde.predictions import answer_rows, measured_outlines, prediction_rows
from sonde.recipe import Recipe
from sonde.run import PartData, Run, batch_of, of_texts
from sonde.run_folder import FORMAT, read_json
from sonde.training.checkpoints import averaged, write_json
from sonde.training.evaluate import Evaluation, evaluate
from sonde.training.events import Listener, read_events
from sonde.training.loop import Loop
from sonde.training.world import World

# Final measures of the training part look at no more examples than this, drawn by the seed.
TRAINING_SAMPLE = 20_000


def name_of(recipe: Recipe, data: Any) -> str:
    """What to call runs on these data: the path's last name without its endings, or `frame` for data in memory."""
    if data is not None or recipe.data.path is None:
        return "data"
    return Path(recipe.data.path).resolve().name.partition(".")[0] or "data"


def new_folder(name: str, out: Path | None) -> Path:
    """Make the run folder: `out`, which must not hold a run yet, or the next free runs/<name>-<number>."""
    if out is not None:
        if (out / "model.json").exists():
            raise RunError(
                "there is a run in this folder already",
                where=str(out),
                remedy=f"choose another --out, or go on with it: `sonde train --resume {out}`",
            )
        return _made(out)
    number = 1
    while (Path("runs") / f"{name}-{number}").exists():
        number += 1
    return _made(Path("runs") / f"{name}-{number}")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.txt").touch()
    except OSError as error:
        raise RunError(
            f"this folder cannot be written: {error.strerror}", where=str(folder), remedy="choose another folder with --out"
        ) from None
    return folder


@contextmanager
def locked(folder: Path, world: World) -> Iterator[None]:
    """Hold the run folder for this process; RunError where another one writes it. The system lets go when a process dies."""
    if not world.main:
        yield
        return
    if not folder.is_dir():
        raise RunError("there is no such run", where=str(folder), remedy="`sonde runs` lists the runs there are")
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise RunError(
            f"this folder cannot be written: {error.strerror}",
            where=str(folder),
            remedy="check its permissions, or choose another folder with --out",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                "another process is writing this run", where=str(folder), remedy="wait for it, or choose another folder with --out"
            ) from None
        yield


def describe(folder: Path, experiment: Experiment, world: World) -> None:
    """Write what is known before the first step: recipe, model, data, environment, preprocessing."""
    recipe, dataset = experiment.recipe, experiment.dataset
    (folder / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
    write_json(folder / "data.json", experiment.findings.to_json(_thumbnails(experiment, folder)))
    write_json(folder / "environment.json", environment(experiment, world))
    save_preparation(experiment.preparation, experiment.target, folder / "preprocessing")
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "sonde": _version("sonde"),
            "kind": dataset.content.kind,
            "fingerprint": dataset.content.fingerprint,
            "model": {"name": recipe.model.name, "config": experiment.config},
            "task": {"name": recipe.task.name, "options": recipe.task.options, "target": experiment.target.values},
            "parameters": sum(parameter.numel() for parameter in experiment.model.network.parameters()),
            "begun": experiment.begun,
        },
    )


def _thumbnails(experiment: Experiment, folder: Path) -> list[dict[str, str]]:
    """A few pictures of each class, for the report."""
    content = experiment.dataset.content
    if content.kind in SCENES:
        return scene_sheet(content, folder)
    return contact_sheet(content, folder) if content.kind == "images" else []


def environment(experiment: Experiment, world: World) -> dict[str, Any]:
    """What a bitwise equal repeat needs to have the same."""
    packages = ("torch", "numpy", "polars", "scikit-learn", "pillow", "safetensors", "pydantic")
    return {
        "format": FORMAT,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "sonde": _version("sonde"),
        "packages": {name: _version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "processes": world.size,
        "device": str(world.device),
        "data": experiment.dataset.content.fingerprint,
        "compile": False,
        "command": sys.argv,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_same(folder: Path, experiment: Experiment, world: World, listen: Sequence[Listener]) -> None:
    """Say where a resume runs under other conditions than the run began with: it is then not bitwise equal."""
    before, now = read_json(folder / "environment.json"), environment(experiment, world)
    told = {
        "data": "the data",
        "threads": "the number of threads",
        "processes": "the number of processes",
        "device": "the device",
        "packages": "package versions",
        "processor": "the processor",
        "python": "Python's version",
    }
    changed = [words for key, words in told.items() if before.get(key) != now[key]]
    for words in changed:
        for listener in listen:
            listener({"event": "note", "message": f"{words} changed since the run began: it goes on, but not bit for bit as it would have"})


def measure(
    experiment: Experiment, recipe: Recipe, loop: Loop, folder: Path, world: World, reason: str, *, times: tuple[float, float, float]
) -> Run:
    """Final measures of every part with the best weights; metrics.json and predictions.parquet."""
    started, ready, trained = times
    _take_best(loop, world)
    measured: dict[str, dict[str, float]] = {}
    rows: list[pl.DataFrame] = []
    for name, part in experiment.parts.items():
        index = part.index
        sample = tasks.training_sample(loop.task, TRAINING_SAMPLE)
        if name == "train" and len(index) > sample:
            if sample < TRAINING_SAMPLE:
                loop.log.emit({"event": "note", "message": f"the training part is measured by {sample:,} of its {len(index):,} examples"})
            draw = np.random.default_rng(recipe.training.seed)
            running = bool(part.columns.window)  # a sample of running text is a stretch of it
            index = index[-sample:] if running else _sample(part.columns, index, draw.permutation(index), sample)
        batches = feed(
            part.columns, index, batch_size=batch_of(loop.network, part.columns), device=world.device, rank=world.rank, world_size=world.size
        )
        found = evaluate(experiment.model, loop.task, batches, world, final=True)
        if world.main:
            found = of_texts(loop.task, found, part, experiment.preparation, experiment.target.values)
            found = measured_outlines(found, part.examples, experiment.preparation, experiment.target.values)
        # A measure without a meaning here (an AUC where one class is missing) is no number, and left out.
        measured[name] = {key: value for key, value in found.metrics.items() if math.isfinite(value)}
        if found.predictions is not None and name != "train":
            rows.append(_rows(experiment, recipe, loop.task, name, part, found))
        if name != "train":
            loop.log.emit(
                {
                    "event": "result",
                    "step": loop.progress.best_step,
                    "epoch": loop.progress.best_epoch,
                    "part": name,
                    "metrics": measured[name],
                }
            )
    run = Run(folder)
    if world.main:
        now, plan = loop.progress, loop.plan
        if rows:
            pl.concat(rows, how="diagonal_relaxed").write_parquet(folder / "predictions.parquet")
        speeds = sorted(event["examples_per_second"] for event in read_events(folder / "events.jsonl") if event["event"] == "train")
        value = now.best if now.best is not None else measured.get("validation", measured["train"]).get(plan.monitor)
        write_json(
            folder / "metrics.json",
            {
                "format": FORMAT,
                "monitor": plan.monitor,
                "better": plan.better,
                "best": {"epoch": now.best_epoch, "step": now.best_step, "value": value},
                **measured,
                "epochs": now.epoch,
                "steps": now.step,
                "stopped": reason,
                "seconds": {
                    "prepare": ready - started,
                    "train": trained - ready,
                    "evaluate": time.monotonic() - trained,
                    "total": time.monotonic() - started,
                },
                "examples_per_second": speeds[len(speeds) // 2] if speeds else None,
                "examples": {name: len(part.index) for name, part in experiment.parts.items()},
                "test_looks": run.look() if "test" in measured else 0,
            },
        )
    run.keep(experiment.dataset, dict(experiment.parts))
    return run


def _sample(columns: Columns, index: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
    """`count` of the examples `index`, which `order` has drawn; of windows all those of the questions of the first ones."""
    if columns.windows is None:
        return np.sort(order[:count])
    chosen = columns.windows.question[torch.from_numpy(order[:count])].unique()
    return index[torch.isin(columns.windows.question[torch.from_numpy(index)], chosen).numpy()]


def _rows(experiment: Experiment, recipe: Recipe, task: tasks.Task, name: str, part: PartData, found: Evaluation) -> pl.DataFrame:
    """The rows of predictions.parquet for one part; of questions with the right answers beside."""
    target = experiment.target.values
    if part.columns.windows is None:
        return prediction_rows(
            task,
            name,
            part.examples,
            part.columns.targets,
            found,
            id_column=recipe.data.id or experiment.dataset.content.time,
            target=target,
            preparation=experiment.preparation,
        )
    assert found.predictions is not None and found.index is not None
    rows = answer_rows(found.predictions.cpu(), found.index.cpu(), part.columns, part.examples, experiment.preparation, target)
    right = part.examples.frame[target["columns"][0]].gather(rows["example"].to_numpy())
    return rows.select(pl.lit(name).alias("part"), pl.all(), right.alias("answers"))


def _take_best(loop: Loop, world: World) -> None:
    """Put the best checkpoint's weights, averaged ones where there are such, into the network of every process."""
    if world.main and loop.checkpoints.names():
        best, said = loop.checkpoints.load("best")
        for message in said:
            loop.log.emit({"event": "note", "message": message})
        loop.network.load_state_dict(averaged(best))
    for tensor in loop.network.state_dict().values():
        if world.size > 1:
            torch.distributed.broadcast(tensor, 0)
