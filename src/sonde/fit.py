"""The star: recipe → data → model → task → optimiser → loop → run folder. Everything else only calls it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sonde import models, record, tasks
from sonde.data.assemble import Dataset, assemble
from sonde.data.augment import augmentation
from sonde.data.batches import Batches
from sonde.data.check import check
from sonde.data.contents import Part
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.fit import fit_preparation
from sonde.data.prepare.target import fit_target
from sonde.data.readers.cache import cache_folder
from sonde.errors import Interrupted, RecipeError, RunError, SondeError, UsageError
from sonde.explain.explain import explain
from sonde.models import weights as weight_files
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared
from sonde.optim import optimizers
from sonde.recipe import Recipe, read
from sonde.recipes.defaults import Facts, complete
from sonde.record import Experiment
from sonde.report.page import write_report
from sonde.run import PartData, Run, batch_of, read_json
from sonde.training import compile as compiling
from sonde.training import finish, probe
from sonde.training.checkpoints import Checkpoints, write_json
from sonde.training.events import EventLog, Listener
from sonde.training.interrupt import watching
from sonde.training.launch import launch
from sonde.training.loop import Loop, Plan
from sonde.training.precision import check_precision, default_precision, working_dtype
from sonde.training.world import World, join


def train(recipe: Recipe, *, data: Any = None, out: Path | None = None, listen: Sequence[Listener] = (), pages: bool = True) -> Run:
    """Train what the recipe says and leave a run folder at `out` (default: runs/<name of the data>-<number>).

    `data` stands for the recipe's path: a frame, arrays, anything that `open_data` reads. Listeners are told every
    event. Without `pages` neither figures nor report are made. Raises the errors of sonde.errors; Interrupted after Ctrl-C or SIGTERM, when everything has been saved.
    """
    if recipe.training.processes > 1 and "WORLD_SIZE" not in os.environ:
        return _train_processes(recipe, data, out, listen)
    with join(recipe.training.device) as world:
        started = time.monotonic()
        experiment = prepare(recipe, data, world)
        folder = Path(world.share(str(record.new_folder(record.name_of(recipe, data), out)) if world.main else None))
        with record.locked(folder, world):
            if world.main:
                record.describe(folder, experiment, world)
            return _fit(experiment, folder, world, listen, started=started, resume=False, pages=pages)


def resume(path: Path, recipe: Recipe | None = None, *, data: Any = None, listen: Sequence[Listener] = ()) -> Run:
    """Go on with a run from its last whole checkpoint, bit for bit as if it had never stopped.

    `recipe` may change the length (`training.epochs`, `minutes`, `patience`): a schedule is then a function of the new
    number of steps from here on, which is said.
    """
    before = Run.load(path).recipe
    recipe = before if recipe is None else recipe
    if recipe.training.processes > 1 and "WORLD_SIZE" not in os.environ:
        return _resume_processes(path, recipe, listen)
    with join(recipe.training.device) as world, record.locked(path, world):
        started = time.monotonic()
        experiment = prepare(recipe, data, world)
        if world.main:
            record.check_same(path, experiment, world, listen)
            (path / "recipe.toml").write_text(experiment.recipe.toml(), encoding="utf-8")
        return _fit(experiment, path, world, listen, started=started, resume=True)


def prepare(recipe: Recipe, data: Any, world: World) -> Experiment:
    """Everything before the first step: open, infer, split, check, fit the preprocessing, build the model."""
    torch.manual_seed(recipe.training.seed)
    dataset = assemble(recipe, data)
    inferred = dataset.inferred
    findings = check(dataset.content, recipe.data, inferred=inferred, parts=dataset.parts, deep=False)
    findings.stop()
    recipe = recipe.replace(task={"name": inferred.task}, data={"target": inferred.targets})
    chosen = dataset.parts["train"]
    target = fit_target(inferred.task, recipe.task.options, chosen, inferred.targets)
    preparation = fit_preparation(
        dataset.content, chosen, recipe.data, task=inferred.task, targets=inferred.targets, options=recipe.task.options
    )
    sizes = dict(preparation.sizes)
    facts = Facts(dataset.content.kind, inferred.task, len(chosen), sizes.get("size", 0), sizes.get("channels", 0), target.outputs)
    recipe = decide_machine(complete(recipe, facts), world)
    task = tasks.build(inferred.task, recipe.task.options, target.values)
    config = network_config(recipe, sizes, target.outputs)
    network = models.build(recipe.model.name or "", config)
    if recipe.model.weights is not None:
        weight_files.load(Path(recipe.model.weights), network)
    model = Prepared(normaliser(preparation.normalisation), network)
    model.to(device=world.device, dtype=working_dtype(recipe.training.precision or "float32"))
    if recipe.training.channels_last and sizes.get("size"):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Experiment(
        recipe, dataset, preparation, target, task, model, config, encode(dataset, preparation, target, recipe, world), findings
    )


def decide_machine(recipe: Recipe, world: World) -> Recipe:
    """The recipe with what the machine decides: device, number format."""
    precision = recipe.training.precision or default_precision(world.device)
    check_precision(precision, world.device)
    batch = recipe.training.batch_size or 1
    if recipe.training.accumulate > batch:
        raise RecipeError(
            f"a batch of {batch} cannot be cut into {recipe.training.accumulate} pieces",
            where="training.accumulate",
            remedy="use a larger --batch-size",
        )
    return recipe.replace(
        training={
            "precision": precision,
            "device": world.device.type if recipe.training.device is None else recipe.training.device,
            "channels_last": world.device.type == "cuda" if recipe.training.channels_last is None else recipe.training.channels_last,
        }
    )


def network_config(recipe: Recipe, sizes: dict[str, Any], outputs: int) -> dict[str, Any]:
    """The model's Config as a table: the user's values and the sizes that the data decide."""
    name, task, images = recipe.model.name or "", recipe.task.name or "", "channels" in sizes
    models.check_fit(name, task=task, images=images)
    if models.accepts(name) == "images":
        filled: dict[str, Any] = {"channels": sizes["channels"], "size": sizes["size"], "classes": outputs}
    else:
        numbers = sizes["channels"] * sizes["size"] ** 2 if images else sizes["numbers"]
        filled = {"numbers": numbers, "categories": tuple(sizes.get("categories", ())), "outputs": outputs}
    if name == "perceptron":
        if outputs != 2:
            raise RecipeError(
                f"the perceptron tells two classes apart; these data have {outputs}",
                where="model.name",
                remedy="use softmax-regression or mlp",
            )
        filled["outputs"] = 1
    return dataclasses.asdict(models.config(name, {**recipe.model.config, **filled}))


def encode(dataset: Dataset, preparation: Any, target: Any, recipe: Recipe, world: World) -> dict[Part, PartData]:
    """Each part as tensors; a file that several parts share is encoded once. Undecodable examples are left out (`--on-error skip`)."""
    done: dict[int, Columns] = {}
    parts: dict[Part, PartData] = {}
    for name, chosen in dataset.parts.items():
        key = id(chosen.examples)
        if key not in done:
            if not world.main:
                world.wait()
            done[key] = build_columns(
                preparation,
                target,
                chosen.examples,
                cache=cache_folder() / "columns",
                fingerprint=f"{dataset.content.fingerprint}-{name}",
                on_error=recipe.data.on_error,
            )
            if world.main:
                world.wait()
        columns = done[key]
        parts[name] = PartData(columns, chosen.index[columns.valid[chosen.index]], chosen.examples)
    return parts


def _fit(
    experiment: Experiment, folder: Path, world: World, listen: Sequence[Listener], *, started: float, resume: bool, pages: bool = True
) -> Run:
    """The loop and what comes after it."""
    recipe, model, task = experiment.recipe, experiment.model, experiment.task
    log = EventLog(folder / "events.jsonl" if world.main else None, listen if world.main else ())
    device = world.device
    augment = augmentation(recipe.data.augment or (), seed=recipe.training.seed)
    part = experiment.parts["train"]
    size = recipe.training.batch_size or 1
    batches = Batches(
        part.columns,
        part.index,
        batch_size=size,
        seed=recipe.training.seed,
        shuffle=True,
        device=device,
        rank=world.rank,
        world_size=world.size,
        accumulate=recipe.training.accumulate,
        augment=augment,
    )
    validation = None
    if "validation" in experiment.parts and len(experiment.parts["validation"].index):
        held = experiment.parts["validation"]
        validation = Batches(
            held.columns,
            held.index,
            batch_size=batch_of(model),
            seed=0,
            shuffle=False,
            device=device,
            rank=world.rank,
            world_size=world.size,
        )
    with contextlib.closing(log), watching() as request:
        checkpoints = Checkpoints(folder)
        recipe = _decide(recipe, experiment, batches, folder, world, log, resume=resume)
        plan = plan_of(recipe, task)
        optimizer = optimizers.build(
            recipe.optim.name or "sgd",
            model.network,
            lr=plan.lr,
            momentum=recipe.optim.momentum,
            weight_decay=recipe.optim.weight_decay or 0.0,
            decay_bias=recipe.optim.decay_bias,
        )
        loop = Loop(model, model.network, task, optimizer, batches, validation, world, plan, checkpoints, log, request)
        ready = time.monotonic()
        if resume:
            _restore(loop, checkpoints, log, recipe)
        else:
            log.emit(
                {
                    "event": "start",
                    "time": time.time(),
                    "steps_per_epoch": batches.steps,
                    "epochs": plan.epochs,
                    "examples": len(part.index),
                    "parameters": sum(p.numel() for p in model.network.parameters()),
                }
            )
        reason = loop.run()
        if reason == "signal":
            log.emit({"event": "stop", "step": loop.progress.step, "reason": "signal", "message": f"stopped by {request.signal}"})
            raise Interrupted(
                f"stopped by {request.signal} at step {loop.progress.step}; everything is saved",
                where=str(folder),
                remedy=f"go on with `sonde train --resume {folder}`",
            )
        finish.finish(loop, part.columns, part.index)
        trained = time.monotonic()
        run = record.measure(experiment, recipe, loop, folder, world, reason, times=(started, ready, trained))
        log.emit({"event": "stop", "step": loop.progress.step, "reason": reason, "message": ""})
    if world.main and pages:
        explain(run)
        write_report([run.path])
    world.wait()
    return run


def _decide(recipe: Recipe, experiment: Experiment, batches: Batches, folder: Path, world: World, log: EventLog, *, resume: bool) -> Recipe:
    """Learning rate, epochs and compilation where they are to be found out: on throw-away copies, before step 0."""
    if resume:
        compiled = bool(read_json(folder / "environment.json")["compile"])
        return recipe.replace(training={"compile": compiled})
    tried = probe.Tried(experiment.model, experiment.task, batches, recipe, world)
    if recipe.optim.lr == "auto":
        lr = tried.learning_rate()
        log.emit({"event": "note", "message": f"--lr auto chose {lr:.3g}"})
        recipe = recipe.replace(optim={"lr": lr})
    if recipe.training.minutes is not None:
        epochs = tried.epochs_within(recipe.training.minutes * 60)
        epochs = epochs if recipe.training.epochs is None else min(epochs, recipe.training.epochs)
        log.emit(
            {
                "event": "note",
                "message": f"{recipe.training.minutes:g} minutes are enough for about {epochs} epochs; the schedule ends with them",
            }
        )
        recipe = recipe.replace(training={"epochs": epochs})
    compiled = compiling.decide(recipe.training.compile, tried)
    recipe = recipe.replace(training={"compile": compiled})
    if world.main:
        (folder / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
        environment = read_json(folder / "environment.json")
        write_json(folder / "environment.json", environment | {"compile": compiled})
    return recipe


def plan_of(recipe: Recipe, task: tasks.Task) -> Plan:
    """The recipe's numbers as the loop wants them."""
    optim, training = recipe.optim, recipe.training
    monitor, measure = next(iter(task.metrics(final=False).items()))
    assert isinstance(optim.lr, float) and training.epochs is not None
    return Plan(
        epochs=training.epochs,
        lr=optim.lr,
        monitor=monitor,
        better=measure.better,
        schedule=optim.schedule or "constant",
        warmup=optim.warmup,
        clip=optim.clip,
        ball=optim.ball,
        seed=training.seed,
        precision=training.precision or "float32",
        ema=training.ema,
        patience=training.patience or 0,
        seconds=None if training.minutes is None else training.minutes * 60,
        save_every=training.save_every * 60,
        trace=training.trace,
        compile=bool(training.compile),
    )


