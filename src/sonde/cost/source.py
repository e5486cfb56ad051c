"""What `sonde cost MODEL` names: a model of Sonde's, a run folder, a recipe's model, or any module by its import path."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sonde import models, recipe
from sonde.errors import RecipeError, UsageError, did_you_mean
from sonde.nn.prepared import MaskLosses
from sonde.nn.sequence import LanguageModel, Translator
from sonde.recipes import RECIPES, load
from sonde.recipes.defaults import COUNTED

# What a model, by its name or its file, is counted at where nothing is said: the sizes of the paper that made it known.
IMAGES: dict[str, Any] = {"channels": 3, "size": 224, "classes": 1000}
NUMBERS: dict[str, Any] = {"numbers": 10, "outputs": 1}
TOKENS: dict[str, Any] = {"vocabulary": 10_000, "outputs": 2}
LENGTH = (64,)  # tokens
WORD_VECTORS = ("skip-gram", "cbow")
AROUND, OTHERS = (10,), 5  # words: the five on each side, and those that a word is told from (tasks/word_vectors.py)
PIECES: dict[str, Any] = {"vocabulary": 10_000, "outputs": 10_000}
SMALL: dict[str, Any] = {"channels": 3, "size": 32, "classes": 10}
LARGE: dict[str, Any] = {"channels": 3, "size": 299, "classes": 1000}
REGIONS: dict[str, Any] = {"channels": 3, "size": 800, "classes": 90}
PIXELS: dict[str, Any] = {"channels": 3, "size": 512, "classes": 21}
SIZES: dict[str, dict[str, Any]] = {
    "alexnet-course": {"channels": 3, "size": 224, "classes": 10},
    "nin-cifar": SMALL,
    "sonde.models.airbench": SMALL,
    "sonde.models.visual_words": SMALL,
    "sonde.models.inception_v3": LARGE,
    "sonde.models.inception_v4": LARGE,
    "sonde.models.inception_resnet_v2": LARGE,
    "sonde.models.ssd": {"channels": 3, "size": 300, "classes": 90},
    "sonde.models.yolo": {"channels": 3, "size": 640, "classes": 80},
    "sonde.models.yolo_v1": {"channels": 3, "size": 448, "classes": 20},
    "sonde.models.rcnn": REGIONS,
    "sonde.models.fast_rcnn": REGIONS,
    "sonde.models.faster_rcnn": REGIONS,
    "sonde.models.mask_rcnn": REGIONS,
    "sonde.models.fcn": PIXELS,
    "sonde.models.fcn_resnet": PIXELS,
    "sonde.models.deeplab_v3": PIXELS,
    "sonde.models.u_net": {"channels": 1, "size": 576, "classes": 2},
    "sonde.models.lenet": {"channels": 1, "size": 28, "classes": 10},
    "sonde.models.resnet_cifar": SMALL,
    "sonde.models.preresnet": SMALL,
    "sonde.models.bert": {"vocabulary": 30_522, "outputs": 2},
    "sonde.models.skip_gram": PIECES,
    "sonde.models.cbow": PIECES,
    "sonde.models.seq2seq": PIECES,
    "sonde.models.transformer": PIECES,
    "transformer-base": {"vocabulary": 37_000, "outputs": 37_000},
    "sonde.models.mlp": {"numbers": 784, "outputs": 10},
    "sonde.models.softmax_regression": {"numbers": 784, "outputs": 10},
}

# What the named sets of pictures decide of a model, which is known without opening them: channels, side in pixels where the recipe says none, classes.
PICTURES: dict[str, tuple[int, int, int]] = {
    "digits": (1, 8, 10),
    "mnist": (1, 28, 10),
    "fashion-mnist": (1, 28, 10),
    "cifar10": (3, 32, 10),
    "flowers": (3, 96, 5),
    "coco-tiny": (3, 320, 80),
    "raccoon": (3, 320, 1),
    "bccd": (3, 320, 3),
    "camvid": (3, 320, 11),
}
GRID = 32  # a canvas with objects on it is a multiple of so many pixels (data/prepare/scenes.py)
# Tasks whose outputs are the pieces of the vocabulary.
WRITING = ("language-modelling", "masked-language-modelling", "word-vectors", "translation")

_INPUT = re.compile(r"(\d+(?:[x×]\d+)*)(?::(\w+))?")
_DTYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool}


@dataclass(frozen=True)
class Input:
    """One input of a module: its `shape` without the batch axis, which comes first, and its number format."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        shown = "×".join(map(str, self.shape)) or "one number"
        return shown if self.dtype == torch.float32 else f"{shown}:{str(self.dtype).removeprefix('torch.')}"

    def batch(self, size: int, device: str | torch.device) -> Tensor:
        """`size` examples, all zeros."""
        return torch.zeros(size, *self.shape, dtype=self.dtype, device=device)


