"""What a recipe says where the user does not: one explicit table, chosen on validation data of the real sets.

`complete` fills in every None but those that the machine decides (device, precision, channels_last). What it chose
stands in the run's recipe.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sonde.errors import RecipeError
from sonde.recipe import Recipe


@dataclass(frozen=True)
class Facts:
    """What the defaults depend on. `size` and `channels` are 0 where the data are no pictures, `tokens` where they are no running text."""

    kind: str
    task: str
    examples: int
    size: int = 0
    channels: int = 0
    classes: int = 0
    tokens: int = 0


def model_for(facts: Facts) -> str:
    """The model to start with."""
    if facts.kind == "pairs":
        return "transformer"
    if facts.kind == "tagged":
        return "lstm"
    if facts.task == "word-vectors":
        return "skip-gram"
    if facts.task in ("masked-language-modelling", "question-answering"):
        return "bert-tiny"
    if facts.kind == "text":
        return "gru" if facts.task == "language-modelling" else "embedding-bag"
    if facts.kind == "boxes":
        return "ssd-small"
    if facts.kind == "masks":
        return "u-net-small"
    if facts.kind == "images":
        if facts.size <= 32:
            return "lenet" if facts.channels == 1 and facts.size >= 12 else "resnet20"
        return "resnet18"
    return "mlp"


# What pictures with places in them are augmented with where the recipe does not say: a crop or zoom-out, a shift, a mirror image, light.
_SCENE_AUGMENT = {
    "boxes": ("affine:0:0.15:0.4:0", "flip", "colour:0.25:0.25:0.25:0.03"),
    "masks": ("affine:0:0.1:0.3:0", "flip", "colour:0.25:0.25:0.25:0.03"),
}
# Detectors and segmenters: optimiser, peak learning rate, weight decay, schedule, updates to aim at.
_SCENES: dict[str, tuple[str, float, float, str, int]] = {
    # On blood cells the small YOLO gained with each of six epochs at this rate; deep bodies, and those without norms, want less.
    "yolo-small": ("adamw", 2e-3, 5e-2, "one-cycle", 2_500),
    **dict.fromkeys(("yolo-large", "ssd-resnet50"), ("adamw", 5e-4, 5e-2, "one-cycle", 4_000)),
    **dict.fromkeys(("faster-rcnn-small", "mask-rcnn-small"), ("adamw", 2e-3, 5e-2, "one-cycle", 2_500)),
    **dict.fromkeys(("fast-rcnn-small", "rcnn-small"), ("adamw", 1e-3, 5e-2, "one-cycle", 1_500)),
    **dict.fromkeys(("faster-rcnn", "mask-rcnn"), ("adamw", 1e-4, 5e-2, "one-cycle", 4_000)),
    **dict.fromkeys(("fast-rcnn", "rcnn"), ("adamw", 5e-5, 5e-2, "one-cycle", 4_000)),
    **dict.fromkeys(("ssd300", "yolo-v1"), ("adamw", 2e-4, 5e-2, "one-cycle", 4_000)),
    "u-net-small": ("adamw", 3e-3, 2e-2, "one-cycle", 3_000),
    # Without batch norm.
    **dict.fromkeys(("u-net", "fcn32", "fcn16", "fcn8"), ("adamw", 2e-4, 1e-2, "one-cycle", 3_000)),
}
_SCENE = ("adamw", 1e-3, 1e-2, "one-cycle", 2_000)


# Per family: optimiser, peak learning rate, weight decay, schedule, batch size (None: by the number of examples),
# updates to aim at (None: the epochs beside it).
_IMAGES: dict[str, tuple[str, float, float, str, int]] = {
    "lenet": ("adamw", 3e-3, 1e-2, "one-cycle", 128),
    "lenet-original": ("adam", 2e-3, 0.0, "one-cycle", 128),
    "mlp": ("adamw", 2e-3, 1e-2, "one-cycle", 128),
    "softmax-regression": ("adamw", 5e-3, 1e-2, "one-cycle", 128),
    "visual-words": ("adamw", 1e-2, 1e-4, "one-cycle", 128),
    # Without batch norm the rate of a ResNet would throw them off.
    **dict.fromkeys(("alexnet", "alexnet-course", "vgg11", "vgg13", "vgg16", "vgg19"), ("adamw", 5e-4, 5e-2, "one-cycle", 128)),
    **dict.fromkeys(("nin", "nin-cifar", "googlenet-paper"), ("adamw", 1e-3, 5e-2, "one-cycle", 128)),
}
_RESNET = ("momentum", 0.1, 5e-4, "one-cycle", 128)
_TABLE: dict[str, tuple[str, float, float, str]] = {
    "mlp": ("adamw", 3e-3, 1e-2, "one-cycle"),
    "softmax-regression": ("adamw", 1e-2, 1e-2, "one-cycle"),
    "linear-regression": ("adamw", 1e-2, 1e-2, "one-cycle"),
    "transformer-encoder": ("adamw", 1e-3, 1e-2, "one-cycle"),
    "transformer-base": ("adamw", 5e-4, 1e-2, "one-cycle"),
    **dict.fromkeys(("transformer", "seq2seq-rnn", "seq2seq-gru", "seq2seq-lstm"), ("adamw", 2e-3, 1e-2, "one-cycle")),
    **dict.fromkeys(("seq2seq-rnn-attention", "seq2seq-gru-attention", "seq2seq-lstm-attention"), ("adamw", 2e-3, 1e-2, "one-cycle")),
}


# Running text: rows of a batch, which are read side by side, and the tokens of a row where the task does not say (data/prepare/text.py).
_RUNNING_TEXT = ("adamw", 3e-3, 1e-2, "cosine")
LANES, WINDOW = 32, 64
# Word vectors: a batch is made of so many tokens.
_WORDS = ("adam", 5e-3, 0.0, "one-cycle")
WORDS = 1_024

# Sentences, to classify or to tag: as above, and the updates to aim at. A bag of embeddings knows its words by heart after a few epochs.
_SENTENCES: dict[str, tuple[str, float, float, str, int]] = {"embedding-bag": ("adamw", 1e-2, 1e-2, "one-cycle", 275)}
_READERS = ("adamw", 2e-3, 1e-2, "one-cycle", 1_200)
# BERT from published weights: Devlin et al. 2018, section A.3, tried rates of 2e-5 … 5e-5, batches of 16 and 32, two to four epochs.
_TUNED = ("adamw", 5e-5, 1e-2, "one-cycle", 3)

# BERT's pre-training of small models: the rates of Turc et al. 2019 ("Well-read students learn better"), and the updates to aim at.
_MASKED = ("adamw", 1e-3, 1e-2, "one-cycle", 10_000)
MASKED_LENGTH = 128  # pieces of a row where the recipe does not say (data/prepare/bert.py)

# Models that need no epochs, and the solver of which that holds.
_SOLVED = {"linear-regression": "closed-form", "visual-words": "svm"}


# Models that are counted, not trained.
COUNTED = ("unigram", "bigram", "trigram", "ngram")


def for_another_model(recipe: Recipe, flags: Mapping[str, Any]) -> Recipe:
    """What is left of a recipe where `flags` name another model than its own: not what it sets of its model, and no epochs for what needs none.

    The optimiser and its rate stay, as does all that `flags` change themselves.
    """
    name = flags.get("model")
    if name is None or recipe.model.name in (None, name):
        return recipe
    recipe = recipe.replace(model={"config": {}})
    return recipe.replace(training={"epochs": None}) if name in COUNTED or name in _SOLVED else recipe


def complete(recipe: Recipe, facts: Facts) -> Recipe:
    """`recipe` with nothing left to decide about model, optimiser and length."""
    name = recipe.model.name or model_for(facts)
    if name in _SOLVED and recipe.training.epochs and "solver" not in recipe.model.config:
        # Asking for epochs asks for gradient steps: what is solved takes none.
        recipe = recipe.replace(model={"config": {**recipe.model.config, "solver": "gradient"}})
    batch = recipe.training.batch_size or _batch_size(name, facts)
    if name == "perceptron":  # the rule itself: one example at a time; the rate does not matter from a zero start
        chosen = {"name": "sgd", "lr": 1.0, "weight_decay": 0.0, "schedule": "constant"}
        batch, epochs = recipe.training.batch_size or 1, 20
    elif name in COUNTED:
        if recipe.training.epochs:
            what = f"{name} counts the training part once, so that there are no epochs"
            raise RecipeError(what, where="--epochs", remedy="leave out --epochs, or train gru or transformer-decoder")
        chosen = {"name": "sgd", "lr": 1.0, "weight_decay": 0.0, "schedule": "constant"}
        epochs = 0
    elif name in _SOLVED and recipe.model.config.get("solver", _SOLVED[name]) == _SOLVED[name]:
        chosen = {"name": "sgd", "lr": 1.0, "weight_decay": 0.0, "schedule": "constant"}
        epochs = 0
    elif facts.task == "word-vectors":
        optimizer, lr, decay, schedule = _WORDS
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        batch = recipe.training.batch_size or WORDS
        epochs = _epochs(facts.tokens, batch, updates=3_000, most=30)
    elif facts.task == "masked-language-modelling":
        optimizer, lr, decay, schedule, updates = _MASKED
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        batch = recipe.training.batch_size or 64
        epochs = _epochs(facts.tokens, batch * (recipe.data.length or MASKED_LENGTH), updates=updates, most=100)
    elif facts.tokens:
        # A Transformer needs the rate to rise at first.
        optimizer, lr, decay, schedule = ("adamw", 1.5e-3, 1e-2, "one-cycle") if name == "transformer-decoder" else _RUNNING_TEXT
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        batch = recipe.training.batch_size or LANES
        steps = recipe.task.options.get("steps", WINDOW)
        epochs = _epochs(facts.tokens, batch * (steps if isinstance(steps, int) else WINDOW), updates=3_000, most=50)
    elif facts.kind in ("text", "tagged", "questions") and name.startswith("bert-") and recipe.model.weights is not None:
        optimizer, lr, decay, schedule, epochs = _TUNED
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        batch = recipe.training.batch_size or 32
    elif facts.kind in ("text", "tagged", "questions"):
        optimizer, lr, decay, schedule, updates = _SENTENCES.get(name, _READERS)
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        batch = recipe.training.batch_size or (batch if name in _SENTENCES else min(batch, 32))
        epochs = _epochs(facts.examples, batch, updates=updates, most=30)
        if facts.task == "tagging" and name in ("rnn", "gru", "lstm"):  # what follows tells a token's tag as much as what stands before
            recipe = recipe.replace(model={"config": {"bidirectional": True, "dropout": 0.5} | recipe.model.config})
    elif facts.kind in _SCENE_AUGMENT:
        optimizer, lr, decay, schedule, updates = _SCENES.get(name, _SCENE)
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        epochs = _epochs(facts.examples, batch, updates=updates, most=150)
        if recipe.data.augment is None:
            # Selective search is done once for a picture and its mirror image; any other change would make new pictures of them each epoch.
            searched = name in ("fast-rcnn", "fast-rcnn-small", "rcnn", "rcnn-small")
            recipe = recipe.replace(data={"augment": ("flip",) if searched else _SCENE_AUGMENT[facts.kind]})
    elif facts.kind == "images":
        optimizer, lr, decay, schedule, usual = _IMAGES.get(name, _RESNET)
        # The rate goes with the batch: linearly for momentum (Goyal et al. 2017), by the root for Adam.
        scale = batch / usual if optimizer == "momentum" else (batch / usual) ** 0.5
        chosen = {"name": optimizer, "lr": lr * min(scale, 2.0), "weight_decay": decay, "schedule": schedule}
        epochs = _epochs(facts.examples, batch, updates=2_500, most=60)
    else:
        optimizer, lr, decay, schedule = _TABLE.get(name, _TABLE["mlp"])
        chosen = {"name": optimizer, "lr": lr, "weight_decay": decay, "schedule": schedule}
        epochs = _epochs(facts.examples, batch, updates=5_000, most=100)
    chosen["clip"] = 1.0 if facts.kind in ("text", "pairs", "questions") and epochs else 0.0
    optim = recipe.optim.model_dump()
    if optim["name"] is not None and optim["name"] != chosen["name"] and optim["lr"] is None:
        chosen["lr"] = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adam": 1e-3, "adamw": 1e-3}[optim["name"]]
    return recipe.replace(
        model={"name": name},
        optim={key: value for key, value in chosen.items() if optim[key] is None},
        training=_without_none(
            {
                "batch_size": batch,
                "epochs": epochs if recipe.training.epochs is None else None,
                "patience": 0 if recipe.training.patience is None else None,
            }
        ),
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _batch_size(name: str, facts: Facts) -> int:
    """A power of two: 128 for pictures, else about a hundredth of the examples within 16 … 1,024, of pairs of sentences within 16 … 64."""
    if facts.kind == "images":
        return 128 if facts.examples >= 5_000 else 32
    if facts.kind in _SCENE_AUGMENT:
        return 8
    size, most = 16, 64 if facts.kind == "pairs" else 1_024
    while size < most and size * 100 < facts.examples:
        size *= 2
    return size


def _epochs(examples: int, batch: int, *, updates: int, most: int) -> int:
    """Epochs that make about `updates` updates, within 1 … `most`."""
    return max(1, min(most, round(updates * batch / max(examples, 1))))
