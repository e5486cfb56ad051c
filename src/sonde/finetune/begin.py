"""How a training begins from weights: what they decide of the recipe and the preprocessing, and how they enter the network."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sonde import models
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.images import ImagePreparation
from sonde.data.prepare.scenes import ScenePreparation
from sonde.data.prepare.target import labels_of
from sonde.data.prepare.text import TextPreparation
from sonde.data.prepare.tokenizers.bert import BertPieces, of_folder
from sonde.errors import RecipeError
from sonde.finetune.labels import read_labels, shared_rows
from sonde.finetune.recognise import Guess, channels_of, fits, fitting_form, outputs_of, recognise, skeleton
from sonde.finetune.source import Source
from sonde.models import weights
from sonde.models.ranges import OF_THE_DATA
from sonde.nn.stages import is_in, output_layers
from sonde.recipe import Recipe

# Means and spreads of the three colours that published weights were trained with. Inception's family took colours from −1 to 1
# (torchvision keeps to that for its GoogLeNet and Inception v3).
IMAGENET: dict[str, list[float]] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
FROM_MINUS_ONE: dict[str, list[float]] = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
_INCEPTIONS = ("googlenet", "inception")
# Data whose models may begin from the body of a classifier.
SCENES = ("boxes", "masks")
# Data that a model of the BERT family reads with the same vocabulary, whatever is asked about them.
TEXTS = ("text", "tagged", "questions")
# So many outputs over colour pictures: these weights learned ImageNet's classes.
_CLASSES = 1000
# So many scores of Faster and Mask R-CNN: these weights learned COCO's objects, its unused numbers and the background.
_COCO = 91


@dataclass(frozen=True)
class Beginning:
    """What was taken: plain facts for model.json and `--json`, and sentences for the log."""

    facts: dict[str, Any]
    notes: tuple[str, ...]


def decided(recipe: Recipe, source: Source, *, kind: str) -> Recipe:
    """The recipe with what the weights decide: the model, its values, the channels of pictures.

    Raises RecipeError where it is not known which model they are of, and where they read another kind of data.
    """
    learned = kind if source.run is None else source.run.description["kind"]
    bert = source.model is not None and models.has(source.model, "separator")
    same = learned == kind or (bert and {learned, kind} <= set(TEXTS))
    if not same and not (learned == "images" and kind in SCENES):
        what = f"this run learned from {learned}, and these data are {kind}"
        raise RecipeError(what, where=source.where, remedy="start from weights of the same kind of data")
    name = recipe.model.name or (source.model if same else None)
    if name is None and not same:
        what = "these weights are a classifier's, which can be the body of a detector or segmenter"
        raise RecipeError(what, where=source.where, remedy="name the model that has this body: --model yolo-small")
    if name is None:
        guess = recognise(source.tensors)
        if guess is None or guess.share < 1:
            near = f"; they resemble {guess.model}" if guess is not None else ""
            raise RecipeError(f"these weights do not say which model they are of{near}", where=source.where, remedy="name it with --model")
        name = guess.model
    models.module(name)
    config = {**(source.config if name == source.model else {}), **recipe.model.config}
    recipe = recipe.replace(model={"name": name, "config": config})
    if kind not in ("images", *SCENES) or models.accepts(name) != "images":
        return recipe
    channels = channels_of(name, config, source.tensors)
    if channels is None or recipe.data.channels is not None:
        return recipe
    if channels not in (1, 3):
        what = f"these weights read pictures of {channels} channels; pictures here have 1 (grey) or 3 (colour)"
        raise RecipeError(what, where=source.where, remedy="start from weights for grey or colour pictures")
    return recipe.replace(data={"channels": channels})


def vocabulary(source: Source) -> BertPieces:
    """The vocabulary that weights of the BERT family were trained with. Raises RecipeError where it does not stand beside them, or is another's."""
    if source.run is not None:
        pieces = source.run.preparation.tokenizer
        if not isinstance(pieces, BertPieces):
            what = f"this run read text as {pieces.name}, and not with a vocabulary of BERT's kind"
            raise RecipeError(what, where=source.where, remedy="start from weights of the BERT family")
        return pieces
    found = of_folder(Path(source.where).parent)
    if found is None:
        what = "these weights came without their vocabulary, and their first layer means nothing without it"
        raise RecipeError(what, where=source.where, remedy="put their tokenizer.json or vocab.txt beside them")
    words = source.tensors.get("bert.embeddings.word_embeddings.weight")
    if words is not None and len(words) != len(found.vocabulary):
        what = f"the vocabulary beside these weights has {len(found.vocabulary):,} pieces, and their embedding has {len(words):,}"
        raise RecipeError(what, where=source.where, remedy="put the vocabulary beside them that they were trained with")
    return found