@dataclass(frozen=True)
class Source:
    """A module that can be built, and what it reads. `own`: whether it is one of Sonde's, which
    have a `config`, and `sizes`, those of its values that data decide. `notes` say what of these was assumed."""

    name: str
    what: str
    build: Callable[[], nn.Module]
    inputs: tuple[Input, ...]
    own: bool
    sizes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    optimizer: str | None = None
    batch: int | None = None
    notes: tuple[str, ...] = ()


def find(name: str, *, inputs: Sequence[str] = (), settings: Mapping[str, Any] | None = None) -> Source:
    """What `name` names: `package.module:factory`, a model, a run folder, a recipe file or a recipe, in this order.

    Args:
        inputs: shapes without the batch axis, "3x224x224", with a format where it is not float32: "128:int64".
        settings: values of the model's Config, or a factory's keywords.

    Raises UsageError or RecipeError for what does not exist or does not fit.
    """
    values = {key.removeprefix("model."): value for key, value in (settings or {}).items()}
    shapes = [parse_input(text) for text in inputs]
    path = Path(name)
    if ":" in name and not path.exists():
        return _imported(name, shapes, values)
    if name in models.MODELS:
        return _own(name, f"model {name}", {**usual(name), **values}, shapes)
    if path.is_dir():
        from sonde.run import Run  # reads data and tables too, which all other names do without

        described = Run.load(path).description["model"]
        return _own(described["name"], f"run {name}", {**described["config"], **values}, shapes)
    if name in RECIPES or path.suffix == ".toml":
        chosen = load(name) if name in RECIPES else recipe.read(path)
        return _of_recipe(name, chosen, values, shapes)
    remedy = did_you_mean(name, [*models.MODELS, *RECIPES])
    raise UsageError(f"there is no model, run or recipe {name!r}", where="sonde cost", remedy=f"{remedy} Any module: package.module:factory")


def _of_recipe(name: str, chosen: recipe.Recipe, values: dict[str, Any], shapes: list[Input]) -> Source:
    """The model that the recipe trains, with a note where something of it depends on data that would have to be read."""
    model, task = chosen.model.name, chosen.task.name
    if model is None:
        raise RecipeError("this recipe leaves the model to the data", where=name, remedy="name the model: sonde cost resnet18")
    known = _known(chosen, model)
    table = {**usual(model), **chosen.model.config, **known, **values}
    given = {*known, *values, *(("channels", "size", "numbers") if shapes else ())}
    if task in WRITING and "vocabulary" in table and "outputs" not in values:
        table["outputs"] = table["vocabulary"]
        given |= {"outputs"} if "vocabulary" in given else set()
    found = _own(model, f"recipe {name}", table, shapes)
    assumed = [f"{key} {value}" for key, value in found.sizes.items() if key not in given]
    if models.accepts(model) == "tokens" and not shapes:
        assumed.append(f"{AROUND[0]} words around each" if model in WORD_VECTORS else f"{LENGTH[0]} tokens")
    notes = []
    if assumed:
        notes.append(f"the recipe's data are not read, so this is assumed: {', '.join(assumed)}; --input and --set say otherwise")
    if models.sees_scenes(model):
        notes.append("pictures are counted as squares; on those of another shape training takes less")
    if chosen.model.weights is not None:
        notes.append("the recipe's weights are not read; a form of the model that they ask for is not seen")
    return dataclasses.replace(found, optimizer=chosen.optim.name, batch=chosen.training.batch_size, notes=tuple(notes))


