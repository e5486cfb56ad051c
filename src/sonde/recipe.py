"""The typed value that describes an experiment. TOML, flags and Python keywords are three spellings of it.

None always means "decide for me": `fit` fills such a value in (recipes/defaults.py says how) and the saved
recipe.toml holds every value as it was used. Names are unique over all sections, so that each is one flat flag
(`optim.lr` is `--lr`); the names of task, model and optimiser are `--task`, `--model`, `--optimizer`. The free tables
`task.options` and `model.config` are reached with `--set model.width=64`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from sonde.errors import RecipeError, did_you_mean, nearest

FORMAT: Final = 1


class Section(BaseModel):
    """A frozen, strict part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Data(Section):
    """Which data, and how they are cut into parts."""

    path: str | None = Field(None, description="file, folder, archive or name of a set")
    target: tuple[str, ...] = Field((), description="column to predict; several 0/1 columns make several labels")
    features: tuple[str, ...] = Field((), description="columns to learn from (default: all that can serve)")
    drop: tuple[str, ...] = Field((), description="columns to leave out")
    id: str | None = Field(None, description="column that names each row; kept beside predictions")
    images: str | None = Field(None, description="column of image file names")
    text: str | None = Field(None, description="column of text to read as a sequence of tokens")
    text_form: Literal["raw", "lower", "letters"] | None = Field(
        None, description="what is done to text first: raw, lower (case), letters (a to z and spaces alone)"
    )
    tokenizer: str | None = Field(None, description="pieces that text is read in: characters, words, bpe, wordpiece")
    vocabulary: PositiveInt | None = Field(None, description="most pieces that the tokeniser keeps")
    floor: PositiveInt | None = Field(None, description="a word that is rarer in the training part is unknown")
    length: PositiveInt | None = Field(None, description="most tokens of a sentence that are read; the rest is cut off")
    shortest: PositiveInt | None = Field(None, description="use so many sentences, or pairs by their source: those with the fewest characters")
    group: str | None = Field(None, description="column whose equal values stay on one side of a split")
    time: str | None = Field(None, description="date column; splits go by it, the latest rows are the test part")
    types: dict[str, Literal["number", "category", "date", "text", "identifier"]] = Field(
        {}, description="column types that you know better"
    )
    split: Literal["random", "stratified", "group", "time", "given"] | None = Field(None, description="how parts are drawn")
    validation: float | str | None = Field(None, description="share of the training examples, or a path, to choose on")
    test: float | str | None = Field(None, description="share, or a path, for the one final measurement")
    folds: NonNegativeInt = Field(0, description="K of K-fold; 0: one split")
    fold: PositiveInt | None = Field(None, description="train this one of the K folds; what is held out is its test part")
    examples: PositiveInt | None = Field(None, description="use so many training examples, drawn at random")
    size: PositiveInt | None = Field(None, description="working height and width of pictures, in pixels")
    channels: Literal[1, 3] | None = Field(None, description="pictures as grey (1) or colour (3)")
    slots: PositiveInt = Field(100, description="most objects of a picture that are learned from; of more the largest are")
    void: tuple[NonNegativeInt, ...] = Field((), description="values in masks that stand for no class, beside 255")
    balance: bool = Field(False, description="show pictures with rare classes more often")
    normalise: bool | Literal["data", "imagenet"] | dict[Literal["mean", "std"], tuple[float, ...]] = Field(
        True,
        description="centre and scale inputs as the model's first step, as the weights had it where there are any; "
        "data: by the training part; imagenet; {mean=[…], std=[…]} for each channel, 0…1; false: numbers as they stand",
    )
    noise: NonNegativeFloat = Field(0.0, description="standard deviation of Gaussian noise on normalised training inputs; 0: none")
    augment: tuple[str, ...] | None = Field(None, description="augmentations, with strengths or without: flip,rotate:15,erase:0.25; none")
    on_error: Literal["stop", "skip"] = Field("stop", description="what to do with examples that cannot be read")


class Task(Section):
    """What is to be learnt."""

    name: str | None = Field(None, description="task (default: inferred from the data)")
    options: dict[str, Any] = Field({}, description="the task's own options, `--set task.transform=log`")


