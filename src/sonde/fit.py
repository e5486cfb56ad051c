"""The star: recipe → data → model → task → optimiser → loop → run folder. Everything else only calls it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sonde import recipes, record, tasks
from sonde.data import augment
from sonde.data.feed import Feed, feed
from sonde.data.open import known_sets
from sonde.data.scene_batches import boxes_of
from sonde.errors import Interrupted, RunError, SondeError, UsageError, did_you_mean
from sonde.experiment import Experiment, prepare
from sonde.explain.explain import explain
from sonde.finetune.features import cut
from sonde.nn.prepared import own_losses
from sonde.recipe import Recipe, read
from sonde.report.page import write_report
from sonde.run import Run, batch_of
from sonde.run_folder import read_json
from sonde.training import compile as compiling
from sonde.training import finish, probe
from sonde.training.checkpoints import Checkpoints, write_json
from sonde.training.events import EventLog, Listener, TextLog
from sonde.training.interrupt import watching
from sonde.training.launch import launch
from sonde.training.loop import Loop
from sonde.training.optimizer import build_optimizer
from sonde.training.plan import Plan
from sonde.training.world import World, join, leave


def recipe_for(source: str | None) -> Recipe:
    """The recipe that the command's one positional stands for: an existing path, then a recipe, then a named set.

    None is the recipe `digits`. A `.toml` file is a recipe file. Raises UsageError where a path and a name both fit, and
    where nothing fits.
    """
    if source is None:
        return recipes.load("digits")
    sets = known_sets()
    bare = source in recipes.RECIPES or source in sets
    path = Path(source)
    if path.exists():
        if bare:
            what = "recipe" if source in recipes.RECIPES else "set"
            raise UsageError(
                f"{source!r} is both a path here and a named {what}",
                where=source,
                remedy=f"write ./{source} for the path; for the {what}, run from another folder",
            )
        if path.suffix == ".toml" and path.is_file():
            return read(path)
        if (path / "model.json").exists():
            raise UsageError(
                "this is a run, not data",
                where=source,
                remedy=f"go on with it: `sonde train --resume {source}`; repeat it: `sonde train {path / 'recipe.toml'}`",
            )
        return Recipe().replace(data={"path": source})
    if source in recipes.RECIPES:
        return recipes.load(source)
    if source in sets:
        return Recipe().replace(data={"path": source})
    raise UsageError(f"there is no file, recipe or set {source!r}", where=source, remedy=did_you_mean(source, [*recipes.RECIPES, *sets]))


def train(recipe: Recipe, *, data: Any = None, out: Path | None = None, listen: Sequence[Listener] = (), pages: bool = True) -> Run:
    """Train what the recipe says and leave a run folder at `out` (default: runs/<name of the data>-<number>).

    `data` stands for the recipe's path: a frame, arrays, anything that `open_data` reads. Listeners are told every
    event. Without `pages` the run is there for its model alone: neither figures nor report are made, and epochs that are
    neither the best nor the last leave no checkpoint. Raises the errors of sonde.errors; Interrupted after
    Ctrl-C or SIGTERM, when everything has been saved.
    """
    augment.parse(recipe.data.augment or ())  # what is misspelt is said before anything slow
    if recipe.training.processes > 1 and "WORLD_SIZE" not in os.environ:
        return _train_processes(recipe, data, out, listen)
    with join(recipe.training.device) as world:
        started = time.monotonic()
        experiment = prepare(recipe, data, world)
        experiment = replace(experiment, notes=experiment.notes + _check_augmentation(experiment, recipe))
        folder = Path(world.share(str(record.new_folder(record.name_of(recipe, data), out)) if world.main else None))
        with record.locked(folder, world):
            if world.main:
                record.describe(folder, experiment, world)
                for listener in listen:  # told, not kept: data.json holds it
                    listener({"event": "data", **experiment.findings.to_json()})
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
        experiment = prepare(recipe, data, world, resumed=path if Checkpoints(path).names() else None)
        if world.main:
            record.check_same(path, experiment, world, listen)
            (path / "recipe.toml").write_text(experiment.recipe.toml(), encoding="utf-8")
        return _fit(experiment, path, world, listen, started=started, resume=True)


def _fit(
    experiment: Experiment, folder: Path, world: World, listen: Sequence[Listener], *, started: float, resume: bool, pages: bool = True
) -> Run:
    """The loop and what comes after it."""
    recipe, model, task = experiment.recipe, experiment.model, experiment.task
    log = EventLog(folder / "events.jsonl", (TextLog(folder / "log.txt"), *listen)) if world.main else EventLog(None)
    part = experiment.parts["train"]
    with contextlib.closing(log), watching() as request:
        checkpoints = Checkpoints(folder)
        resume = resume and bool(checkpoints.names())  # a run that was killed before its first checkpoint begins anew
        if not resume and recipe.model.weights is None:  # else the weights come from a file, what is fitted before training too
            finish.start(model, task, part.columns, part.index, world)
        if resume:  # a frozen body's features are computed below
            model.network.load_state_dict(checkpoints.load("last")[0].weights)
        seen = _seen(experiment, world)
        batches, validation = _batches(seen, world)
        recipe = _decide(recipe, seen, batches, folder, world, log, resume=resume)
        plan = replace(plan_of(recipe, task), save_epochs=pages)
        optimizer = build_optimizer(recipe.optim, model.network, lr=plan.lr)
        loop = Loop(seen.model, model.network, task, optimizer, batches, validation, world, plan, checkpoints, log, request)
        ready = time.monotonic()
        if resume:
            _restore(loop, checkpoints, log, recipe)
            started, ready = started - loop.progress.elapsed, ready - loop.progress.elapsed  # training before the break counts as well
        else:
            log.truncate(0)
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
            for message in seen.notes:
                log.emit({"event": "note", "message": message})
        try:
            reason = loop.run()
        except SondeError as error:
            with contextlib.suppress(OSError):  # where the disk is full, what to do about it matters more than a last line
                log.emit({"event": "stop", "step": loop.progress.step, "reason": "error", "message": error.what})
            raise
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


def _check_augmentation(experiment: Experiment, asked: Recipe) -> tuple[str, ...]:
    """What is to be said of it, with the recipe that was asked for. Raises RecipeError where these data, this task or this model do not go with it."""
    task = experiment.recipe.task.name
    mixable = task in tasks.MIXING and own_losses(experiment.model) is None
    names, kind = experiment.recipe.data.augment or (), experiment.dataset.content.kind
    augment.check(names, kind=kind, mixable=mixable)
    steps, part = augment.augmentation(names, seed=experiment.recipe.training.seed), experiment.parts["train"]
    if kind == "boxes" and steps is not None and part.columns.targets is not None:
        few = part.index[: augment.TRIED]
        steps.check_boxes(boxes_of(part.columns, few), torch.from_numpy(few))
    wanted = ", ".join(name for name in asked.data.augment or () if name != augment.NONE)
    if not wanted or experiment.recipe.training.epochs != 0:
        return ()
    # A note, as a recipe's augmentation is not what was asked for where another model, or --epochs 0, takes its place.
    why = "there are no epochs to augment pictures in"
    if asked.training.epochs is None:
        why = f"{experiment.recipe.model.name} is fitted to the pictures as they are, without epochs (--epochs 20 has some)"
    return (f"{why}, so that {wanted} changes nothing",)


def _seen(experiment: Experiment, world: World) -> Experiment:
    """What the loop sees: of a model with a frozen body the head and its inputs alone, where these are always the same."""
    found = cut(experiment.model, experiment.recipe, experiment.parts, world.device)
    if found is None:
        return experiment
    model, parts = found
    said = "nothing in front of the head varies, so each example goes through the frozen body once"
    return replace(experiment, model=model, parts=experiment.parts | parts, notes=(*experiment.notes, said))


def _batches(experiment: Experiment, world: World) -> tuple[Feed, Feed | None]:
    """The training part in the order of its epochs, and the validation part as it stands, where there is one."""
    recipe, part = experiment.recipe, experiment.parts["train"]
    batches = feed(
        part.columns,
        part.index,
        batch_size=recipe.training.batch_size or 1,
        seed=recipe.training.seed,
        shuffle=True,
        device=world.device,
        rank=world.rank,
        world_size=world.size,
        accumulate=recipe.training.accumulate,
        augment=augment.augmentation(recipe.data.augment or (), seed=recipe.training.seed),
        mix=augment.mixing(recipe.data.augment or (), seed=recipe.training.seed),
        balance=recipe.data.balance,
    )
    held = experiment.parts.get("validation")
    if held is None or not len(held.index):
        return batches, None
    size = batch_of(experiment.model, held.columns)
    still = feed(held.columns, held.index, batch_size=size, device=world.device, rank=world.rank, world_size=world.size)
    return batches, still


def _decide(recipe: Recipe, experiment: Experiment, batches: Feed, folder: Path, world: World, log: EventLog, *, resume: bool) -> Recipe:
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
    compiled = compiling.decide(recipe.training.compile, tried, lambda said: log.emit({"event": "note", "message": said}))
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
        clip=optim.clip or 0.0,
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
    leave(main(sys.argv[1:]))