def _known(chosen: recipe.Recipe, model: str) -> dict[str, Any]:
    """The values of `model` that the recipe's data and task decide, as far as that is known without reading them."""
    data, task = chosen.data, chosen.task.name
    channels, side, classes = PICTURES.get(data.path or "", (None, None, None))
    channels, side = data.channels or channels, data.size or side
    if side is not None and models.sees_scenes(model):
        side = -(-side // GRID) * GRID
    if task not in (None, "classification", *models.SCENES):
        classes = None
    reads = models.accepts(model)
    found: dict[str, Any]
    if reads == "images":
        found = {"channels": channels, "size": side, "classes": classes}
    elif reads == "numbers":
        found = {"numbers": None if channels is None or side is None else channels * side**2, "outputs": classes}
    else:
        per = models.PER.get(task, "sequence") if task is not None and models.has(model, "per") else None
        found = {"vocabulary": data.vocabulary, "per": per}
    return {key: value for key, value in found.items() if value is not None}


def usual(name: str) -> dict[str, Any]:
    """The sizes that model `name` is counted at where nothing is said, without those that its Config does not have."""
    module = models.module(name)
    known = {field.name for field in dataclasses.fields(module.VARIANTS[name])}
    sizes = SIZES.get(name) or SIZES.get(module.__name__) or {"images": IMAGES, "numbers": NUMBERS, "tokens": TOKENS}[models.accepts(name)]
    return {key: value for key, value in sizes.items() if key in known}


def parse_input(text: str) -> Input:
    """`3x224x224` or `128:int64`. Raises UsageError for anything else."""
    found = _INPUT.fullmatch(text.strip())
    if found is None or (found[2] and found[2] not in _DTYPES):
        remedy = f"write channels x height x width, 3x224x224; another format than float32 behind a colon, 128:int64 (of {', '.join(_DTYPES)})"
        raise UsageError(f"{text!r} is no shape of an input", where="--input", remedy=remedy)
    shape = tuple(int(part) for part in re.split("[x×]", found[1]))
    if min(shape) < 1:
        raise UsageError(f"an input of {text} holds nothing", where="--input", remedy="give sizes of at least 1")
    return Input(shape, _DTYPES[found[2] or "float32"])


def _own(name: str, what: str, values: dict[str, Any], shapes: list[Input]) -> Source:
    """One of Sonde's models; a given shape overrules the sizes that stand for it."""
    if len(shapes) > 1:
        raise UsageError(f"{name} reads one input, and {len(shapes)} were given", where="--input", remedy="give --input once")
    reads = models.accepts(name)
    images = reads == "images"
    if shapes and images:
        shape = shapes[0].shape
        if len(shape) != 3 or shape[1] != shape[2]:
            remedy = "give channels x height x width, such as --input 3x224x224"
            raise UsageError(f"{name} reads square pictures, and --input is {shapes[0]}", where="--input", remedy=remedy)
        values = {**values, "channels": shape[0], "size": shape[1]}
    elif shapes and reads == "numbers":
        values = {**values, "numbers": math.prod(shapes[0].shape)}
    if name in COUNTED:
        what = f"{name} counts what follows what, and its table is as large as its text: there is nothing to foretell"
        raise UsageError(what, where="sonde cost", remedy=f"train it, which takes seconds: sonde train TEXT --model {name}")
    config = models.config(name, values)
    if images:
        inputs = [Input((config.channels, config.size, config.size))]
    elif reads == "tokens":
        inputs = [Input(shapes[0].shape if shapes else AROUND if name in WORD_VECTORS else LENGTH, torch.int64)]
    else:
        inputs = [Input((config.numbers,))] + ([Input((len(config.categories),), torch.int64)] if getattr(config, "categories", ()) else [])
    decided = {field: getattr(config, field) for field in usual(name)}
    table = models.full_table(name, values)  # with hidden layers before the outputs, which are no value of the Config
    return Source(name, what, lambda: _reading(models.build(name, table), name), tuple(inputs), own=True, sizes=decided, config=table)


class _Window(nn.Module):
    """A language model as a function of one window: the logits, from no state."""

    def __init__(self, network: LanguageModel) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network.advance(tokens, None)[0]


class _Translator(nn.Module):
    """A translator as it learns: logits of a target as long as the source, all of both known."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(tokens, _whole(tokens), tokens)


class _Bag(nn.Module):
    """A bag of embeddings as a function of a sentence without padding."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(tokens, _whole(tokens))


class _Vectors(nn.Module):
    """Word vectors as they learn: a word is told from `OTHERS` drawn ones, by the words around it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, contexts: Tensor) -> Tensor:
        return self.network(contexts, contexts.new_zeros(len(contexts), 1 + OTHERS))


def _whole(tokens: Tensor) -> Tensor:
    """Lengths of rows without padding."""
    return tokens.new_full((len(tokens),), tokens.shape[1])


class _Detector(nn.Module):
    """A detector as it learns in training: its losses, of pictures with one object each; and as it finds in use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, pictures: Tensor) -> Tensor:
        if not self.training:
            return self.network(pictures)
        side = pictures.shape[-1]
        box = pictures.new_tensor([side / 4, side / 4, side / 2, side / 2, 0, 0, side**2 / 16, 1])
        targets = box.expand(len(pictures), 1, -1)
        masks = [pictures.new_zeros(len(pictures), *pictures.shape[2:], dtype=torch.int16)] if isinstance(self.network, MaskLosses) else []
        terms, _ = self.network.losses((pictures,), targets, *masks)
        return torch.stack([total for total, _ in terms.values()])


