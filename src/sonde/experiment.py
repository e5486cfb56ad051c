"""Everything that stands before the first step: from a recipe to data as tensors, a task and a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sonde import models, tasks
from sonde.data.assemble import Dataset, assemble
from sonde.data.check import check
from sonde.data.contents import Part
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.encode import Encoded, encode_examples
from sonde.data.prepare.fit import fit_preparation, load_preparation
from sonde.data.prepare.scenes import ScenePreparation
from sonde.data.prepare.target import fit_target
from sonde.data.prepare.text import TextPreparation
from sonde.data.prepare.unknown import unknown_tokens
from sonde.data.readers.cache import cache_folder
from sonde.errors import RecipeError
from sonde.finetune import begin
from sonde.finetune.source import Source, open_source
from sonde.nn.batch_norm import BatchNorm
from sonde.nn.noise import NoisyInputs
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared, starter
from sonde.nn.stages import chosen_stages
from sonde.recipe import Recipe
from sonde.recipes.defaults import Facts, complete
from sonde.run import PartData, normalisation
from sonde.training.precision import check_precision, default_precision, working_dtype
from sonde.training.update import TINY
from sonde.training.world import World

# Tasks that models of the BERT family alone do. A row of their data is several examples, so that no fold can be put together from others.
OF_BERT = ("masked-language-modelling", "question-answering")


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
    begun: dict[str, Any] = field(default_factory=dict)


def prepare(recipe: Recipe, data: Any, world: World, *, resumed: Path | None = None) -> Experiment:
    """Everything before the first step: open, infer, split, check, fit the preprocessing, build the model.

    `resumed`: a run with a checkpoint that will be gone on with. The weights it began from are then not looked for: what they
    decided stands in its recipe and its preprocessing.
    """
    torch.manual_seed(recipe.training.seed)
    recipe = with_absolute_paths(recipe)
    dataset = assemble(recipe, data)
    inferred = dataset.inferred
    findings = check(dataset.content, recipe.data, inferred=inferred, parts=dataset.parts, deep=False)
    findings.stop()
    recipe = recipe.replace(task={"name": inferred.task}, data={"target": recipe.data.target or inferred.targets})
    chosen = dataset.parts["train"]
    source = None if recipe.model.weights is None or resumed is not None else open_source(recipe.model.weights)
    if source is not None:
        recipe = begin.decided(recipe, source, kind=dataset.content.kind)
    _check_bert(recipe, inferred.task)
    named = recipe.model.name is not None and models.has(recipe.model.name, "separator")
    of_bert = inferred.task in OF_BERT or named
    if recipe.data.tokenizer is None and of_bert:
        recipe = recipe.replace(data={"tokenizer": "bert"})
    preparation, notes = _preparation(recipe, dataset, chosen, source, resumed)
    text = preparation if isinstance(preparation, (TextPreparation, BertPreparation)) else None
    if isinstance(text, TextPreparation):
        recipe = recipe.replace(data={"tokenizer": text.tokenizer.name, "text_form": text.form})
    if isinstance(preparation, BertPreparation):
        recipe = recipe.replace(data={"text_form": "lower" if preparation.pieces.lower else "raw"})
        for name, part in dataset.parts.items():
            shortened = preparation.shortened(part)
            if shortened:
                share = f"{shortened:,} of {len(part):,} rows of the {name} part ({100 * shortened / len(part):.2g} %)"
                notes += (f"{share} have more than {preparation.length} tokens, and their ends are not read; --length reads more",)
    scenes = preparation if isinstance(preparation, ScenePreparation) else None
    target = fit_target(inferred.task, recipe.task.options, chosen, inferred.targets, text=text, data=recipe.data, scenes=scenes)
    sizes = dict(preparation.sizes)
    if "length" in sizes:  # of the longest sequence: what is written has an end as well
        sizes["length"] = max(sizes["length"], target.values.get("length", 0) + 1)
    tokens = 0 if text is None else text.count(chosen)
    facts = Facts(dataset.content.kind, inferred.task, len(chosen), sizes.get("size", 0), sizes.get("channels", 0), target.outputs, tokens)
    recipe = decide_machine(complete(recipe, facts), world)
    task = tasks.build(inferred.task, recipe.task.options, target.values)
    if source is not None:
        recipe = begin.with_form(recipe, source, sizes)
    config = network_config(recipe, sizes, target.outputs) | _class_weights(recipe, task)
    network = models.build(recipe.model.name or "", config)
    recipe = memory_order(recipe, network, world)
    begun: dict[str, Any] = {}
    if source is not None:
        entered = begin.enter(network, source, recipe, target=target.values)
        begun, notes = entered.facts, entered.notes + notes
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if recipe.training.trace and parameters >= TINY:
        raise RecipeError(
            f"a trace prints every number of every step; {recipe.model.name} has {parameters:,} parameters here",
            where="--trace",
            remedy=f"trace a model of under {TINY} parameters, such as a perceptron or linear-regression of a few columns",
        )
    normalise = normaliser(normalisation(preparation, recipe))
    model = Prepared(NoisyInputs(normalise, std=recipe.data.noise) if recipe.data.noise else normalise, network)
    begun, said = _freeze(model, recipe, begun)
    model.to(device=world.device, dtype=working_dtype(recipe.training.precision or "float32"))
    if recipe.training.channels_last and sizes.get("size"):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = encode(dataset, preparation, target, recipe, world)
    unknown = [unknown_tokens(part.columns, part.index, name) for name, part in parts.items()]
    said += tuple(line for line in unknown if line is not None)
    return Experiment(recipe, dataset, preparation, target, task, model, config, parts, findings, notes + said, begun)


def _check_bert(recipe: Recipe, task: str) -> None:
    """Raises RecipeError for what a task of the BERT family alone cannot have."""
    if task not in OF_BERT:
        return
    if recipe.data.tokenizer not in (None, "bert"):
        what = f"{task} is a task for models of the BERT family, which read pieces of their own"
        raise RecipeError(what, where="data.tokenizer", remedy="leave out --tokenizer")
    if recipe.data.folds:
        remedy = "leave out --folds; --validation and --test say how much is held out"
        raise RecipeError(f"{task} is not measured by folds", where="--folds", remedy=remedy)


def _preparation(recipe: Recipe, dataset: Dataset, chosen: Any, source: Source | None, resumed: Path | None) -> tuple[Any, tuple[str, ...]]:
    """The fitted preprocessing, and what is to be said about it."""
    if recipe.model.weights is not None and resumed is not None:
        return load_preparation(resumed / "preprocessing")[0], ()
    found = fit_preparation(
        dataset.content,
        chosen,
        recipe.data,
        task=recipe.task.name or "",
        targets=recipe.data.target,
        options=recipe.task.options,
        pieces=None if source is None or recipe.data.tokenizer != "bert" else begin.vocabulary(source),
    )
    preparation, said = begin.fitted(found, recipe, source)
    return preparation, () if said is None else (said,)


def _class_weights(recipe: Recipe, task: tasks.Task) -> dict[str, Any]:
    """What a detector is told of the classes' weights, as its loss is its own. Raises RecipeError for one whose loss has none."""
    weights = getattr(task, "weights", None)
    if recipe.task.name != "detection" or weights is None:
        return {}
    name = recipe.model.name or ""
    if not models.has(name, "class_weights"):
        remedy = "give its Config class_weights, or --set data.balance=true, which shows rare classes more often to any detector"
        raise RecipeError(f"the loss of {name} does not weigh classes", where="task.class_weights", remedy=remedy)
    return {"class_weights": tuple(weights)}


