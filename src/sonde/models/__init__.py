"""Architectures, one a file. The table below is all there is to registering one."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Literal

from torch import nn

from sonde.errors import RecipeError, did_you_mean
from sonde.models import ranges
from sonde.nn.stages import put_head

# name → the file that holds it. Each file has `VARIANTS`: name → Config, and `build(config)`.
MODELS: dict[str, str] = {
    "linear-regression": "sonde.models.linear_regression",
    "softmax-regression": "sonde.models.softmax_regression",
    "perceptron": "sonde.models.perceptron",
    "mlp": "sonde.models.mlp",
    "lenet": "sonde.models.lenet",
    "lenet-original": "sonde.models.lenet",
    "resnet18": "sonde.models.resnet",
    "resnet18-light": "sonde.models.resnet",
    "resnet34": "sonde.models.resnet",
    "resnet50": "sonde.models.resnet",
    "resnet101": "sonde.models.resnet",
    "resnet152": "sonde.models.resnet",
    "resnet20": "sonde.models.resnet_cifar",
    "resnet32": "sonde.models.resnet_cifar",
    "resnet44": "sonde.models.resnet_cifar",
    "resnet56": "sonde.models.resnet_cifar",
    "resnet110": "sonde.models.resnet_cifar",
    "preresnet110": "sonde.models.preresnet",
    "preresnet164": "sonde.models.preresnet",
    "preresnet1001": "sonde.models.preresnet",
    "alexnet": "sonde.models.alexnet",
    "alexnet-course": "sonde.models.alexnet",
    "vgg11": "sonde.models.vgg",
    "vgg13": "sonde.models.vgg",
    "vgg16": "sonde.models.vgg",
    "vgg19": "sonde.models.vgg",
    "vgg11-bn": "sonde.models.vgg",
    "vgg13-bn": "sonde.models.vgg",
    "vgg16-bn": "sonde.models.vgg",
    "vgg19-bn": "sonde.models.vgg",
    "nin": "sonde.models.nin",
    "nin-cifar": "sonde.models.nin",
    "googlenet": "sonde.models.googlenet",
    "googlenet-paper": "sonde.models.googlenet",
    "inception-v2": "sonde.models.inception_v2",
    "inception-v3": "sonde.models.inception_v3",
    "inception-v4": "sonde.models.inception_v4",
    "inception-resnet-v2": "sonde.models.inception_resnet_v2",
    "wide-resnet50-2": "sonde.models.resnet",
    "wide-resnet101-2": "sonde.models.resnet",
    "wide-resnet16-4": "sonde.models.preresnet",
    "wide-resnet28-10": "sonde.models.preresnet",
    "visual-words": "sonde.models.visual_words",
    "airbench94": "sonde.models.airbench",
    "airbench95": "sonde.models.airbench",
    "airbench96": "sonde.models.airbench",
    **dict.fromkeys(("unigram", "bigram", "trigram", "ngram"), "sonde.models.ngram"),
    "markov-linear": "sonde.models.markov",
    "markov-mlp": "sonde.models.markov",
    "skip-gram": "sonde.models.skip_gram",
    "cbow": "sonde.models.cbow",
    "rnn": "sonde.models.rnn",
    "gru": "sonde.models.gru",
    "lstm": "sonde.models.lstm",
    "embedding-bag": "sonde.models.embedding_bag",
    "transformer-decoder": "sonde.models.transformer_decoder",
    "transformer-encoder": "sonde.models.transformer_encoder",
    "transformer": "sonde.models.transformer",
    "transformer-base": "sonde.models.transformer",
    "seq2seq-rnn": "sonde.models.seq2seq",
    "seq2seq-gru": "sonde.models.seq2seq",
    "seq2seq-lstm": "sonde.models.seq2seq",
    "seq2seq-rnn-attention": "sonde.models.seq2seq",
    "seq2seq-gru-attention": "sonde.models.seq2seq",
    "seq2seq-lstm-attention": "sonde.models.seq2seq",
    **dict.fromkeys(("bert-tiny", "bert-mini", "bert-small", "bert-medium", "bert-base", "bert-large"), "sonde.models.bert"),
    **dict.fromkeys(("fcn32", "fcn16", "fcn8"), "sonde.models.fcn"),
    **dict.fromkeys(("fcn-resnet50", "fcn-resnet101"), "sonde.models.fcn_resnet"),
    **dict.fromkeys(("u-net", "u-net-small"), "sonde.models.u_net"),
    **dict.fromkeys(("deeplab-v3", "deeplab-v3-resnet101", "deeplab-v3-small"), "sonde.models.deeplab_v3"),
    **dict.fromkeys(("ssd300", "ssd-resnet50", "ssd-small"), "sonde.models.ssd"),
    **dict.fromkeys(("yolo-v1", "yolo-v1-small"), "sonde.models.yolo_v1"),
    **dict.fromkeys(("yolo-small", "yolo-large"), "sonde.models.yolo"),
    **dict.fromkeys(("faster-rcnn", "faster-rcnn-small"), "sonde.models.faster_rcnn"),
    **dict.fromkeys(("mask-rcnn", "mask-rcnn-small"), "sonde.models.mask_rcnn"),
    **dict.fromkeys(("fast-rcnn", "fast-rcnn-small"), "sonde.models.fast_rcnn"),
    **dict.fromkeys(("rcnn", "rcnn-small"), "sonde.models.rcnn"),
}

# What a user wants who gives a model a size that is for the data to say.
_INSTEAD = {
    "channels": "leave out model.channels; --set data.channels=1 reads pictures as grey, 3 as colour",
    "size": "leave out model.size; --size brings pictures to a size in pixels",
}

# A value that is no model's own: widths of hidden layers that are put before the outputs.
NEW_HEAD = "new_head"

RECURRENT = ("language-modelling", "classification", "multi-label-classification", "regression", "tagging", "forecasting")

# Tasks whose answers are places in a picture. Only models that say so in FITS give them.
SCENES = ("detection", "segmentation")

# Models that only some tasks can use; all others fit every task but SCENES.
FITS: dict[str, tuple[str, ...]] = {
    "linear-regression": ("regression", "forecasting"),
    "softmax-regression": ("classification", "multi-label-classification"),
    "perceptron": ("classification",),
    "visual-words": ("classification",),
    **dict.fromkeys(("unigram", "bigram", "trigram", "ngram", "markov-linear", "markov-mlp"), ("language-modelling",)),
    **dict.fromkeys(("rnn", "gru", "lstm"), RECURRENT),
    **dict.fromkeys(("skip-gram", "cbow"), ("word-vectors",)),
    "embedding-bag": ("classification", "multi-label-classification", "regression"),
    "transformer-decoder": ("language-modelling", "classification", "multi-label-classification", "regression", "tagging"),
    "transformer-encoder": ("classification", "multi-label-classification", "regression", "tagging"),
    **dict.fromkeys(
        ("bert-tiny", "bert-mini", "bert-small", "bert-medium", "bert-base", "bert-large"),
        ("masked-language-modelling", "classification", "multi-label-classification", "regression", "tagging", "question-answering"),
    ),
    **dict.fromkeys(("transformer", "transformer-base"), ("translation",)),
    **{f"seq2seq-{cell}{attention}": ("translation",) for cell in ("rnn", "gru", "lstm") for attention in ("", "-attention")},
    **dict.fromkeys(("fcn32", "fcn16", "fcn8", "fcn-resnet50", "fcn-resnet101"), ("segmentation",)),
    **dict.fromkeys(("ssd300", "ssd-resnet50", "ssd-small", "yolo-v1", "yolo-v1-small", "yolo-small", "yolo-large"), ("detection",)),
    **dict.fromkeys(("rcnn", "rcnn-small", "fast-rcnn", "fast-rcnn-small", "faster-rcnn", "faster-rcnn-small"), ("detection",)),
    **dict.fromkeys(("mask-rcnn", "mask-rcnn-small"), ("detection",)),
    **dict.fromkeys(("u-net", "u-net-small", "deeplab-v3", "deeplab-v3-resnet101", "deeplab-v3-small"), ("segmentation",)),
}


def module(name: str) -> Any:
    """The module that holds model `name`."""
    if name not in MODELS:
        raise RecipeError(f"there is no model {name!r}", where="model.name", remedy=did_you_mean(name, MODELS))
    return importlib.import_module(MODELS[name])


def config(name: str, table: dict[str, Any]) -> Any:
    """The variant's Config with `table`'s values put in; unknown keys, wrong types and numbers out of range are refused."""
    from pydantic import TypeAdapter, ValidationError

    base, table = module(name).VARIANTS[name], without_head(table)
    known = [field.name for field in dataclasses.fields(base)]
    for key in table:
        if key not in known:
            raise RecipeError(f"model {name} has no value {key!r}", where=f"model.{key}", remedy=did_you_mean(key, [*known, NEW_HEAD]))
    try:
        found = TypeAdapter(type(base)).validate_python({**dataclasses.asdict(base), **table})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "config"
        # A list on the command line is TOML's: --set model.widths=[32,96,96].
        wants_list = first["type"] in ("tuple_type", "list_type") and "," in str(first["input"])
        remedy = f"write it in brackets: model.{key}=[{first['input']}]" if wants_list else f"change model.{key}"
        raise RecipeError(f"model.{key} = {first['input']!r}: {first['msg']}", where="model.config", remedy=remedy) from None
    ranges.check(name, MODELS[name].rpartition(".")[2], vars(found), vars(base))
    return found


# What a model of tokens is to give, by task: something for each token, or one answer for the whole sequence (all other tasks).
PER: dict[str, Literal["token", "span", "masked"]] = {
    "language-modelling": "token",
    "word-vectors": "token",
    "translation": "token",
    "tagging": "token",
    "masked-language-modelling": "masked",
    "question-answering": "span",
}

Reads = Literal["images", "numbers", "tokens"]


def accepts(name: str) -> Reads:
    """What the model reads: pictures (its Config has `channels`), tokens (`vocabulary`) or rows of numbers (pictures are flattened)."""
    return "images" if has(name, "channels") else "tokens" if has(name, "vocabulary") else "numbers"


def reads_series(name: str) -> bool:
    """Whether the model reads tokens, and where there is no vocabulary numbers in a row."""
    return accepts(name) == "tokens" and has(name, "numbers")


def has(name: str, value: str) -> bool:
    """Whether the model's Config has this value."""
    return value in {field.name for field in dataclasses.fields(module(name).VARIANTS[name])}