def _reading(network: nn.Module, name: str) -> nn.Module:
    """The network as a function of its input alone, which a detector, what reads lengths and what has no `forward`, but `advance`, are not."""
    if models.fits(name, "detection") and hasattr(type(network), "losses"):
        return _Detector(network)
    if isinstance(network, Translator):
        return _Translator(network)
    if name in WORD_VECTORS:
        return _Vectors(network)
    if name == "embedding-bag":
        return _Bag(network)
    return _Window(network) if isinstance(network, LanguageModel) and type(network).forward is nn.Module.forward else network


def _imported(name: str, shapes: list[Input], values: dict[str, Any]) -> Source:
    """`package.module:factory`, where factory is a module, its class, or a function that gives one; modules beside the user are found too."""
    path, _, attribute = name.partition(":")
    if not shapes:
        raise UsageError(f"what {name} reads is not known", where="sonde cost", remedy="give --input, such as --input 3x224x224 (without the batch)")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        remedy = "install it, or run the command in the folder where it stands"
        raise UsageError(f"there is no module {error.name!r}", where=name, remedy=remedy) from None
    except Exception as error:
        raise UsageError(f"importing {path} fails: {type(error).__name__}: {error}", where=name, remedy="mend the module") from error
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise UsageError(f"{path} has no {attribute!r}", where=name, remedy=did_you_mean(attribute, public))
    factory = getattr(module, attribute)

    def build() -> nn.Module:
        made = factory(**values) if callable(factory) and not isinstance(factory, nn.Module) else factory
        if not isinstance(made, nn.Module):
            remedy = "name a torch.nn.Module, its class, or a function that gives one"
            raise UsageError(f"this gives a {type(made).__name__}, not a module", where=name, remedy=remedy)
        return made

    if not callable(factory):
        build()  # says what is wrong with it
    return Source(attribute, name, build, tuple(shapes), own=False)
