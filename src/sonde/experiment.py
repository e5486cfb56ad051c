"""Everything that stands before the first step: from a recipe to data as tensors, a task and a model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sonde import models, tasks
from sonde.data.assemble import Dataset, assemble
from sonde.data.check import check
from sonde.data.contents import Part
from sonde.data.prepare.columns import Columns, build_columns
from sonde.data.prepare.fit import fit_preparation
from sonde.data.prepare.target import fit_target
from sonde.data.readers.cache import cache_folder
from sonde.errors import RecipeError
from sonde.models import weights as weight_files
from sonde.nn.noise import NoisyInputs
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared
from sonde.recipe import Recipe
from sonde.recipes.defaults import Facts, complete
from sonde.run import PartData, normalisation
from sonde.training.loop import TINY
from sonde.training.precision import check_precision, default_precision, working_dtype
from sonde.training.world import World


@dataclass(frozen=True)
class Experiment:
    """Everything about a run that stands before its first step."""

    recipe: Recipe
    dataset: Dataset
    preparation: Any
    target: Any
    task: tasks.Task
    model: Prepared
    config: dict[str, Any]
    parts: dict[Part, PartData]
    findings: Any
    notes: tuple[str, ...] = ()


def prepare(recipe: Recipe, data: Any, world: World) -> Experiment:
    """Everything before the first step: open, infer, split, check, fit the preprocessing, build the model."""
    torch.manual_seed(recipe.training.seed)
    recipe = with_absolute_paths(recipe)
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
    notes: tuple[str, ...] = ()
    if recipe.model.weights is not None:
        notes = (weight_files.load(Path(recipe.model.weights), network).message,)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if recipe.training.trace and parameters >= TINY:
        raise RecipeError(
            f"a trace prints every number of every step; {recipe.model.name} has {parameters:,} parameters here",
            where="--trace",
            remedy=f"trace a model of under {TINY} parameters, such as a perceptron or linear-regression of a few columns",
        )
    normalise = normaliser(normalisation(preparation, recipe))
    model = Prepared(NoisyInputs(normalise, std=recipe.data.noise) if recipe.data.noise else normalise, network)
    model.to(device=world.device, dtype=working_dtype(recipe.training.precision or "float32"))
    if recipe.training.channels_last and sizes.get("size"):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = encode(dataset, preparation, target, recipe, world)
    return Experiment(recipe, dataset, preparation, target, task, model, config, parts, findings, notes)


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Paths in full, so that the run can be repeated from another folder; names of sets and shares stay."""
    return recipe.replace(data={name: _absolute(getattr(recipe.data, name)) for name in ("path", "validation", "test")})


def _absolute(value: Any) -> Any:
    return str(Path(value).resolve()) if isinstance(value, str) and Path(value).exists() else value


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