def fits(name: str, task: str) -> bool:
    """Whether the model can be used for the task."""
    return task in FITS[name] if name in FITS else task not in SCENES


def sees_scenes(name: str) -> bool:
    """Whether the model is a detector or a segmenter: its answers are places in a picture."""
    return any(fits(name, task) for task in SCENES)


def check_fit(name: str, *, task: str, data: Reads) -> None:
    """RecipeError that lists the models that fit, where `name` does not fit the task or the kind of data."""
    module(name)
    readable = {"images": ("images", "numbers"), "numbers": ("numbers",), "tokens": ("tokens",)}[data]
    ordered = data == "numbers" and task == "forecasting"  # numbers of a table stand in no order in which they could be read
    fitting = [other for other in MODELS if fits(other, task) and (accepts(other) in readable or (ordered and reads_series(other)))]
    if name not in fitting:
        reads = {"images": "reads pictures", "numbers": "reads rows of numbers", "tokens": "reads text"}[accepts(name)]
        what = f"{reads}, and these data are none" if fits(name, task) else f"does not do {task}"
        raise RecipeError(f"model {name} {what}", where="model.name", remedy="models that fit: " + ", ".join(fitting))


def full_table(name: str, given: dict[str, Any], *, of_data: dict[str, Any] | None = None) -> dict[str, Any]:
    """All values of the model with `given` put in: the Config's, and `new_head` where there is one.

    `of_data`: values that the data and the task decide. Raises RecipeError where `given` names another size than the data have.
    """
    widths, decided = head_widths(given), of_data or {}
    for key in ranges.OF_THE_DATA:
        if key in given and key in decided and given[key] != decided[key]:
            what = f"model.{key} = {given[key]} is for the data to say, and they say {decided[key]}"
            raise RecipeError(what, where="model.config", remedy=_INSTEAD.get(key, f"leave out model.{key}"))
    return dataclasses.asdict(config(name, {**given, **decided})) | ({NEW_HEAD: widths} if widths else {})