def _freeze(model: Prepared, recipe: Recipe, begun: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Freeze the stages that the recipe names; the facts with what is trained, and what is to be said."""
    network = model.network
    frozen = chosen_stages(network, recipe.model.freeze)
    if not frozen:
        return begun, ()
    model.freeze(frozen)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    one = len(frozen) == 1
    if recipe.model.weights is not None:
        of = f"the weights that {'it' if one else 'they'} came with"
    elif starter(model) is not None:
        of = "what is made from the training pictures before the first step"
    else:
        of = f"{'its' if one else 'their'} random start, as there are no --weights"
    norms = f"; batch norms in {'it' if one else 'them'} keep their running averages" if any(isinstance(part, BatchNorm) for part in network.modules()) else ""
    said = f"{', '.join(frozen)} {'is' if one else 'are'} frozen at {of}; {trained:,} parameters are trained{norms}"
    return begun | {"frozen": list(frozen), "trained_parameters": trained}, (said,)


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Paths in full, so that the run can be repeated from another folder; names of sets and shares stay."""
    return recipe.replace(
        data={name: _absolute(getattr(recipe.data, name)) for name in ("path", "validation", "test")},
        model={name: _absolute(getattr(recipe.model, name)) for name in ("weights", "keep_labels")},
    )


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
        }
    )