class Model(Section):
    """Which architecture, of which size, from which start."""

    name: str | None = Field(None, description="model (default: by task and data)")
    config: dict[str, Any] = Field({}, description="the model's own sizes, `--set model.width=64`")
    weights: str | None = Field(None, description="start from these weights: a file, a run, or a hub model's organisation/name")
    freeze: tuple[str, ...] = Field((), description="stages that stay as they are: stem,stage1; body: all but the head")
    keep_labels: str | None = Field(None, description="keep old classifier rows of shared labels: auto, or a file of old labels")


class Optim(Section):
    """How weights are updated."""

    name: Literal["sgd", "momentum", "nesterov", "adam", "adamw"] | None = Field(None, description="optimiser")
    lr: PositiveFloat | Literal["auto"] | None = Field(None, description="learning rate; auto: find one first")
    momentum: float = Field(0.9, ge=0, lt=1, description="β of v ← βv + g")
    weight_decay: NonNegativeFloat | None = Field(None, description="λ of (1 − ηλ)w − ηg")
    decay_bias: bool = Field(False, description="decay biases and norms too")
    body_lr: float = Field(1.0, gt=0, le=1, description="learning rate of all but the head, as a multiple of lr")
    layer_decay: float = Field(1.0, gt=0, le=1, description="learning rate of each stage, as a multiple of the next one's towards the head")
    bias_lr: PositiveFloat = Field(1.0, description="learning rate of biases and norms, as a multiple of lr")
    schedule: Literal["constant", "step", "cosine", "one-cycle"] | None = Field(None, description="learning rate over the steps")
    warmup: NonNegativeFloat = Field(0.0, description="share of the steps over which the rate rises from 0")
    clip: NonNegativeFloat | None = Field(None, description="largest gradient norm θ, g ← min(1, θ/‖g‖)g; 0: off (default: 1 for text, else off)")
    ball: NonNegativeFloat = Field(0.0, description="radius of the norm ball that weights are projected on; 0: off")


class Training(Section):
    """How long, how exactly and on what."""

    epochs: NonNegativeInt | None = Field(None, description="passes over the training examples")
    minutes: PositiveFloat | None = Field(None, description="time budget; the schedule ends when it does")
    batch_size: PositiveInt | None = Field(None, description="examples a step, over all processes")
    accumulate: PositiveInt = Field(1, description="pieces that each batch is cut into")
    seed: NonNegativeInt = Field(0, description="same seed, same result")
    device: str | None = Field(None, description="cpu, cuda, cuda:1, mps (default: the best there is)")
    precision: Literal["float32", "float64", "bf16", "fp16"] | None = Field(
        None, description="number format of the forward and backward pass"
    )
    compile: bool | Literal["auto"] = Field("auto", description="torch.compile; auto: where it pays")
    channels_last: bool | None = Field(None, description="memory order of pictures (default: where measured faster)")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the exponential moving average of the weights; 0: off")
    patience: NonNegativeInt | None = Field(None, description="stop after so many epochs without a better validation score; 0: never")
    save_every: NonNegativeFloat = Field(5.0, description="minutes between checkpoints inside an epoch; 0: at epochs only")
    processes: PositiveInt = Field(1, description="processes on this machine")
    trace: bool = Field(False, description="print every step's numbers, for models of under 20 parameters")


class Recipe(Section):
    """An experiment."""

    format: Literal[1] = FORMAT
    data: Data = Data()
    task: Task = Task()
    model: Model = Model()
    optim: Optim = Optim()
    training: Training = Training()

    def replace(self, **sections: dict[str, Any]) -> Recipe:
        """A copy with some values changed: `recipe.replace(optim={"lr": 0.1})`. Checked like any other recipe."""
        table = self.model_dump()
        for section, values in sections.items():
            table[section] = {**table[section], **values}
        return parse(table, where="recipe")

    def toml(self) -> str:
        """The recipe as TOML; None is left out, as TOML has no such value."""
        return tomli_w.dumps(_without_none(self.model_dump()))