def head_widths(table: dict[str, Any]) -> tuple[int, ...]:
    """The widths of hidden layers before the outputs, which a model for pictures with a dense last layer can have: `model.new_head`."""
    value = table.get(NEW_HEAD, ())
    widths = (value,) if isinstance(value, int) else tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if any(not isinstance(width, int) or isinstance(width, bool) or width < 1 for width in widths):
        remedy = "give one width, or several: model.new_head=[256,64]"
        raise RecipeError(f"model.new_head = {value!r}: these are no widths", where="model.config", remedy=remedy)
    return widths


def without_head(table: dict[str, Any]) -> dict[str, Any]:
    """The Config's values alone."""
    return {key: value for key, value in table.items() if key != NEW_HEAD}


def build(name: str, table: dict[str, Any]) -> nn.Module:
    """The model, with fresh weights drawn from the global generator. Raises RecipeError for pictures that are too small for it."""
    _check_size(name, table)
    network: nn.Module = module(name).build(config(name, table))
    widths = head_widths(table)
    if widths and accepts(name) != "images":
        remedy = "leave it out; mlp has hidden layers of its own: model.width, model.depth"
        raise RecipeError("only models for pictures take hidden layers before their outputs", where="model.new_head", remedy=remedy)
    if widths:
        put_head(network, widths)
    return network


def smallest(name: str, table: dict[str, Any]) -> int:
    """The least height and width in pixels that the model can read with `table`'s values; 1 where its file has no `smallest`."""
    file = module(name)
    least: int = file.smallest(config(name, table)) if "smallest" in vars(file) else 1
    return least


def _check_size(name: str, table: dict[str, Any]) -> None:
    """RecipeError that names the smallest size, where the pictures' is less."""
    least = smallest(name, table)
    if least > 1 and (size := config(name, table).size) < least:
        raise RecipeError(
            f"{name} cannot read pictures of {size}×{size}: its layers leave something only of {least}×{least} or more",
            where="data.size",
            remedy=f"use --size {least} or larger, or a model for smaller pictures, such as resnet20 or mlp",
        )