def memory_order(recipe: Recipe, network: nn.Module, world: World) -> Recipe:
    """The recipe with the memory order of pictures: channels last on a GPU, and on a CPU for networks with batch norm.

    On two CPU cores a step of these took 0.67 (googlenet), 0.74 (resnet50), 0.81 (resnet20) and 0.87 (resnet18, 96×96) of its time with
    channels first; that of networks without batch norm (lenet, vgg11, alexnet) did not change.
    """
    if recipe.training.channels_last is not None:
        return recipe
    norms = any(isinstance(module, BatchNorm) for module in network.modules())
    last = world.device.type == "cuda" or (world.device.type == "cpu" and norms)
    return recipe.replace(training={"channels_last": last})


def network_config(recipe: Recipe, sizes: dict[str, Any], outputs: int) -> dict[str, Any]:
    """The model's Config as a table: the user's values and the sizes that the data decide."""
    name, task, images = recipe.model.name or "", recipe.task.name or "", "channels" in sizes
    models.check_fit(name, task=task, data="images" if images else "tokens" if "vocabulary" in sizes else "numbers")
    if models.accepts(name) == "images":
        filled: dict[str, Any] = {"channels": sizes["channels"], "size": sizes["size"], "classes": outputs}
    elif models.reads_series(name) and "vocabulary" not in sizes:
        filled = {"numbers": sizes["numbers"], "after": sizes.get("after", 0), "outputs": outputs}
    elif models.accepts(name) == "tokens":
        filled = {"vocabulary": sizes["vocabulary"], "outputs": outputs, "per": models.PER.get(task, "sequence")}
        if models.has(name, "separator"):
            filled["separator"] = sizes["separator"]
        elif models.has(name, "length"):
            filled["length"] = sizes["length"]
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
    return models.full_table(name, recipe.model.config, of_data=filled)


def encode(dataset: Dataset, preparation: Any, target: Any, recipe: Recipe, world: World) -> dict[Part, PartData]:
    """Each part as tensors; a file that several parts share is encoded once. Undecodable examples are left out (`--on-error skip`)."""
    done: dict[int, Encoded] = {}
    parts: dict[Part, PartData] = {}
    for name, chosen in dataset.parts.items():
        key = id(chosen.examples)
        if key not in done:
            if not world.main:
                world.wait()
            done[key] = encode_examples(
                preparation,
                target,
                chosen.examples,
                cache=cache_folder() / "columns",
                fingerprint=f"{dataset.content.fingerprint}-{name}",
                on_error=recipe.data.on_error,
            )
            if world.main:
                world.wait()
        parts[name] = PartData(done[key].columns, done[key].numbers(chosen.index), chosen.examples)
    return parts