def with_form(recipe: Recipe, source: Source, sizes: dict[str, Any]) -> Recipe:
    """The recipe with the forms of the model (its stem for large or small pictures, …) that these weights are of."""
    name = recipe.model.name or ""
    if models.accepts(name) != "images" or "channels" not in sizes:
        return recipe
    table = {**recipe.model.config, "channels": sizes["channels"], "size": sizes["size"], "classes": 2}
    form = fitting_form(name, table, source.tensors)
    return recipe.replace(model={"config": {**recipe.model.config, **form}}) if form else recipe


def fitted(preparation: Any, recipe: Recipe, source: Source | None) -> tuple[Any, str | None]:
    """The preparation with the normalisation that the recipe asks for, and a sentence about it.

    Pictures: with weights whose normalisation is known it is theirs, unless `data.normalise` says otherwise. Rows and
    series from a run are read as the run read them, so that codes and scales mean the same. Raises RecipeError for numbers
    that do not fit the channels, and for `model.keep_labels` without weights: this is where both kinds of start come by.
    """
    if recipe.model.weights is None and recipe.model.keep_labels is not None:
        remedy = "give the weights that they are of: --weights; or leave out --keep-labels"
        raise RecipeError("there is no old classifier to keep rows of, as there are no --weights", where="--keep-labels", remedy=remedy)
    asked = recipe.data.normalise
    if not isinstance(preparation, (ImagePreparation, ScenePreparation)):
        if not isinstance(asked, bool) and asked != "data":
            raise RecipeError("this normalisation is one of pictures, and these data are none", where="data.normalise", remedy="use true, false or data")
        if source is None or source.run is None:
            return preparation, None
        if isinstance(preparation, BertPreparation):
            return preparation, f"text is read with the vocabulary of {source.where}"
        if isinstance(preparation, TextPreparation):
            return source.run.preparation, f"text is read as {source.where} read it: the same tokeniser and vocabulary"
        return source.run.preparation, f"columns are read as {source.where} read them: the same types, codes and scales"
    said = None
    numbers: dict[str, list[float]]
    if isinstance(asked, dict):
        numbers = {str(key): list(values) for key, values in asked.items()}
    elif asked == "imagenet":
        numbers = IMAGENET
    elif asked is True and source is not None:
        numbers, said = normalisation_of(recipe.model.name or "", source)
    else:
        return preparation, None
    if not numbers:
        return preparation, said
    for key in ("mean", "std"):
        if len(numbers.get(key, ())) != preparation.channels:
            what = f"the normalisation has {len(numbers.get(key, ()))} numbers under {key}, and pictures here have {preparation.channels} channels"
            remedy = "give one a channel, or --set data.normalise=data to fit them to the training part"
            raise RecipeError(what, where="data.normalise", remedy=remedy)
    return dataclasses.replace(preparation, mean=tuple(numbers["mean"]), std=tuple(numbers["std"])), said


def normalisation_of(name: str, source: Source) -> tuple[dict[str, list[float]], str]:
    """The mean and spread that the weights were trained with, as far as that is known."""
    change = "--set data.normalise=data fits it to the training part"
    if source.normalisation is not None:
        return source.normalisation, f"pictures are normalised as {source.where} had them; {change}"
    network = skeleton(name, {"channels": 3, "size": 224, "classes": _CLASSES})
    if network is not None and outputs_of(network, source.tensors) == _CLASSES and channels_of(name, {}, source.tensors) == 3:
        which, numbers = ("to −1 … 1", FROM_MINUS_ONE) if name.startswith(_INCEPTIONS) else ("by ImageNet's mean and spread", IMAGENET)
        return numbers, f"pictures are normalised {which}, as published weights of {name} for {_CLASSES:,} classes expect; {change}"
    scores = source.tensors.get("roi_heads.box_predictor.cls_score.weight")
    if scores is not None and len(scores) == _COCO:
        return IMAGENET, f"pictures are normalised by ImageNet's mean and spread, as published weights of {name} for COCO expect; {change}"
    said = "the file does not say how its pictures were normalised, so mean and spread are fitted to the training part"
    return {}, f"{said}; --set data.normalise=imagenet takes ImageNet's"