# Which flag sets which value. Explicit, so that a reader finds a flag by searching for it.
_RENAMED = {("task", "name"): "task", ("model", "name"): "model", ("optim", "name"): "optimizer"}
_DEEP = {
    ("data", "path"),
    ("data", "fold"),
    ("data", "slots"), ("data", "void"), ("data", "balance"),
    ("data", "channels"), ("data", "normalise"), ("data", "noise"),
    ("task", "options"),
    ("model", "config"),
    ("data", "types"), ("data", "shortest"),
    ("optim", "decay_bias"),
    ("optim", "bias_lr"),
}
_SECTIONS: dict[str, type[Section]] = {"data": Data, "task": Task, "model": Model, "optim": Optim, "training": Training}

FLAGS: dict[str, tuple[str, str]] = {
    _RENAMED.get((section, name), name): (section, name)
    for section, model in _SECTIONS.items()
    for name in model.model_fields
    if (section, name) not in _DEEP
}


def field(flag: str) -> Any:
    """The pydantic field (annotation, default, description) behind a flag."""
    section, name = FLAGS[flag]
    return _SECTIONS[section].model_fields[name]


def parse(table: dict[str, Any], *, where: str) -> Recipe:
    """A recipe from nested tables; unknown keys and wrong values are refused, all at once, with the nearest name."""
    if isinstance(table.get("format"), int) and table["format"] > FORMAT:
        raise RecipeError(
            f"this recipe is of format {table['format']}; this Sonde reads up to {FORMAT}", where=where, remedy="install a newer Sonde"
        )
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        first, rest = lines[0], lines[1:]
        raise RecipeError("; ".join([first[0]] + [what for what, _ in rest]), where=where, remedy=first[1]) from None


def read(path: Path) -> Recipe:
    """A recipe file."""
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")), where=str(path))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"this is not valid TOML: {error}", where=str(path), remedy="mend the line; `sonde recipes NAME` prints a whole recipe"
        ) from None
    except UnicodeDecodeError:
        raise RecipeError("this is not UTF-8 text", where=str(path), remedy="a recipe is a TOML file") from None
    except OSError as error:
        what = f"this recipe cannot be read: {error.strerror}"
        raise RecipeError(what, where=str(path), remedy="give a recipe file that exists") from None


def with_flags(recipe: Recipe, flags: dict[str, Any]) -> Recipe:
    """`recipe` with the flags that were given (None: not given)."""
    table = recipe.model_dump()
    for flag, value in flags.items():
        if value is None:
            continue
        if flag not in FLAGS:
            raise RecipeError(f"there is no flag --{flag.replace('_', '-')}", remedy=did_you_mean(flag, FLAGS))
        section, name = FLAGS[flag]
        table[section][name] = value
    return parse(table, where="command")


def with_settings(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """`recipe` with `--set` values: `model.width` and `task.transform` reach the free tables, `optim.lr` a field."""
    table = recipe.model_dump()
    for key, value in settings.items():
        section, _, name = key.partition(".")
        if section not in _SECTIONS or not name:
            remedy = did_you_mean(section, _SECTIONS) if name else "write section.key=value, such as model.width=64"
            raise RecipeError(f"--set does not know {key!r}", remedy=remedy)
        head, _, tail = name.partition(".")
        if head in _SECTIONS[section].model_fields:
            if tail:
                before = table[section][head]
                table[section][head] = {**(before if isinstance(before, dict) else {}), tail: value}
            else:
                table[section][head] = value
        elif section == "model":
            table["model"]["config"] = {**table["model"]["config"], name: value}
        elif section == "task":
            table["task"]["options"] = {**table["task"]["options"], name: value}
        else:
            raise RecipeError(f"--set does not know {key!r}", remedy=did_you_mean(name, _SECTIONS[section].model_fields))
    return parse(table, where="--set")


def _explain(problem: Any) -> tuple[str, str]:
    """What is wrong with one value, and what to do."""
    place = ".".join(
        str(part) for part in problem["loc"] if not str(part).startswith(("literal", "constrained", "float", "int", "str", "bool"))
    )
    if problem["type"] == "extra_forbidden":
        *path, name = [str(part) for part in problem["loc"]]
        names = list(_SECTIONS[path[0]].model_fields) if path and path[0] in _SECTIONS else list(Recipe.model_fields)
        near = nearest(name, names)
        return f"unknown key {place!r}", f"did you mean {'.'.join([*path, near])!r}?" if near else "known here: " + ", ".join(names)
    said = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{place} = {problem['input']!r}: {said}", f"change {place}"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, (list, tuple)) else value