def _restore(loop: Loop, checkpoints: Checkpoints, log: EventLog, recipe: Recipe) -> None:
    """Continue from the last whole checkpoint."""
    checkpoint, said = checkpoints.load("last")
    values = checkpoint.values
    if values["steps_per_epoch"] != loop.train.steps:
        raise RunError(
            f"an epoch had {values['steps_per_epoch']} steps and now has {loop.train.steps}",
            where=str(checkpoints.run),
            remedy="resume with the batch size and the data that the run began with",
        )
    loop.restore(checkpoint)
    for message in said:
        log.emit({"event": "note", "message": message})
    if values["plan_steps"] != loop.steps and loop.plan.schedule != "constant":
        changed = f"the {loop.plan.schedule} schedule now runs over {loop.steps} steps instead of {values['plan_steps']}"
        log.emit({"event": "note", "message": f"{changed}; the rate goes on from where that puts step {loop.progress.step}"})


def _train_processes(recipe: Recipe, data: Any, out: Path | None, listen: Sequence[Listener]) -> Run:
    """The same training on several processes of this machine."""
    if data is not None:
        raise UsageError(
            "several processes need data at a path that each of them can read",
            where="--processes",
            remedy="save the frame or arrays to a file, and give its path",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_text(recipe.toml(), encoding="utf-8")
        said = launch(["train", str(path), str(out or "")], processes=recipe.training.processes, listen=listen)
    return Run.load(str(said["run"]))


def _resume_processes(path: Path, recipe: Recipe, listen: Sequence[Listener]) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "recipe.toml"
        changed.write_text(recipe.toml(), encoding="utf-8")
        launch(["resume", str(changed), str(path)], processes=recipe.training.processes, listen=listen)
    return Run.load(path)


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: Sequence[str]) -> int:
    """One of several processes, started by `launch`: `train|resume RECIPE FOLDER`. The first tells its events on standard output."""
    what, recipe_file, folder = arguments
    try:
        recipe = read(Path(recipe_file))
        if what == "train":
            run = train(recipe, out=Path(folder) if folder else None, listen=[_say])
        else:
            run = resume(Path(folder), recipe, listen=[_say])
    except SondeError as error:
        _say({"event": "error", "error": {"what": error.what, "where": error.where, "remedy": error.remedy, "exit_code": error.exit_code}})
        return error.exit_code
    _say({"event": "done", "run": str(run.path)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