def enter(network: nn.Module, source: Source, recipe: Recipe, *, target: dict[str, Any]) -> Beginning:
    """Put the weights into `network`, which predicts `target`. Raises RecipeError for what does not fit, or is not shared.

    The classifier starts anew where its outputs stand for other labels. With `model.keep_labels` the rows of labels that both
    have are kept; where none can be, that is refused.
    """
    new = labels_of(target)
    old = _old_labels(network, source, recipe)
    same = old is None or old == new
    rows = shared_rows(old, new, where="--keep-labels") if old is not None and not same and recipe.model.keep_labels else {}
    loaded = weights.fill(
        network, source.tensors, where=source.where, new_head=not same, rows=rows, advice=lambda: _advice(recipe, source)
    )
    if recipe.model.keep_labels is not None and not loaded.kept and any(is_in(name, output_layers(network)) for name in loaded.fresh):
        raise _nothing_kept(recipe)
    kept = [new[row] for row in rows] if loaded.kept else []
    facts = {
        "weights": source.where,
        "taken": loaded.taken,
        "fresh": list(loaded.fresh),
        "unused": list(loaded.unused),
        "kept_labels": kept,
    }
    notes = [loaded.message]
    if loaded.kept:
        notes.append(f"rows kept for {len(rows)} of {len(new)} labels: {', '.join(kept)}")
    return Beginning(facts, tuple(notes))


def _old_labels(network: nn.Module, source: Source, recipe: Recipe) -> tuple[str, ...] | None:
    """What the outputs of the weights stand for: as --keep-labels says, else as the weights do."""
    asked = recipe.model.keep_labels
    if asked in (None, "auto"):
        if asked == "auto" and source.labels is None:
            what = "these weights do not say what their outputs stand for"
            raise RecipeError(what, where="--keep-labels", remedy="give a file with the old labels, one a line: --keep-labels labels.txt")
        old = source.labels
    else:
        old = read_labels(Path(str(asked)))
    outputs = outputs_of(network, source.tensors)
    if asked is None or outputs is None or old is None or len(old) == outputs:
        return old
    what = f"there are {len(old)} labels for {outputs} outputs of the weights"
    raise RecipeError(what, where=f"--keep-labels {asked}", remedy="give all old labels, one a line, in the order of the outputs")


def _nothing_kept(recipe: Recipe) -> RecipeError:
    """Why the classifier starts anew in all its rows although some were to be kept."""
    widths = models.head_widths(recipe.model.config)
    if widths:
        what = f"no row of the old classifier can be kept behind the hidden layers of model.new_head = {list(widths)}, which start anew"
        return RecipeError(what, where="--keep-labels", remedy="leave out --keep-labels, or model.new_head")
    what = "no row of the old classifier can be kept: it reads other features than the new one"
    return RecipeError(what, where="--keep-labels", remedy="leave out --keep-labels")


def _advice(recipe: Recipe, source: Source) -> str:
    """What to do where weights do not fit the recipe's model."""
    name = recipe.model.name or ""
    guess = Guess(source.model, 1.0) if source.model is not None else recognise(source.tensors)
    if guess is not None and guess.model != name:
        return f"they look like weights of {guess.model}: --model {guess.model}"
    if source.run is not None:
        own, theirs = models.full_table(name, recipe.model.config), models.full_table(name, source.config)
        size = source.sizes.get("size")
        if size and fits(name, own | source.sizes, source.tensors):  # so it is the pictures' size alone
            return f"the run was trained with pictures of {size}×{size}: --size {size}"
        other = [f"model.{key} = {json.dumps(value)}" for key, value in theirs.items() if key not in OF_THE_DATA and own.get(key) != value]
        if other:
            return f"the run was trained with {', '.join(other)}: leave out what is set otherwise here"
    return "use weights of this very model, or set model.… to the sizes they were trained with"
